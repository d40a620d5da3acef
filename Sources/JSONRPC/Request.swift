// SPDX-License-Identifier: Apache-2.0
public import JSON

/// The parameters of a call (JSON-RPC 2.0 section 4.2). `"params": null` counts as none: common clients send it.
public enum Parameters: Equatable, Sendable {
    case none
    /// An object.
    case named(JSONValue)
    case positional([JSONValue])

    /// The parameters of that value, unless it is neither structured nor `null`.
    public init?(_ value: JSONValue?) {
        switch value?.kind {
        case nil, .null: self = .none
        case .object: self = value.map { .named($0) } ?? .none
        case .array: self = .positional(value?.elements ?? [])
        case .boolean, .integer, .real, .string: return nil
        }
    }

    private static let empty = JSONCursor(.object([:]))

    /// The parameters as an object. By position they take the names of `order`: trailing ones may be missing, a
    /// `null` means absent, too many are an error that names the first one in excess.
    public func byName(_ order: [String]) throws(RPCError) -> JSONCursor {
        switch self {
        case .none:
            return Self.empty
        case .named(let object):
            return JSONCursor(object)
        case .positional(let values):
            if values.count > order.count {
                let excess = JSONCursor(values[order.count], path: .root.appending(order.count))
                throw .invalidParams(excess.mismatch(expected: "at most \(order.count) parameters"))
            }
            return JSONCursor(.object(members: zip(order, values).filter { $1.kind != .null }))
        }
    }
}

/// One call of a method (JSON-RPC 2.0 section 4).
public struct Request: Equatable, Sendable {
    /// `nil` for a notification, which is never answered.
    public let id: RequestID?
    public let method: String
    public let parameters: Parameters

    public init(id: RequestID?, method: String, parameters: Parameters) {
        self.id = id
        self.method = method
        self.parameters = parameters
    }
}

/// A member of a message: a request, or what must be answered with an error.
public enum Incoming: Equatable, Sendable {
    case request(Request)
    /// The id is the request's where it could be told, else null.
    case invalid(id: RequestID, RPCError)

    /// Reads one request object.
    public init(_ value: JSONValue) {
        guard value.kind == .object else {
            self = .invalid(id: .null, .invalidRequest("expected an object, found \(value.kind.rawValue)"))
            return
        }
        let idValue = value["id"]
        let id = idValue.flatMap { RequestID($0) }
        func invalid(_ reason: String) -> Incoming { .invalid(id: id ?? .null, .invalidRequest(reason)) }
        if let idValue, id == nil {
            self = invalid("id must be a string, an integer or null, found \(idValue.kind.rawValue)")
        } else if value["jsonrpc"]?.string != "2.0" {
            self = invalid("jsonrpc must be \"2.0\"")
        } else if let method = value["method"]?.string {
            guard let parameters = Parameters(value["params"]) else {
                self = invalid("params must be an object or an array")
                return
            }
            self = .request(Request(id: id, method: method, parameters: parameters))
        } else {
            self = invalid("method must be a string")
        }
    }
}
