// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// Which processes a command is about: named one by one, by labels, or all.
struct SelectorOptions: ParsableArguments {
    @Argument(help: "Ids or names.", completion: .custom { _, _, _ in Candidates.processes() })
    var processes: [ProcessWord] = []

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp("Every process that has this label (repeatable: all of them).", valueName: "key=value"))
    var label: [PairWord] = []

    @Flag(help: "Every process.")
    var all = false

    func validate() throws {
        let ways = [!processes.isEmpty, !label.isEmpty, all].count { $0 }
        if ways == 0 { throw ValidationError("Which processes? Give ids or names, --label KEY=VALUE, or --all.") }
        if ways > 1 { throw ValidationError("Give either ids and names, or --label, or --all.") }
    }

    var json: JSONValue {
        if all { return .string("all") }
        if !label.isEmpty { return .object(members: [("labels", labelsJSON(label))]) }
        return .array(processes.map(\.json))
    }
}
