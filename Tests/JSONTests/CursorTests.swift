// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

@Suite struct CursorTests {
    private func cursor(_ text: String) throws -> JSONCursor {
        JSONCursor(try JSONValue.parse(text))
    }

    private func mismatch(_ body: () throws -> Void) throws -> JSONMismatch {
        try #require(throws: JSONMismatch.self, performing: body)
    }

    @Test func pathPrintsMembersAndElements() {
        #expect(JSONPath.root.description == "")
        #expect(JSONPath.root.appending("env").appending("PATH").description == "env.PATH")
        #expect(JSONPath.root.appending("argv").appending(0).description == "argv[0]")
        #expect(JSONPath.root.appending(2).appending("a").appending(10).appending(0).description == "[2].a[10][0]")
        #expect(JSONPath.root.appending("a").appending("").description == "a.")
    }

    @Test func valuesAreRead() throws {
        let object = try cursor(#"{"b":true,"i":7,"s":"é","n":null,"a":[1,2],"x":{"base64":"/wA="}}"#)
        #expect(try object.member("b")?.boolean() == true)
        #expect(try object.member("i")?.integer() == 7)
        #expect(try object.member("i")?.integer(7...7) == 7)
        #expect(try object.member("s")?.string() == "é")
        #expect(try object.member("s")?.utf8() == [0xC3, 0xA9])
        #expect(try object.member("s")?.bytes() == [0xC3, 0xA9])
        #expect(try object.member("s")?.oneOf(["e", "é"]) == "é")
        #expect(try object.member("x")?.bytes() == [0xFF, 0])
        #expect(try object.member("a")?.elements().map { try $0.integer() } == [1, 2])
        #expect(try object.member("a")?.elements(maximum: 2).map(\.path.description) == ["a[0]", "a[1]"])
        #expect(try object.members().map(\.key) == ["b", "i", "s", "n", "a", "x"])
        #expect(object.member("n") == nil)
        #expect(object.member("nothing") == nil)
        #expect(try object.requiredMember("i", expected: "an integer").integer() == 7)
        try object.requireObject(allowing: ["x", "a", "n", "s", "i", "b", "more"])
    }

    @Test(arguments: [
        ("null", "null"), ("true", "boolean"), ("1", "integer"), ("1.5", "real"), (#""s""#, "string"), ("[]", "array"),
        ("{}", "object"),
    ])
    func mismatchNamesTheKindThatWasFound(text: String, kind: String) throws {
        let object = try cursor("{\"env\":{\"PATH\":\(text)}}")
        let member = try #require(try object.member("env")?.members().first?.value)
        var found: [JSONMismatch] = []
        if kind != "boolean" { found.append(try mismatch { _ = try member.boolean() }) }
        if kind != "integer" { found.append(try mismatch { _ = try member.integer() }) }
        if kind != "string" {
            found.append(try mismatch { _ = try member.string() })
            found.append(try mismatch { _ = try member.utf8() })
            found.append(try mismatch { _ = try member.oneOf(["a"]) })
            found.append(try mismatch { _ = try member.cString() })
        }
        if kind != "array" { found.append(try mismatch { _ = try member.elements() }) }
        if kind != "object" {
            found.append(try mismatch { _ = try member.members() })
            found.append(try mismatch { try member.requireObject(allowing: []) })
        }
        #expect(found.allSatisfy { $0.path.description == "env.PATH" && $0.found == kind }, "\(found)")
    }

    @Test(
        arguments: [
            (0 ... .max, "-1", "an integer of at least 0"), (.min...5, "6", "an integer of at most 5"),
            (1...64, "65", "an integer from 1 to 64"), (1...64, "-9223372036854775808", "an integer from 1 to 64"),
        ] as [(ClosedRange<Int64>, String, String)])
    func integerOutOfRangeNamesTheRangeAndTheValue(range: ClosedRange<Int64>, text: String, expected: String) throws {
        let error = try mismatch { _ = try cursor(text).integer(range) }
        #expect((error.expected, error.found) == (expected, text))
        #expect(error.description == "expected \(expected), found \(text)")
    }

    @Test func rangeIsNamedForAnotherKindToo() throws {
        #expect(try mismatch { _ = try cursor(#""5""#).integer(1...64) }.expected == "an integer from 1 to 64")
        #expect(try mismatch { _ = try cursor("null").integer() }.expected == "an integer")
    }

    @Test func unknownMemberIsNamed() throws {
        let error = try mismatch { try cursor(#"{"argv":[],"cwdd":null}"#).requireObject(allowing: ["argv", "cwd"]) }
        #expect(error.path.description == "cwdd")
        #expect((error.expected, error.found) == ("one of: argv, cwd", "unknown member"))
        let none = try mismatch { try cursor(#"{"a":1}"#).requireObject(allowing: []) }
        #expect((none.expected, none.found) == ("no such member", "unknown member"))
    }

    @Test func missingMemberIsNamed() throws {
        let object = try cursor(#"{"n":null}"#)
        let absent = try mismatch { _ = try object.requiredMember("argv", expected: "an array") }
        #expect((absent.path.description, absent.expected, absent.found) == ("argv", "an array", "nothing"))
        let null = try mismatch { _ = try object.requiredMember("n", expected: "an array") }
        #expect((null.path.description, null.found) == ("n", "null"))
    }

    @Test func tooManyElementsOrMembers() throws {
        #expect(try mismatch { _ = try cursor("[1,2,3]").elements(maximum: 2) }.found == "3 elements")
        #expect(try mismatch { _ = try cursor(#"{"a":1,"b":2}"#).members(maximum: 1) }.found == "2 members")
    }

    @Test func oneOfNamesTheChoicesAndTheValue() throws {
        let error = try mismatch { _ = try cursor(#""sky""#).oneOf(["tree", "group"]) }
        #expect((error.expected, error.found) == ("one of: tree, group", "sky"))
    }

    @Test func zeroIsRefusedOnlyForC() throws {
        for text in [#""a\u0000""#, #"{"base64":"YQA="}"#] {
            #expect(try cursor(text).bytes() == [0x61, 0])
            #expect(try mismatch { _ = try cursor(text).cString() }.found == "a string with U+0000")
        }
        #expect(try cursor(#"{"base64":"/w=="}"#).cString() == [0xFF])
    }

    @Test(arguments: [
        ("{}", "argv[0]"), (#"{"base64":null}"#, "argv[0]"), (#"{"base64":1}"#, "argv[0].base64"),
        (#"{"base64":"YQ"}"#, "argv[0].base64"), (#"{"base64":"YQ==","x":1}"#, "argv[0].x"), ("5", "argv[0]"),
    ])
    func malformedBytesAreNamed(text: String, path: String) throws {
        let element = try #require(try cursor("{\"argv\":[\(text)]}").member("argv")?.elements().first)
        #expect(try mismatch { _ = try element.bytes() }.path.description == path)
    }
}
