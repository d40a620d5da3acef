// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Testing

@Suite struct RequestTests {
    private func incoming(_ text: String) throws -> Incoming {
        guard case .single(let incoming) = Message.parse(Array(text.utf8)) else { throw NotSingle() }
        return incoming
    }

    private struct NotSingle: Error {}

    /// The request, where one is expected.
    private func request(_ text: String) throws -> Request {
        let incoming = try incoming(text)
        guard case .request(let request) = incoming else {
            Issue.record("\(incoming)")
            throw NotSingle()
        }
        return request
    }

    @Test(
        arguments: [
            ("0", .integer(0)), ("-7", .integer(-7)), ("9007199254740992", .integer(9_007_199_254_740_992)),
            ("9007199254740993", .integer(9_007_199_254_740_993)), ("9223372036854775807", .integer(.max)),
            ("-9223372036854775808", .integer(.min)), ("1", .integer(1)), (#""1""#, .string("1")),
            (#""""#, .string("")),
            (#""0f8fad5b-d9cb-469f-a165-70867728950e""#, .string("0f8fad5b-d9cb-469f-a165-70867728950e")),
            (#""a\u0000\"é""#, .string("a\0\"é")), ("null", .null),
        ] as [(String, RequestID)])
    func idIsEchoedExactly(text: String, id: RequestID) throws {
        #expect(try request("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\(text)}").id == id)
        let echoed = Reply.success(id: id, result: [:])
        #expect(try JSONValue.parse(echoed.serialized)["id"] == JSONValue.parse(text))
        #expect(try JSONValue.parse(id.description) == id.json)
    }

    @Test(arguments: ["1.5", "1.0", "1e3", "true", "[]", "{}", "[1]"]) func otherIdIsInvalid(text: String) throws {
        let incoming = try incoming("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\(text)}")
        guard case .invalid(let id, let error) = incoming else { throw NotSingle() }
        #expect(id == .null)
        #expect(error.code == -32600)
        #expect(error.data?["kind"] == "invalid_request")
    }

    @Test func idsAreComparedByKindAndByByte() {
        #expect(RequestID.integer(1) != .string("1"))
        #expect(RequestID.string("") != .null)
        #expect(RequestID.string("\u{e9}") != .string("e\u{301}"))
        let ids: Set<RequestID> = [
            .integer(1), .string("1"), .null, .integer(1), .string("\u{e9}"), .string("e\u{301}"),
        ]
        #expect(ids.count == 5)
    }

    @Test func withoutIdItIsANotification() throws {
        #expect(try request(#"{"jsonrpc":"2.0","method":"m"}"#).id == nil)
    }

    @Test(
        arguments: [
            (#"{"jsonrpc":"2.0","id":1,"method":"m"}"#, .none),
            (#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#, .none),
            (#"{"params":{},"method":"m","id":1,"jsonrpc":"2.0"}"#, .named([:])),
            (#"{"id":1,"params":{"a":null},"jsonrpc":"2.0","method":"m"}"#, .named(["a": nil])),
            (#"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#, .positional([])),
            (
                #"{"jsonrpc":"2.0","id":1,"extra":[],"method":"m","params":[null,{"a":1}]}"#,
                .positional([nil, ["a": 1]])
            ),
        ] as [(String, Parameters)])
    func parametersOfEitherKindInAnyOrder(text: String, parameters: Parameters) throws {
        #expect(try request(text) == Request(id: .integer(1), method: "m", parameters: parameters))
    }

    @Test(arguments: [(#"$\/cancelRequest"#, "$/cancelRequest"), ("", ""), (#"a\u0000é"#, "a\0é")])
    func methodIsUnescaped(text: String, method: String) throws {
        #expect(try request("{\"jsonrpc\":\"2.0\",\"method\":\"\(text)\"}").method == method)
    }

    @Test(arguments: [
        #""jsonrpc":"2.0","method":1"#, #""jsonrpc":"2.0","method":null"#, #""jsonrpc":"2.0""#,
        #""jsonrpc":"2.0","method":["m"]"#, #""jsonrpc":"2.0","result":{}"#, #""method":"m""#,
        #""jsonrpc":"1.0","method":"m""#, #""jsonrpc":2.0,"method":"m""#, #""jsonrpc":2,"method":"m""#,
        #""jsonrpc":null,"method":"m""#, #""jsonrpc":"2.00","method":"m""#, #""jsonrpc":"2.0\u0000","method":"m""#,
        #""jsonrpc":"2.0","method":"m","params":1"#, #""jsonrpc":"2.0","method":"m","params":"a""#,
        #""jsonrpc":"2.0","method":"m","params":false"#, #""jsonrpc":"2.0","method":"m","params":1.5"#,
    ])
    func otherMembersAreInvalidAndTheIdIsEchoed(members: String) throws {
        for (text, expected) in [("\"id\":\"7\",", RequestID.string("7")), ("\"id\":0,", .integer(0)), ("", .null)] {
            guard case .invalid(let id, let error) = try incoming("{\(text)\(members)}") else { throw NotSingle() }
            #expect(id == expected)
            #expect(error.code == -32600)
        }
    }

    @Test(arguments: ["1", "null", "true", #""a""#, "1.5"]) func otherThanAnObjectIsInvalid(text: String) throws {
        guard case .invalid(.null, let error) = try incoming(text) else { throw NotSingle() }
        #expect(error.code == -32600)
    }

    @Test func positionalParametersTakeNames() throws {
        let order = ["process", "signal", "scope"]
        #expect(try Parameters.none.byName(order).value == [:])
        #expect(try Parameters.named(["x": 1]).byName(order).value == ["x": 1])
        #expect(try Parameters.positional([]).byName(order).value == [:])
        #expect(try Parameters.positional([7]).byName(order).value == ["process": 7])
        #expect(try Parameters.positional([7, nil, "tree"]).byName(order).value == ["process": 7, "scope": "tree"])
        #expect(try Parameters.positional([nil, nil, nil]).byName(order).value == [:])
        #expect(try Parameters.positional([["a": nil]]).byName(order).value == ["process": ["a": nil]])
        let first = try Parameters.positional([["x"]]).byName(order).member("process")?.elements().first
        #expect(first?.path.description == "process[0]")
    }

    @Test func tooManyPositionalParametersNameTheFirstInExcess() throws {
        for (values, path) in [([1, 2, 3], "[2]"), ([1, 2, nil, 4], "[2]")] as [([JSONValue], String)] {
            let error = try #require(throws: RPCError.self) { try Parameters.positional(values).byName(["a", "b"]) }
            #expect(error.code == -32602)
            #expect(error.data?["kind"] == "invalid_params")
            #expect(error.data?["path"] == .string(path))
            #expect(error.data?["expected"] == "at most 2 parameters")
        }
        #expect(throws: RPCError.self) { try Parameters.positional([1]).byName([]) }
    }
}
