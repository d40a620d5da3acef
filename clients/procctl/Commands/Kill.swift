// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON

/// `procctl kill`.
struct Kill: ConnectedCommand {
    static let name = "kill"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Send a signal to the whole tree of processes, to their groups, or to them alone.",
        discussion: """
            kill -9 PROCESS and kill -TERM PROCESS are understood as well. With --wait the exit status is 1 when \
            something is left.
            """)

    @Option(
        name: [.customShort("s"), .long],
        help: ArgumentHelp("The signal (default: that of its stop rule, TERM).", valueName: "signal"))
    var signal: SignalWord?

    @Option(help: "tree (default), group or process.")
    var scope: ScopeWord?

    @Option(help: ArgumentHelp("SIGKILL to what is left after this time.", valueName: "duration"))
    var escalate: Milliseconds?

    @Flag(name: [.customShort("w"), .long], help: "Wait until nothing is left of it.")
    var wait = false

    @Option(
        name: [.customShort("t"), .long],
        help: ArgumentHelp("The bound of --wait (default 30s).", valueName: "duration"))
    var timeout: Milliseconds?

    @OptionGroup var selector: SelectorOptions
    @OptionGroup var server: ServerOptions

    enum ScopeWord: String, ExpressibleByArgument, CaseIterable {
        case tree, group, process
    }

    func validate() throws {
        if timeout != nil, !wait { throw ValidationError("--timeout is the bound of --wait.") }
    }

    func run() throws {
        var request = SpawnRequest()
        request.set("processes", selector.json)
        request.set("signal", signal?.json)
        request.set("scope", scope.map { .string($0.rawValue) })
        request.set("escalate_after_ms", escalate?.json)
        if wait { request.set("wait", true) }
        request.set("timeout_ms", timeout?.json)
        try KillReport(try server.connect().call("kill", request.members)).tell(asJSON: server.json)
    }
}

/// What a kill did: the answer of kill and of stop.
struct KillReport {
    private let result: JSONValue

    init(_ result: JSONValue) {
        self.result = result
    }

    /// Tells it, and ends with 1 when something has survived.
    func tell(asJSON: Bool) throws(Failure) {
        let entries = result["processes"]?.elements ?? []
        if asJSON {
            try Output.json(result)
        } else {
            for entry in entries { try Output.line(KillText.line(entry)) }
        }
        if entries.contains(where: { ($0["survivors"]?.count ?? 0) > 0 }) { exit(Status.refused) }
    }
}
