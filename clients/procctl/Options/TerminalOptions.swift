// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// A terminal of the server's for a program.
struct TerminalOptions: ParsableArguments {
    @Flag(help: "Give it a terminal of the server's: see attach, write, resize.")
    var pty = false

    @Option(help: ArgumentHelp("The terminal's size (default: this one's, else 24x80).", valueName: "rowsxcols"))
    var size: SizeWord?

    @Option(help: ArgumentHelp("The terminal's kind (default: $TERM, else xterm-256color).", valueName: "name"))
    var term: String?

    func validate() throws {
        if !pty, size != nil || term != nil { throw ValidationError("--size and --term are those of a --pty.") }
    }

    /// Nil without `--pty`.
    var json: JSONValue? {
        guard pty else { return nil }
        return Self.json(size: size, term: term)
    }

    /// A terminal as the one here, where nothing else is said.
    static func json(size: SizeWord? = nil, term: String? = nil) -> JSONValue {
        let size = size.map { ($0.rows, $0.columns) } ?? UserTerminal.size()
        let kind = term ?? Environment.value("TERM").flatMap { $0.isEmpty ? nil : $0 }
        return .object([
            "rows": size.map { .integer($0.0) }, "cols": size.map { .integer($0.1) },
            "term": kind.map { ExactText.json($0) },
        ])
    }
}

/// `40x120`: rows and columns.
struct SizeWord: ExpressibleByArgument {
    let rows: Int
    let columns: Int

    init?(argument: String) {
        let numbers = argument.split(separator: "x", omittingEmptySubsequences: false).map { UInt16($0) ?? 0 }
        guard numbers.count == 2, numbers[0] > 0, numbers[1] > 0 else { return nil }
        (rows, columns) = (Int(numbers[0]), Int(numbers[1]))
    }
}
