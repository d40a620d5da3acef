// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Testing

@Suite struct ReplyTests {
    @Test func envelopes() {
        #expect(Reply.success(id: .integer(1), result: [:]).description == #"{"jsonrpc":"2.0","id":1,"result":{}}"#)
        #expect(
            Reply.failure(id: .null, RPCError(code: 2, message: "m")).description
                == #"{"jsonrpc":"2.0","id":null,"error":{"code":2,"message":"m"}}"#)
        #expect(notification(method: "n").description == #"{"jsonrpc":"2.0","method":"n"}"#)
        #expect(
            notification(method: "n", params: ["a": 1]).description
                == #"{"jsonrpc":"2.0","method":"n","params":{"a":1}}"#)
        #expect(
            request(id: .string("x"), method: "m", params: [1]).description
                == #"{"jsonrpc":"2.0","id":"x","method":"m","params":[1]}"#)
        #expect(request(id: .integer(0), method: "m").description == #"{"jsonrpc":"2.0","id":0,"method":"m"}"#)
    }

    @Test(arguments: [.integer(.min), .integer(0), .string("a\"\n\0é"), .string(""), .null] as [RequestID])
    func directlyWrittenAnswerIsTheSame(id: RequestID) {
        let result: JSONValue = ["a": [1, nil, "é\0"], "b": true]
        var bytes = Array("x".utf8)
        Reply.writeSuccess(id: id, result: result, into: &bytes)
        #expect(bytes == Array("x".utf8) + Reply.success(id: id, result: result).serialized)
    }
}

@Suite struct ServerMessageTests {
    @Test func answersAndNotificationsAreRead() throws {
        let success = try parse(Reply.success(id: .integer(5), result: ["a": 1]))
        guard case .response(.integer(5), .success(let result)) = success else { throw Unexpected() }
        #expect(result == ["a": 1])
        let sent = RPCError(code: 3, message: "m", data: ["kind": "spawn_failed"])
        guard case .response(.string("5"), .failure(let error)) = try parse(Reply.failure(id: .string("5"), sent))
        else {
            throw Unexpected()
        }
        #expect(error == sent)
        guard case .response(.null, .failure) = try parse(Reply.failure(id: .null, .internalError("x"))) else {
            throw Unexpected()
        }
        let null = try parse(Reply.success(id: .integer(1), result: .null))
        guard case .response(.integer(1), .success(.null)) = null else { throw Unexpected() }
        let exited = try parse(notification(method: "exited", params: ["id": 1]))
        guard case .notification("exited", let params) = exited else { throw Unexpected() }
        #expect(params == ["id": 1])
        guard case .notification("n", nil) = try parse(notification(method: "n")) else { throw Unexpected() }
    }

    @Test(arguments: [
        ("{", -32700), ("[]", -32600), ("1", -32600), (#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (#"{"id":1,"result":1}"#, -32600),
        (#"{"jsonrpc":"2.0","result":1}"#, -32600), (#"{"jsonrpc":"2.0","id":1.5,"result":1}"#, -32600),
        (#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}"#, -32600),
        (#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"m"}}"#, -32600),
        (#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, -32600), (#"{"jsonrpc":"2.0","id":1,"error":null}"#, -32600),
    ])
    func anythingElseIsAnError(text: String, code: Int) throws {
        let error = try #require(throws: RPCError.self) { try ServerMessage.parse(Array(text.utf8)) }
        #expect(error.code == code)
    }

    private struct Unexpected: Error {}

    private func parse(_ value: JSONValue) throws -> ServerMessage {
        try ServerMessage.parse(value.serialized)
    }
}
