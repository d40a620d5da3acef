// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Testing

/// Every example of JSON-RPC 2.0 section 7, in its order. The specification's error messages are examples too:
/// answers are compared without `message` and `data`.
@Suite struct SpecificationTests {
    struct Example: Sendable, CustomTestStringConvertible {
        let title: String
        let sent: String
        let answer: String?

        init(_ title: String, _ sent: String, _ answer: String?) {
            self.title = title
            self.sent = sent
            self.answer = answer
        }

        var testDescription: String { title }
    }

    static let examples = [
        Example(
            "positional parameters", #"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#,
            #"{"jsonrpc": "2.0", "result": 19, "id": 1}"#),
        Example(
            "positional parameters, exchanged",
            #"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#,
            #"{"jsonrpc": "2.0", "result": -19, "id": 2}"#),
        Example(
            "named parameters",
            #"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
            #"{"jsonrpc": "2.0", "result": 19, "id": 3}"#),
        Example(
            "named parameters, exchanged",
            #"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
            #"{"jsonrpc": "2.0", "result": 19, "id": 4}"#),
        Example("a notification", #"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#, nil),
        Example("a notification of no method", #"{"jsonrpc": "2.0", "method": "foobar"}"#, nil),
        Example(
            "call of a non-existent method", #"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#,
            #"{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}"#),
        Example(
            "call with invalid JSON", #"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#,
            #"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#),
        Example(
            "call with invalid Request object", #"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#,
            #"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#),
        Example(
            "call Batch, invalid JSON",
            #"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]"#,
            #"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#),
        Example(
            "call with an empty Array", "[]",
            #"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#),
        Example(
            "call with an invalid Batch (but not empty)", "[1]",
            #"[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]"#),
        Example(
            "call with invalid Batch", "[1,2,3]",
            #"""
            [{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
             {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
             {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]
            """#),
        Example(
            "call Batch",
            #"""
            [{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
             {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
             {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
             {"foo": "boo"},
             {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
             {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]
            """#,
            #"""
            [{"jsonrpc": "2.0", "result": 7, "id": "1"},
             {"jsonrpc": "2.0", "result": 19, "id": "2"},
             {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
             {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
             {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}]
            """#),
        Example(
            "call Batch (all notifications)",
            #"""
            [{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
             {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]
            """#,
            nil),
    ]

    @Test(arguments: examples) func example(_ example: Example) throws {
        let expected = try example.answer.map { try JSONValue.parse($0) }
        let answer = TestServer().answer(example.sent)
        #expect(answer.map(withoutText) == expected.map(withoutText))
    }

    private func withoutText(_ answer: JSONValue) -> JSONValue {
        if let elements = answer.elements { return .array(elements.map(withoutText)) }
        return .object([
            "jsonrpc": answer["jsonrpc"], "id": answer["id"], "result": answer["result"],
            "code": answer["error"]?["code"],
        ])
    }
}
