// SPDX-License-Identifier: Apache-2.0
public import JSON

private let version = JSONValue.string("2.0")

/// Answers (JSON-RPC 2.0 section 5).
public enum Reply {
    /// The answer to a request that succeeded.
    public static func success(id: RequestID, result: JSONValue) -> JSONValue {
        .object(["jsonrpc": version, "id": id.json, "result": result])
    }

    /// The answer to a request that failed, or to what was no request.
    public static func failure(id: RequestID, _ error: RPCError) -> JSONValue {
        .object(["jsonrpc": version, "id": id.json, "error": error.json])
    }

    /// Appends what `success` makes without making it: the envelope costs jansson as much as a small result does.
    public static func writeSuccess(id: RequestID, result: JSONValue, into bytes: inout [UInt8]) {
        writeSuccess(id: id, into: &bytes) { $0.value(result) }
    }

    /// The same for a result that is written and never was a value: records, stream data.
    public static func writeSuccess(id: RequestID, into bytes: inout [UInt8], result: (inout JSONWriter) -> Void) {
        bytes.append(contentsOf: #"{"jsonrpc":"2.0","id":"#.utf8)
        switch id {
        case .integer(let integer): bytes.append(contentsOf: String(integer).utf8)
        case .string, .null: id.json.write(into: &bytes)
        }
        bytes.append(contentsOf: #","result":"#.utf8)
        JSONWriter.append(to: &bytes, result)
        bytes.append(UInt8(ascii: "}"))
    }
}

/// Appends a message that is not answered, with params that are written and never were a value.
public func writeNotification(
    method: String, into bytes: inout [UInt8], params: (inout JSONWriter) -> Void
) {
    JSONWriter.append(to: &bytes) { message in
        message.object {
            $0.member("jsonrpc", "2.0" as String)
            $0.member("method", method)
            $0.member("params", params)
        }
    }
}

/// A message that is not answered; without `params` the member is left out.
public func notification(method: String, params: JSONValue? = nil) -> JSONValue {
    .object(["jsonrpc": version, "method": .string(method), "params": params])
}

/// A message that is answered; without `params` the member is left out.
public func request(id: RequestID, method: String, params: JSONValue? = nil) -> JSONValue {
    .object(["jsonrpc": version, "id": id.json, "method": .string(method), "params": params])
}
