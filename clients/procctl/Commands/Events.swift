// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON
import JSONRPC

/// `procctl events`.
struct Events: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Tell what happens to processes, as it happens.",
        discussion: """
            The events are started, stopped, continued, replaced, exited and drained.

            Of all processes, those to come as well, or of those with a label, until this command is ended; of \
            processes that are named until all of them have exited and their output has ended. With --json each event \
            is a line: {"event": …, "process": …, …}.
            """)

    @Argument(help: "Ids or names (default: all).", completion: .custom { _, _, _ in Candidates.processes() })
    var processes: [ProcessWord] = []

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp("Every process that has this label (repeatable: all of them).", valueName: "key=value"))
    var label: [PairWord] = []

    @Option(name: [.customShort("e"), .long], help: "Only these events (repeatable).")
    var event: [EventWord] = []

    @OptionGroup var server: ServerOptions

    enum EventWord: String, ExpressibleByArgument, CaseIterable {
        case started, stopped, continued, replaced, exited, drained
    }

    func validate() throws {
        if !processes.isEmpty, !label.isEmpty { throw ValidationError("Give either ids and names, or --label.") }
    }

    func run() throws {
        let client = try server.connect()
        let wanted = event.isEmpty ? EventWord.allCases : event
        // Who waits for named ones has to hear of their end.
        let heard = Set(wanted.map(\.rawValue) + (processes.isEmpty ? [] : ["drained"]))
        let id = try client.send(
            "subscribe",
            .object(["processes": selector, "events": .array(heard.sorted().map { .string($0) }), "streams": []]))
        var left: Set<Int64>?
        while left?.isEmpty != true {
            switch try Reading.next(client, output: STDOUT_FILENO) {
            case .response(id, .failure(let error)): throw Failure(error)
            case .response(id, .success(let value)) where !processes.isEmpty:
                left = Set((value["processes"]?.elements ?? []).compactMap(\.integer))
            case .notification("subscription_ended", _):
                throw Failure("what was told was not read for too long, and is not told any more")
            case .notification(let name, let params?):
                if wanted.contains(where: { $0.rawValue == name }) { try tell(name, params) }
                if name == "drained", let process = params["process"]?.integer { left?.remove(process) }
            default: break
            }
        }
    }

    private var selector: JSONValue {
        if !processes.isEmpty { return .array(processes.map(\.json)) }
        return label.isEmpty ? "all" : .object(members: [("labels", labelsJSON(label))])
    }

    private func tell(_ name: String, _ params: JSONValue) throws(Failure) {
        if server.json {
            let members = (params.members ?? []).filter { $0.key != "subscription" }.map { ($0.key, $0.value) }
            let line = JSONValue.object(members: [("event", JSONValue.string(name))] + members)
            return try Output.write(line.serialized + [UInt8(ascii: "\n")])
        }
        try Output.line(
            TimeText.instant(Clock.wallMilliseconds()) + " " + EventText.line(name, params))
    }
}
