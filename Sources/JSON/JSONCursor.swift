// SPDX-License-Identifier: Apache-2.0

/// A value that is not what was asked for, and where.
public struct JSONMismatch: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where the value stands.
    public var path: JSONPath
    /// What would have been right: "an integer from 1 to 64".
    public var expected: String
    /// What is there: the kind of the value, or the value itself if its kind was right.
    public var found: String

    public init(path: JSONPath, expected: String, found: String) {
        self.path = path
        self.expected = expected
        self.found = found
    }

    public var description: String {
        let place = path == .root ? "" : "\(path): "
        return "\(place)expected \(expected), found \(found)"
    }
}

/// A value and where it stands: reads what is expected there, or says what is wrong at which path.
public struct JSONCursor: Sendable {
    public let value: JSONValue
    public let path: JSONPath

    public init(_ value: JSONValue, path: JSONPath = .root) {
        self.value = value
        self.path = path
    }

    /// The error for this value; `found` is its kind unless told.
    public func mismatch(expected: String, found: String? = nil) -> JSONMismatch {
        JSONMismatch(path: path, expected: expected, found: found ?? value.kind.rawValue)
    }
}

// MARK: - Scalars

extension JSONCursor {
    /// A boolean.
    public func boolean() throws(JSONMismatch) -> Bool {
        guard let boolean = value.boolean else { throw mismatch(expected: "a boolean") }
        return boolean
    }

    /// An integer of that range.
    public func integer(_ range: ClosedRange<Int64> = .min ... .max) throws(JSONMismatch) -> Int64 {
        guard let integer = value.integer else { throw mismatch(expected: Self.text(range)) }
        guard range.contains(integer) else { throw mismatch(expected: Self.text(range), found: String(integer)) }
        return integer
    }

    private static func text(_ range: ClosedRange<Int64>) -> String {
        switch (range.lowerBound, range.upperBound) {
        case (.min, .max): "an integer"
        case (let lower, .max): "an integer of at least \(lower)"
        case (.min, let upper): "an integer of at most \(upper)"
        case (let lower, let upper): "an integer from \(lower) to \(upper)"
        }
    }

    /// A string.
    public func string() throws(JSONMismatch) -> String {
        guard let string = value.string else { throw mismatch(expected: "a string") }
        return string
    }

    /// A string, in UTF-8.
    public func utf8() throws(JSONMismatch) -> [UInt8] {
        guard let utf8 = value.utf8 else { throw mismatch(expected: "a string") }
        return utf8
    }

    /// One of these strings.
    public func oneOf(_ names: [String]) throws(JSONMismatch) -> String {
        let expected = "one of: " + names.joined(separator: ", ")
        guard let string = value.string else { throw mismatch(expected: expected) }
        guard names.contains(string) else { throw mismatch(expected: expected, found: string) }
        return string
    }

    /// Bytes: a string, which stands for its UTF-8, or `{"base64": "…"}`.
    public func bytes() throws(JSONMismatch) -> [UInt8] {
        if let utf8 = value.utf8 { return utf8 }
        guard value.kind == .object else { throw mismatch(expected: "a string or {\"base64\": …}") }
        try requireObject(allowing: ["base64"])
        guard let encoded = member("base64") else { throw mismatch(expected: "a string or {\"base64\": …}") }
        guard let bytes = Base64.decode(try encoded.utf8()) else {
            throw encoded.mismatch(expected: "padded base64 (RFC 4648 section 4)", found: "malformed base64")
        }
        return bytes
    }

    /// Bytes that C can take: without a zero byte among them, and none is added.
    public func cString() throws(JSONMismatch) -> [UInt8] {
        let bytes = try bytes()
        guard !bytes.contains(0) else {
            throw mismatch(expected: "a string without U+0000", found: "a string with U+0000")
        }
        return bytes
    }
}

// MARK: - Containers

extension JSONCursor {
    /// The elements of an array that has at most so many.
    public func elements(maximum: Int = .max) throws(JSONMismatch) -> [JSONCursor] {
        guard value.kind == .array else { throw mismatch(expected: "an array") }
        guard value.count <= maximum else {
            throw mismatch(expected: "an array of at most \(maximum)", found: "\(value.count) elements")
        }
        return (value.elements ?? []).enumerated().map { JSONCursor($1, path: path.appending($0)) }
    }

    /// The members of an object that has at most so many, in their order, those that are `null` included.
    public func members(maximum: Int = .max) throws(JSONMismatch) -> [(key: String, value: JSONCursor)] {
        guard value.kind == .object else { throw mismatch(expected: "an object") }
        guard value.count <= maximum else {
            throw mismatch(expected: "an object of at most \(maximum) members", found: "\(value.count) members")
        }
        return (value.members ?? []).map { ($0.key, JSONCursor($0.value, path: path.appending($0.key))) }
    }

    /// The member of that name; `nil` if it is absent or `null`.
    public func member(_ key: String) -> JSONCursor? {
        guard let member = value[key], member.kind != .null else { return nil }
        return JSONCursor(member, path: path.appending(key))
    }

    /// The member of that name, which must be there and not `null`; `expected` says what it should be.
    public func requiredMember(_ key: String, expected: String) throws(JSONMismatch) -> JSONCursor {
        guard let member = member(key) else {
            let found = value[key] == nil ? "nothing" : JSONValue.Kind.null.rawValue
            throw JSONMismatch(path: path.appending(key), expected: expected, found: found)
        }
        return member
    }

    /// Throws unless this is an object whose members all have one of these names.
    public func requireObject(allowing names: [String]) throws(JSONMismatch) {
        for (key, member) in try members() where !names.contains(key) {
            let expected = names.isEmpty ? "no such member" : "one of: " + names.joined(separator: ", ")
            throw member.mismatch(expected: expected, found: "unknown member")
        }
    }
}
