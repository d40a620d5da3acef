// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl ping`.
struct Ping: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping",
        abstract: "Ask the server for a sign of life, and how long that took.",
        discussion: "With --no-autostart it tells whether a server is there: exit status 69 when none is.")

    @OptionGroup var server: ServerOptions

    func run() throws {
        let client = try server.connect()
        let start = Clock.microseconds()
        let result = try client.call("ping", [])
        let took = Clock.microseconds() - start
        if server.json { return try Output.json(result) }
        try Output.line("\(result["instance"]?.string ?? "?") answered in \(took) µs")
    }
}
