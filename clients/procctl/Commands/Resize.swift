// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl resize`.
struct Resize: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "resize",
        abstract: "Give the terminal of a process another size; its foreground programs get SIGWINCH.")

    @Argument(help: "An id or a name.", completion: .custom { _, _, _ in Candidates.processes() })
    var process: ProcessWord

    @Argument(help: "Rows, 1 to 65535.")
    var rows: UInt16

    @Argument(help: "Columns, 1 to 65535.")
    var columns: UInt16

    @OptionGroup var server: ServerOptions

    func validate() throws {
        if rows == 0 || columns == 0 { throw ValidationError("A terminal has a row and a column at least.") }
    }

    func run() throws {
        let result = try server.connect().call(
            "resize",
            [("process", process.json), ("rows", .integer(Int(rows))), ("cols", .integer(Int(columns)))])
        if server.json { try Output.json(result) }
    }
}
