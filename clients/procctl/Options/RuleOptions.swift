// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// How the server calls a process, and when and how it stops it.
struct RuleOptions: ParsableArguments {
    @Option(
        name: [.customShort("n"), .long], help: ArgumentHelp("A name, unique among those alive.", valueName: "name"))
    var name: String?

    @Option(name: [.customShort("l"), .long], help: ArgumentHelp("A label (repeatable).", valueName: "key=value"))
    var label: [PairWord] = []

    @Option(
        name: [.customShort("t"), .long],
        help: ArgumentHelp("Stop it after this time, by its stop rule.", valueName: "duration"))
    var timeout: Milliseconds?

    @OptionGroup var stop: StopRuleOptions

    func validate() throws {
        if let timeout, timeout.count == 0 { throw ValidationError("A --timeout of nothing would not let it start.") }
    }

    func add(to request: inout SpawnRequest) {
        request.set("name", name.map { .string($0) })
        if !label.isEmpty { request.set("labels", labelsJSON(label)) }
        request.set("timeout_ms", timeout?.json)
        request.set("stop", stop.json)
    }
}

/// The stop rule: a signal to the whole tree, then SIGKILL.
struct StopRuleOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The first signal of its stop rule (default TERM).", valueName: "signal"))
    var stopSignal: SignalWord?

    @Option(help: ArgumentHelp("The time from that signal to SIGKILL (default 10s).", valueName: "duration"))
    var grace: Milliseconds?

    /// Nil when neither is given.
    var json: JSONValue? {
        guard stopSignal != nil || grace != nil else { return nil }
        return .object(["signal": stopSignal?.json, "grace_ms": grace?.json])
    }
}
