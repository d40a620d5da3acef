// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

@Suite struct ValueTests {
    @Test func accessorsAnswerOnlyForTheirKind() throws {
        let value = try JSONValue.parse(#"[null, true, 1, 1.5, "s", [1, 2], {"a": 1}]"#)
        let elements = try #require(value.elements)
        #expect(elements.map(\.kind) == [.null, .boolean, .integer, .real, .string, .array, .object])
        #expect(elements.map(\.boolean) == [nil, true, nil, nil, nil, nil, nil])
        #expect(elements.map(\.integer) == [nil, nil, 1, nil, nil, nil, nil])
        #expect(elements.map(\.string) == [nil, nil, nil, nil, "s", nil, nil])
        #expect(elements.map { $0.elements?.count } == [nil, nil, nil, nil, nil, 2, nil])
        #expect(elements.map { $0.members?.count } == [nil, nil, nil, nil, nil, nil, 1])
        #expect(elements.map(\.count) == [0, 0, 0, 0, 0, 2, 1])
        #expect(elements.map { $0["a"]?.integer } == [nil, nil, nil, nil, nil, nil, 1])
        #expect(elements.map { $0[1]?.integer } == [nil, nil, nil, nil, nil, 2, nil])
        #expect(value[-1] == nil)
        #expect(value[7] == nil)
        #expect(value[6]?["b"] == nil)
    }

    @Test func membersKeepTheOrderOfTheDocument() throws {
        let keys = (0..<100).map { "k\($0 * 37 % 100)" }
        let text = "{" + keys.map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        let value = try JSONValue.parse(text)
        #expect(value.members?.map(\.key) == keys)
        #expect(value.description == text)
    }

    @Test func literals() {
        let value: JSONValue = ["n": nil, "b": true, "i": -5, "s": "x", "a": [1, "two", [], [:]], "o": ["x": false]]
        #expect(value.description == #"{"n":null,"b":true,"i":-5,"s":"x","a":[1,"two",[],{}],"o":{"x":false}}"#)
    }

    @Test func objectLeavesOutAbsentMembers() {
        let absent: JSONValue? = nil
        let value = JSONValue.object(["a": 1, "b": absent, "c": .null, "d": nil, "e": .integer(2), "f": .string("é")])
        #expect(value.description == #"{"a":1,"c":null,"e":2,"f":"é"}"#)
        #expect(JSONValue.object(members: [("x", 1), ("", 2), ("x", 3)]).description == #"{"x":3,"":2}"#)
        #expect(JSONValue.array((1...3).map { .integer($0) }) == [1, 2, 3])
    }

    @Test func keyWithZeroIsWrittenWhole() {
        let value = JSONValue.object(members: [("a\0b", 1), ("a", 2)])
        #expect(value.description == #"{"a\u0000b":1,"a":2}"#)
        #expect(value["a\0b"] == 1)
    }

    @Test func equalityIgnoresTheOrderOfMembers() throws {
        #expect(try JSONValue.parse(#"{"a":[1,{}],"b":null}"#) == JSONValue.parse(#"{"b":null,"a":[1,{}]}"#))
        #expect(try JSONValue.parse("[1,2]") != JSONValue.parse("[2,1]"))
        #expect(JSONValue.null != .boolean(false))
        #expect(try JSONValue.parse(#"{"a":null}"#) != JSONValue.parse("{}"))
    }

    @Test func partOutlivesTheDocument() throws {
        func part() throws -> JSONValue? { try JSONValue.parse(#"{"a":{"b":["deep"]}}"#)["a"]?["b"] }
        let kept = try #require(try part())
        let reused = JSONValue.object(["first": kept, "second": kept, "third": .array([kept, kept])])
        #expect(reused.description == #"{"first":["deep"],"second":["deep"],"third":[["deep"],["deep"]]}"#)
    }

    @Test func compactAndPretty() throws {
        let value = try JSONValue.parse(#" { "a" : [ 1 , { } , [ ] , "\/\n" ] , "b" : { "c" : 1.5 } } "#)
        #expect(value.description == #"{"a":[1,{},[],"/\n"],"b":{"c":1.5}}"#)
        #expect(
            value.pretty() == #"""
                {
                  "a": [
                    1,
                    {},
                    [],
                    "/\n"
                  ],
                  "b": {
                    "c": 1.5
                  }
                }
                """#)
        #expect(JSONValue.string("x").pretty() == #""x""#)
    }

    @Test func writingAppends() {
        var bytes = Array("> ".utf8)
        JSONValue.array([1, 2]).write(into: &bytes)
        JSONValue.null.write(into: &bytes)
        #expect(bytes == Array("> [1,2]null".utf8))
    }

    @Test func controlCharactersNeverBreakTheLine() throws {
        let scalars = (0..<0x300).compactMap { Unicode.Scalar(UInt32($0)) }
        let all = String(String.UnicodeScalarView(scalars))
        let bytes = JSONValue.string(all).serialized
        #expect(!bytes.contains { $0 < 0x20 })
        #expect(try JSONValue.parse(bytes).string == all)
    }

    @Test func largeValueThereAndBack() throws {
        let text = String(repeating: "0123456789é", count: 200_000)
        let value = JSONValue.array((0..<4).map { ["index": .integer($0), "text": .string(text)] })
        #expect(try JSONValue.parse(value.serialized) == value)
    }

    @Test func oneValueIsReadByManyTasks() async throws {
        let text = #"{"a":[1,{"b":"x"}],"c":{"d":[null,true]}}"#
        let value = try JSONValue.parse(text)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<500).allSatisfy { _ in
                        value.description == text && value["a"]?[1]?["b"]?.string == "x"
                            && JSONValue.array([value])[0] == value
                    }
                }
            }
            for await same in group { #expect(same) }
        }
    }
}
