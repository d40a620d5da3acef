// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Rows under headings, aligned; the last column takes what is left of the line.
struct Table {
    enum Column {
        case left(String)
        case right(String)

        var heading: String {
            switch self {
            case .left(let heading), .right(let heading): heading
            }
        }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    init(columns: [Column]) {
        self.columns = columns
    }

    mutating func add(_ row: [String]) {
        rows.append(row)
    }

    /// All lines. `width`: where to cut them, nil for nowhere.
    func text(width: Int?) -> String {
        let all = [columns.map(\.heading)] + rows
        let widths = columns.indices.map { column in all.map { DisplayWidth.of($0[column]) }.max() ?? 0 }
        return all.map { line($0, widths, limit: width) + "\n" }.joined()
    }

    private func line(_ row: [String], _ widths: [Int], limit: Int?) -> String {
        var cells: [String] = []
        for (index, column) in columns.enumerated() {
            let padding = String(repeating: " ", count: widths[index] - DisplayWidth.of(row[index]))
            switch column {
            case .right: cells.append(padding + row[index])
            case .left where index == columns.count - 1: cells.append(row[index])
            case .left: cells.append(row[index] + padding)
            }
        }
        let line = cells.joined(separator: "  ")
        return limit.map { DisplayWidth.cut(line, to: $0) } ?? line
    }
}

/// The terminal that standard output is.
enum Terminal {
    /// Its columns; nil when it is none, or does not know.
    static func width() -> Int? {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// Whether it shows more than ASCII, by the locale's name (setlocale(3): LC_ALL, LC_CTYPE, LANG).
    static func showsUnicode() -> Bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { Environment.value($0) }.first { !$0.isEmpty }
        let name = (locale ?? "").uppercased()
        return name.contains("UTF-8") || name.contains("UTF8")
    }
}
