// SPDX-License-Identifier: Apache-2.0

/// Takes out of old terminal output what a terminal would answer: the answer would be typed at a program that asked
/// long ago. (xterm's ctlseqs: DA, DSR, DECRQM, XTVERSION, kitty's keyboard query, DECRQSS, XTGETTCAP, OSC … ?.)
struct QueryFilter {
    private var scanner = ControlScanner()

    mutating func filtered(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        scanner.scan(bytes) { piece in
            switch piece {
            case .text(let text): result += text
            case .sequence(let sequence): if !Self.asks(sequence) { result += sequence }
            case .string(let string): if !Self.stringAsks(string) { result += string }
            }
        }
        return result
    }

    /// What had begun when the old output ended.
    mutating func finish() -> [UInt8] { scanner.finish() }

    private static func asks(_ sequence: ArraySlice<UInt8>) -> Bool {
        let text = String(decoding: sequence.dropFirst(), as: UTF8.self)
        guard text.hasPrefix("[") else { return text == "Z" }
        switch text.last {
        case "n", "c", "x": return true
        case "p": return text.hasSuffix("$p")
        case "q": return text.hasPrefix("[>")
        case "u": return text.hasPrefix("[?")
        // XTWINOPS: 11 and above report.
        case "t": return Int(text.dropFirst().dropLast().prefix { $0 != ";" }).map { $0 >= 11 && $0 <= 21 } ?? false
        default: return false
        }
    }

    private static func stringAsks(_ string: ArraySlice<UInt8>) -> Bool {
        let text = String(decoding: string.dropFirst(), as: UTF8.self)
        if text.hasPrefix("P$q") || text.hasPrefix("P+q") || text.hasPrefix("_G") { return true }
        return text.hasPrefix("]") && text.contains("?")
            && text.split(separator: ";").contains { $0.hasPrefix("?") }
    }
}
