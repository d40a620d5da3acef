// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Testing

@Suite struct MessageTests {
    private func refusal(of message: Message) -> RPCError? {
        if case .single(.invalid(.null, let error)) = message { error } else { nil }
    }

    @Test func batchUpToTheLimit() throws {
        let call = #"{"jsonrpc":"2.0","method":"m"}"#
        func batch(_ count: Int) -> [UInt8] {
            Array(("[" + repeatElement(call, count: count).joined(separator: " , ") + "]").utf8)
        }
        for (count, maximum) in [(1, 1), (1000, 1000), (3, 5)] {
            guard case .batch(let members) = Message.parse(batch(count), maximumBatch: maximum) else {
                Issue.record("\(count) of \(maximum)")
                continue
            }
            #expect(members.count == count)
        }
        let error = try #require(refusal(of: Message.parse(batch(1001))))
        #expect(error.code == 8)
        #expect(error.data == ["kind": "limit_reached", "limit": "batch_members", "maximum": 1000])
    }

    @Test func batchInABatchIsInvalid() {
        guard case .batch(let members) = Message.parse(Array("[[]]".utf8)) else {
            Issue.record("no batch")
            return
        }
        #expect(members == [.invalid(id: .null, .invalidRequest("expected an object, found array"))])
    }

    @Test func parseErrorTellsThePlace() throws {
        let error = try #require(refusal(of: Message.parse(Array("{\"jsonrpc\":\n \"2.0\",}".utf8))))
        #expect(error.code == -32700)
        #expect(error.data == ["kind": "parse_error", "line": 2, "column": 8])
    }

    @Test(arguments: [[], [0], Array("{}\0".utf8), [0xFF], Array("{} {}".utf8)] as [[UInt8]])
    func otherThanOneTextIsAParseError(bytes: [UInt8]) throws {
        #expect(try #require(refusal(of: Message.parse(bytes))).code == -32700)
    }

    @Test func nestingIsBounded() throws {
        let deep = String(repeating: "[", count: 513) + String(repeating: "]", count: 513)
        let error = try #require(refusal(of: Message.parse(Array(deep.utf8))))
        #expect(error.code == -32700)
        #expect(error.data?["limit"] == "nesting")
        #expect(error.data?["maximum"] == 512)
        #expect(refusal(of: Message.parse(Array(deep.utf8), maximumDepth: 513))?.code == nil)
    }

    @Test func errorsCarryTheirKind() {
        let mismatch = JSONMismatch(path: .root.appending("argv").appending(0), expected: "a string", found: "null")
        let table: [(RPCError, Int, JSONValue)] = [
            (
                .parseError(JSONSyntaxError(line: 3, column: 4, offset: 9, message: "x")), -32700,
                ["kind": "parse_error", "line": 3, "column": 4]
            ),
            (.invalidRequest("x"), -32600, ["kind": "invalid_request"]),
            (.methodNotFound("spwan"), -32601, ["kind": "method_not_found", "method": "spwan"]),
            (
                .invalidParams(mismatch), -32602,
                ["kind": "invalid_params", "path": "argv[0]", "expected": "a string", "found": "null"]
            ),
            (.internalError("x"), -32603, ["kind": "internal_error"]),
            (.requestCancelled(), -32800, ["kind": "request_cancelled"]),
            (
                .limitReached("message_bytes", maximum: 5), 8,
                ["kind": "limit_reached", "limit": "message_bytes", "maximum": 5]
            ),
        ]
        for (error, code, data) in table {
            #expect(error.code == code)
            #expect(error.data == data)
            #expect(error.json == ["code": .integer(code), "message": .string(error.message), "data": data])
        }
        #expect(RPCError(code: 1, message: "m").json == ["code": 1, "message": "m"])
    }
}
