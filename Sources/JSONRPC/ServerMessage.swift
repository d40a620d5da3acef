// SPDX-License-Identifier: Apache-2.0
public import JSON

/// What a client gets from a server.
public enum ServerMessage: Sendable {
    case response(id: RequestID, Result<JSONValue, RPCError>)
    case notification(method: String, params: JSONValue?)

    /// Reads one message of a server; throws -32700 or -32600 for what is none.
    public static func parse(_ bytes: UnsafeRawBufferPointer) throws(RPCError) -> ServerMessage {
        let value: JSONValue
        do throws(JSONSyntaxError) {
            value = try JSONValue.parse(bytes)
        } catch {
            throw .parseError(error)
        }
        guard value["jsonrpc"]?.string == "2.0" else { throw .invalidRequest("jsonrpc must be \"2.0\"") }
        if let method = value["method"]?.string, value["id"] == nil {
            return .notification(method: method, params: value["params"])
        }
        guard let id = value["id"].flatMap({ RequestID($0) }) else {
            throw .invalidRequest("neither a response nor a notification")
        }
        switch (value["result"], value["error"]) {
        case (let result?, nil): return .response(id: id, .success(result))
        case (nil, let error?): return .response(id: id, .failure(try RPCError(error)))
        default: throw .invalidRequest("a response has either a result or an error")
        }
    }

    /// Reads one message of a server.
    public static func parse(_ bytes: [UInt8]) throws(RPCError) -> ServerMessage {
        try bytes.withUnsafeBufferPointer { bytes throws(RPCError) in try parse(UnsafeRawBufferPointer(bytes)) }
    }
}

extension RPCError {
    /// Reads an error object.
    fileprivate init(_ value: JSONValue) throws(RPCError) {
        guard let code = value["code"]?.integer, let message = value["message"]?.string else {
            throw .invalidRequest("an error has an integer code and a message")
        }
        self.init(code: Int(code), message: message, data: value["data"])
    }
}
