// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl shutdown`.
struct Shutdown: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "shutdown",
        abstract: "End the server: each process is stopped by its stop rule first.",
        discussion: "Never starts a server; exit status 69 when there is none. Waits until it has ended.")

    @Flag(help: "Do not wait for its end.")
    var noWait = false

    @OptionGroup var server: ServerOptions

    func run() throws {
        let client = try server.connect(autostart: false)
        let result = try client.call("shutdown", [])
        if !noWait { client.waitForEnd() }
        if server.json { return try Output.json(result) }
        if let count = result["stopping"]?.integer, count > 0 {
            try Output.line(noWait ? "stopping \(count)" : "stopped \(count)")
        }
    }
}
