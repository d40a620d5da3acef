// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

@Suite struct ParsingTests {
    @Test(
        arguments: [
            ("null", .null), (" true ", .boolean), ("false\n", .boolean), ("0", .integer), ("0.5", .real),
            (#""""#, .string),
            ("[]", .array), ("\t{}\r\n", .object),
        ] as [(String, JSONValue.Kind)])
    func anyTopLevelValueIsAllowed(text: String, kind: JSONValue.Kind) throws {
        #expect(try JSONValue.parse(text).kind == kind)
    }

    @Test(arguments: [
        ("", 1, 0, 0, "near end of file"), ("[1,]", 1, 4, 4, "near ']'"), ("[1 2]", 1, 4, 4, "near '2'"),
        ("{\"a\":1,\n  \"b\" 2}", 2, 7, 15, "':' expected"), ("[1]x", 1, 4, 4, "end of file expected"),
        ("[1][2]", 1, 4, 4, "end of file expected"), ("{\"é\":tru}", 1, 8, 9, "invalid token"),
        ("[\n1,\n2", 3, 1, 6, "near end of file"), ("{\"a\":1,\"a\":2}", 1, 10, 10, "duplicate object key"),
        ("{a:1}", 1, 2, 2, "string or '}' expected"), ("\u{FEFF}[]", 1, 1, 3, "invalid token"),
        ("//", 1, 1, 1, "invalid token"),
        ("[9223372036854775808]", 1, 20, 20, "too big integer"), ("[1e999]", 1, 6, 6, "real number overflow"),
    ])
    func errorTellsThePlace(text: String, line: Int, column: Int, offset: Int, message: String) throws {
        let error = try #require(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
        #expect((error.line, error.column, error.offset) == (line, column, offset), "\(error)")
        #expect(error.message.contains(message), "\(error)")
        #expect(error.exceededDepth == nil)
    }

    @Test func invalidUTF8IsAnError() throws {
        let error = try #require(throws: JSONSyntaxError.self) { try JSONValue.parse([0x5B, 0x22, 0xFF, 0x22, 0x5D]) }
        #expect(error.line == 1)
        #expect(error.message.contains("0xff"))
    }

    /// Jansson 2.14 by itself takes the first two of these for valid.
    @Test(arguments: ["[123\0]", "[true\0]", "\0", "1\0", "\"a\0b\"", "\"\\\0\"", "[]\0", "{\"a\0\":1}", "[1,\n\0]"])
    func zeroByteIsRefused(text: String) throws {
        let error = try #require(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
        let index = try #require(Array(text.utf8).firstIndex(of: 0))
        #expect(error.message == "a zero byte")
        #expect(error.offset == index + 1)
        #expect(error.line == (text.contains("\n") ? 2 : 1))
        #expect(error.column == (text.contains("\n") ? 1 : index + 1))
    }

    @Test(arguments: [("[", "]"), ("{\"a\":", "}"), ("[{\"\\\"[\":", "}]")])
    func nestingIsBounded(open: String, close: String) throws {
        let levels = open.hasPrefix("[{") ? 2 : 1
        func nested(_ depth: Int) -> String {
            let count = depth / levels
            return String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
        }
        #expect(try JSONValue.parse(nested(512)).count == 1)
        #expect(try JSONValue.parse(nested(8), maximumDepth: 8).count == 1)
        let error = try #require(throws: JSONSyntaxError.self) { try JSONValue.parse(nested(514)) }
        #expect(error.exceededDepth == 512)
        #expect(error.message == "nested deeper than 512")
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(nested(10), maximumDepth: 8) }
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse("[]", maximumDepth: 0) }
        #expect(try JSONValue.parse("1", maximumDepth: 0) == 1)
    }

    @Test func bracketsInStringsAndSiblingsDoNotNest() throws {
        #expect(try JSONValue.parse(#"["[[[[", "\"[[{{", "\\", [], [], {}, {}]"#, maximumDepth: 2).count == 7)
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(#"["]]}}", [[]]]"#, maximumDepth: 2) }
    }

    /// Whatever the limit, jansson's own bound keeps its recursion finite.
    @Test func hugeNestingIsAnErrorAndNoCrash() {
        let text = String(repeating: "[", count: 1 << 20)
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(text, maximumDepth: .max) }
    }

    @Test func duplicateKeysAreRefusedAtAnyDepth() {
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(#"[{"b":{"a":1,"\u0061":2}}]"#) }
    }

    @Test func keysThatAreOnlyCanonicallyEquivalentDiffer() throws {
        let value = try JSONValue.parse(#"{"\u00e9":1,"e\u0301":2}"#)
        #expect(value.members?.map(\.value) == [1, 2])
    }

    @Test func everyPrefixOfAMessageIsAnErrorOrAValueAndNoCrash() throws {
        let text = Array(#"{"a":[1,-2.5e1,"x\ud83d\ude00é",{"b":null}],"c":[true,false,"\u0000"]}"#.utf8)
        for count in 0..<text.count {
            #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(Array(text[..<count])) }
        }
        #expect(try JSONValue.parse(text).count == 2)
    }

    /// Flips, drops and doubles bytes: nothing but a value or an error may come of it.
    @Test func damagedTextIsAnErrorOrAValueAndNoCrash() {
        var random = SystemRandomNumberGenerator()
        let text = Array(#"{"jsonrpc":"2.0","id":12,"method":"spawn","params":{"argv":["é\n"],"env":{"A":null}}}"#.utf8)
        for _ in 0..<5_000 {
            var damaged = text
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: damaged.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: damaged[index] = UInt8.random(in: 0...255, using: &random)
                case 1: damaged.remove(at: index)
                default: damaged.insert(damaged[index], at: index)
                }
            }
            if let value = try? JSONValue.parse(damaged) {
                #expect((try? JSONValue.parse(value.serialized)) == value)
            }
        }
    }
}
