// SPDX-License-Identifier: Apache-2.0
public import JSON

/// What ties an answer to its request (JSON-RPC 2.0 section 4): echoed exactly, `1` and `"1"` are two.
///
/// The specification allows a number with a fraction and advises against it; here it is an invalid request.
public enum RequestID: Hashable, Sendable {
    case string(String)
    case integer(Int64)
    case null

    /// The id of that value, unless it can be none.
    public init?(_ value: JSONValue) {
        switch value.kind {
        case .string: self = .string(value.string ?? "")
        case .integer: self = .integer(value.integer ?? 0)
        case .null: self = .null
        case .boolean, .real, .array, .object: return nil
        }
    }

    /// The id as it stands in a message.
    public var json: JSONValue {
        switch self {
        case .string(let string): .string(string)
        case .integer(let integer): .integer(integer)
        case .null: .null
        }
    }
}

extension RequestID {
    /// Byte for byte: Swift's own equality of strings is canonical equivalence, which is too coarse for an id.
    public static func == (left: RequestID, right: RequestID) -> Bool {
        switch (left, right) {
        case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
        case (.integer(let left), .integer(let right)): left == right
        case (.null, .null): true
        default: false
        }
    }
}

extension RequestID: CustomStringConvertible {
    /// As in a message: strings with their quotation marks.
    public var description: String {
        json.description
    }
}
