// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl inspect`.
struct Inspect: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show everything about a process: its record, the living members of its tree, who holds its output.")

    @Argument(help: "An id or a name.", completion: .custom { _, _, _ in Candidates.processes() })
    var process: ProcessWord

    @OptionGroup var server: ServerOptions

    func run() throws {
        let record = try server.connect().call(
            "get", [("process", process.json), ("members", true), ("holders", true)])
        if server.json { return try Output.json(record) }
        try Output.write(InspectionText(record).text.utf8)
    }
}
