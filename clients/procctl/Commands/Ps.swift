// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl ps`.
struct Ps: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "ps",
        abstract: "List processes, those that have exited and were not released included.",
        discussion: "AGE is the time since the start, or since the end. On a terminal lines are cut to its width.")

    @Argument(help: "Only these ids or names.", completion: .custom { _, _, _ in Candidates.processes() })
    var processes: [ProcessWord] = []

    @Option(name: [.customShort("s"), .long], help: "Only this state (repeatable).")
    var state: [StateWord] = []

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Only the one of this name.", valueName: "name"))
    var name: String?

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp("Only with this label (repeatable).", valueName: "key=value"))
    var label: [PairWord] = []

    @Flag(name: [.customShort("q"), .long], help: "Only the ids.")
    var quiet = false

    @OptionGroup var server: ServerOptions

    enum StateWord: String, ExpressibleByArgument, CaseIterable {
        case held, running, stopped, exited
    }

    func run() throws {
        var request = SpawnRequest()
        if !processes.isEmpty { request.set("processes", .array(processes.map(\.json))) }
        if !state.isEmpty { request.set("state", .array(state.map { .string($0.rawValue) })) }
        request.set("name", name.map { .string($0) })
        if !label.isEmpty { request.set("labels", labelsJSON(label)) }
        let result = try server.connect().call("list", request.members)
        if server.json { return try Output.json(result) }
        let records = result["processes"]?.elements ?? []
        if quiet {
            for record in records { try Output.line(record["id"]?.description ?? "?") }
            return
        }
        var table = Table(
            columns: [
                .right("ID"), .left("NAME"), .left("STATE"), .right("PID"), .right("AGE"), .left("EXIT"),
                .left("COMMAND"),
            ])
        let now = Clock.wallMilliseconds()
        for record in records { table.add(row(record, now: now)) }
        try Output.write(table.text(width: Terminal.width()).utf8)
    }

    private func row(_ record: JSONValue, now: Int64) -> [String] {
        [
            record["id"]?.description ?? "?",
            record["name"]?.string ?? "-",
            record["state"]?.string ?? "?",
            record["pid"]?.integer.map { String($0) } ?? "-",
            (record["exited_at"]?.integer ?? record["started_at"]?.integer).map { TimeText.span(now - $0) } ?? "-",
            RecordText.exit(record) ?? "-",
            Escaped.command(record["argv"]?.elements ?? []),
        ]
    }
}
