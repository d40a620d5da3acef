// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

@Suite struct StringTests {
    @Test(arguments: [
        (#""""#, ""), (#""a\/b""#, "a/b"), (#""\"\\\b\f\n\r\t""#, "\"\\\u{8}\u{c}\n\r\t"),
        (#""\u0000""#, "\0"), (#""a\u0000b\u0000""#, "a\0b\0"), (#""\u00e9\u20AC""#, "é€"),
        (#""\ud83d\ude00""#, "😀"), ("\"😀\u{2028}\u{7f}\"", "😀\u{2028}\u{7f}"), (#""\u003c\u0026\u003e""#, "<&>"),
    ])
    func textIsUnescaped(text: String, expected: String) throws {
        let value = try JSONValue.parse(text)
        #expect(value.kind == .string)
        #expect(value.string == expected)
        #expect(value.utf8 == Array(expected.utf8))
        #expect(try JSONValue.parse(value.serialized) == value)
    }

    @Test(arguments: [
        #""\ud800""#, #""\udc00""#, #""\ud800\ud800""#, #""\ud800x""#, #""\x41""#, #""\u12""#, "\"a\nb\"", "\"\u{1}\"",
        #""abc"#, #""abc\"#, "'a'",
    ])
    func malformedStringIsAnError(text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
    }

    @Test func zeroIsWrittenAsAnEscape() {
        #expect(JSONValue.string("a\0b").description == #""a\u0000b""#)
    }

    @Test func zeroInAKeyIsAnErrorWhenRead() {
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(#"{"a\u0000b": 1}"#) }
    }

    /// Sequences at the edges of RFC 3629, checked against the standard library.
    static let sequences: [[UInt8]] = {
        var sequences: [[UInt8]] = [[], [0], [0x7F], [0xEF, 0xBF, 0xBF], [0x61, 0xFF], [0xF0, 0x9F, 0x98], [0xC3]]
        let leads: [UInt8] = [
            0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        for lead in leads {
            for second: UInt8 in [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0] {
                for length in 1...4 { sequences.append(Array([lead, second, 0x80, 0xBF].prefix(length))) }
            }
        }
        return sequences
    }()

    @Test(arguments: sequences) func bytesAreAStringExactlyWhenTheyAreUTF8(bytes: [UInt8]) throws {
        let string = String(validating: bytes, as: UTF8.self)
        #expect(JSONValue.string(utf8: bytes)?.string == string)
        let value = JSONValue.bytes(bytes)
        #expect(value.kind == (string == nil ? .object : .string))
        #expect(try JSONCursor(try JSONValue.parse(value.serialized)).bytes() == bytes)
        if string == nil, !bytes.contains(0) {
            #expect(throws: JSONSyntaxError.self) { try JSONValue.parse([0x22] + bytes + [0x22]) }
        }
    }

    @Test func bytesOfAnyCollection() {
        #expect(JSONValue.bytes(Array("abc".utf8)[1...]) == "bc")
        #expect(JSONValue.bytes("abc".utf8.lazy.map { $0 + 1 }) == "bcd")
        #expect(JSONValue.bytes([0xFF, 0x00, 0xFE]) == ["base64": "/wD+"])
    }
}
