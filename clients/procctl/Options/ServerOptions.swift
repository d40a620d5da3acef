// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The options every command takes.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server's socket (default: $PROCCTL_SOCKET, then the user's runtime directory).", valueName: "path"),
        completion: .file())
    var socket: String?

    @Flag(help: "Do not start a server when none listens: end with status 69.")
    var noAutostart = false

    @Flag(help: "Print the server's answer as JSON and nothing else.")
    var json = false

    /// Finds the server, starting it where allowed, and connects.
    func connect(autostart: Bool = true) throws(Failure) -> Client {
        try Client(address: try ServerAddress(option: socket, autostart: autostart && !noAutostart))
    }
}
