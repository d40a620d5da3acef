// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl update`.
struct Update: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Change a process's name, labels, lifetime, deadline or stop rule.",
        discussion: "What is not given stays.")

    @Argument(help: "An id or a name.", completion: .custom { _, _, _ in Candidates.processes() })
    var process: ProcessWord

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The new name.", valueName: "name"))
    var name: String?

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp("A label; those given replace all it has.", valueName: "key=value"))
    var label: [PairWord] = []

    @Flag(help: "Take all labels away.")
    var noLabels = false

    @Option(help: ArgumentHelp("detached, or lease:30s.", valueName: "lifetime"))
    var lifetime: LifetimeWord?

    @Option(
        name: [.customShort("t"), .long],
        help: ArgumentHelp("Stop it this long from now; none: no deadline.", valueName: "duration|none"))
    var timeout: DeadlineWord?

    @OptionGroup var stop: StopRuleOptions
    @OptionGroup var server: ServerOptions

    /// A duration, or `none`.
    struct DeadlineWord: ExpressibleByArgument {
        let json: JSONValue

        init?(argument: String) {
            if argument == "none" {
                json = "none"
            } else {
                guard let duration = Milliseconds(argument: argument), duration.count > 0 else { return nil }
                json = duration.json
            }
        }
    }

    func validate() throws {
        if noLabels, !label.isEmpty { throw ValidationError("Give either --label or --no-labels.") }
        if name == nil, label.isEmpty, !noLabels, lifetime == nil, timeout == nil, stop.json == nil {
            throw ValidationError("What is to change? Give at least one option.")
        }
    }

    func run() throws {
        var request = SpawnRequest()
        request.set("process", process.json)
        request.set("name", name.map { .string($0) })
        if noLabels || !label.isEmpty { request.set("labels", labelsJSON(label)) }
        request.set("lifetime", lifetime?.json)
        request.set("timeout_ms", timeout?.json)
        request.set("stop", stop.json)
        let record = try server.connect().call("update", request.members)
        if server.json { try Output.json(record) }
    }
}
