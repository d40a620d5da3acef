// SPDX-License-Identifier: Apache-2.0
import JSON

/// Text of programs on somebody's terminal: nothing of it may act on the terminal.
enum Escaped {
    /// The bytes of the wire's form, a string or `{"base64": …}`.
    static func bytes(of value: JSONValue) -> [UInt8] {
        value.utf8 ?? value["base64"]?.utf8.flatMap { Base64.decode($0) } ?? []
    }

    /// Control characters, what reorders a line, and bytes that are not UTF-8 become `\n`, `\x1b`, `\u202e`.
    static func text(_ bytes: some Collection<UInt8>) -> String {
        if bytes.allSatisfy({ (0x20...0x7E).contains($0) }) { return String(decoding: bytes, as: UTF8.self) }
        var result = ""
        var parser = Unicode.UTF8.ForwardParser()
        let all = Array(bytes)
        var input = all.makeIterator()
        var position = 0
        while true {
            switch parser.parseScalar(from: &input) {
            case .valid(let encoded):
                append(Unicode.UTF8.decode(encoded), to: &result)
                position += encoded.count
            case .error(let length):
                for byte in all[position..<position + length] { result += hexadecimal("\\x", UInt32(byte), 2) }
                position += length
            case .emptyInput:
                return result
            }
        }
    }

    /// A file's name in a message: an empty one must not vanish.
    static func name(_ bytes: [UInt8]) -> String {
        bytes.isEmpty ? "''" : text(bytes)
    }

    /// A command line that could be pasted into a shell.
    static func command(_ argv: [JSONValue]) -> String {
        argv.map { word(bytes(of: $0)) }.joined(separator: " ")
    }

    private static func word(_ bytes: [UInt8]) -> String {
        let plain = bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "@%+=:,./-_".utf8.contains(byte)
            }
        }
        if plain, !bytes.isEmpty { return String(decoding: bytes, as: UTF8.self) }
        let shown = text(bytes)
        // What had to be escaped is only right within $'…', which has \ and ' to escape as well.
        if Array(shown.utf8) != bytes {
            return "$'" + text(quotedForDollar(bytes)) + "'"
        }
        return "'" + shown.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    private static func quotedForDollar(_ bytes: [UInt8]) -> [UInt8] {
        bytes.flatMap { byte in
            byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "'") ? [UInt8(ascii: "\\"), byte] : [byte]
        }
    }

    private static func append(_ scalar: Unicode.Scalar, to result: inout String) {
        switch scalar.value {
        case 0x09: result += "\\t"
        case 0x0A: result += "\\n"
        case 0x0D: result += "\\r"
        case 0x00...0x1F, 0x7F: result += hexadecimal("\\x", scalar.value, 2)
        default:
            switch scalar.properties.generalCategory {
            // Line and paragraph ends, and the invisible ones that turn text around.
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
                result +=
                    scalar.value > 0xFFFF ? hexadecimal("\\U", scalar.value, 8) : hexadecimal("\\u", scalar.value, 4)
            default: result.unicodeScalars.append(scalar)
            }
        }
    }

    private static func hexadecimal(_ prefix: String, _ value: UInt32, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return prefix + String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
