// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl stop`: the stop rule, to its end.
struct Stop: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Stop processes for good: their stop signal, SIGKILL after the grace, until nothing is left.",
        discussion: """
            Waits, and says what died and how its members were found. Exit status 1 when something has survived.
            """)

    @Option(help: ArgumentHelp("The time from the first signal to SIGKILL (default 10s).", valueName: "duration"))
    var grace: Milliseconds?

    @Option(
        name: [.customShort("t"), .long],
        help: ArgumentHelp("Wait no longer than this (default: the grace and 30s).", valueName: "duration"))
    var timeout: Milliseconds?

    @OptionGroup var selector: SelectorOptions
    @OptionGroup var server: ServerOptions

    func run() throws {
        let result = try server.connect().call(
            "kill",
            [
                ("processes", selector.json), ("escalate_after_ms", grace?.json ?? "stop"), ("wait", true),
            ] + (timeout.map { [("timeout_ms", $0.json)] } ?? []))
        try KillReport(result).tell(asJSON: server.json)
    }
}
