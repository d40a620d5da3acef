// SPDX-License-Identifier: Apache-2.0
import CJansson

extension JSONValue {
    /// Parses one JSON text (RFC 8259); its top level may be any value.
    ///
    /// Refused beyond the grammar: duplicate keys, integers outside of `Int64`, reals outside of `Double`, lone
    /// surrogates, a key with U+0000, a byte order mark, and nesting deeper than `maximumDepth`.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 512
    ) throws(JSONSyntaxError) -> JSONValue {
        if let error = refusal(of: bytes, maximumDepth: maximumDepth) { throw error }
        var error = json_error_t()
        let flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY
        let parsed = withCharacters(of: bytes.assumingMemoryBound(to: UInt8.self)) {
            json_loadb($0, $1, Int(flags), &error)
        }
        guard let parsed else { throw JSONSyntaxError(error) }
        return JSONValue(owning: parsed)
    }

    /// Parses one JSON text in UTF-8.
    public static func parse(_ bytes: [UInt8], maximumDepth: Int = 512) throws(JSONSyntaxError) -> JSONValue {
        try bytes.withUnsafeBufferPointer { bytes throws(JSONSyntaxError) in
            try parse(UnsafeRawBufferPointer(bytes), maximumDepth: maximumDepth)
        }
    }

    /// Parses one JSON text.
    public static func parse(_ text: String, maximumDepth: Int = 512) throws(JSONSyntaxError) -> JSONValue {
        try parse(Array(text.utf8), maximumDepth: maximumDepth)
    }

    /// What must be refused before jansson reads the text.
    ///
    /// 1. A zero byte: jansson 2.14 swallows one that follows a number or a literal, `[123\0]` would pass.
    /// 2. Nesting: jansson's own bound (2048) is compiled in.
    private static func refusal(of bytes: UnsafeRawBufferPointer, maximumDepth: Int) -> JSONSyntaxError? {
        var depth = 0
        var inString = false
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case 0:
                return JSONSyntaxError(at: index, in: bytes, message: "a zero byte")
            case UInt8(ascii: "\""):
                inString.toggle()
            case UInt8(ascii: "\\") where inString:
                // What is escaped is never structure; a zero byte still has to be seen.
                if index + 1 < bytes.count, bytes[index + 1] != 0 { index += 1 }
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                guard !inString else { break }
                depth += 1
                if depth > maximumDepth {
                    return JSONSyntaxError(
                        at: index, in: bytes, message: "nested deeper than \(maximumDepth)",
                        exceededDepth: maximumDepth)
                }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if !inString { depth -= 1 }
            default:
                break
            }
            index += 1
        }
        return nil
    }
}

extension JSONSyntaxError {
    /// As jansson counts: position and column include the byte at `index`.
    fileprivate init(at index: Int, in bytes: UnsafeRawBufferPointer, message: String, exceededDepth: Int? = nil) {
        var line = 1
        var column = 0
        for byte in bytes[...index] {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 0
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        self.init(line: line, column: column, offset: index + 1, message: message, exceededDepth: exceededDepth)
    }

    fileprivate init(_ error: json_error_t) {
        let text = withUnsafeBytes(of: error.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        self.init(line: Int(error.line), column: Int(error.column), offset: Int(error.position), message: text)
    }
}
