// SPDX-License-Identifier: Apache-2.0
public import JSON

/// The error object of an answer (JSON-RPC 2.0 section 5.1). Its `data` names the kind of error in a word.
public struct RPCError: Error, Equatable, Sendable {
    public var code: Int
    public var message: String
    public var data: JSONValue?

    public init(code: Int, message: String, data: JSONValue? = nil) {
        self.code = code
        self.message = message
        self.data = data
    }

    /// The error as it stands in an answer.
    public var json: JSONValue {
        .object(["code": .integer(code), "message": .string(message), "data": data])
    }
}

extension RPCError: CustomStringConvertible {
    public var description: String {
        "\(message) (\(code))"
    }
}

extension RPCError {
    /// -32700: the message is no JSON.
    public static func parseError(_ error: JSONSyntaxError) -> RPCError {
        RPCError(
            code: -32700, message: "parse error: \(error)",
            data: .object([
                "kind": "parse_error", "line": .integer(error.line), "column": .integer(error.column),
                "limit": error.exceededDepth.map { _ in "nesting" },
                "maximum": error.exceededDepth.map { .integer($0) },
            ]))
    }

    /// -32600: JSON, but no request.
    public static func invalidRequest(_ reason: String) -> RPCError {
        RPCError(code: -32600, message: "invalid request: \(reason)", data: .object(["kind": "invalid_request"]))
    }

    /// -32601: there is no method of that name.
    public static func methodNotFound(_ method: String) -> RPCError {
        RPCError(
            code: -32601, message: "no such method: \(method)",
            data: .object(["kind": "method_not_found", "method": .string(method)]))
    }

    /// -32602: the method does not take these parameters.
    public static func invalidParams(_ mismatch: JSONMismatch) -> RPCError {
        RPCError(
            code: -32602, message: "invalid params: \(mismatch)",
            data: .object([
                "kind": "invalid_params", "path": .string(mismatch.path.description),
                "expected": .string(mismatch.expected), "found": .string(mismatch.found),
            ]))
    }

    /// -32603: the server's own fault.
    public static func internalError(_ reason: String) -> RPCError {
        RPCError(code: -32603, message: "internal error: \(reason)", data: .object(["kind": "internal_error"]))
    }

    /// -32800 (of the Language Server Protocol): the client took the request back.
    public static func requestCancelled() -> RPCError {
        RPCError(code: -32800, message: "request cancelled", data: .object(["kind": "request_cancelled"]))
    }

    /// 8: a named limit of the server was reached.
    public static func limitReached(_ limit: String, maximum: Int) -> RPCError {
        RPCError(
            code: 8, message: "limit reached: \(limit) is at most \(maximum)",
            data: .object(["kind": "limit_reached", "limit": .string(limit), "maximum": .integer(maximum)]))
    }
}
