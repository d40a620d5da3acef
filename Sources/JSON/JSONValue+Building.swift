// SPDX-License-Identifier: Apache-2.0
import CJansson

extension JSONValue {
    /// `null`.
    public static let null = JSONValue(owning: json_null())

    private static let yes = JSONValue(owning: json_true())
    private static let no = JSONValue(owning: json_false())

    /// `true` or `false`.
    public static func boolean(_ value: Bool) -> JSONValue {
        value ? yes : no
    }

    /// An exact integer.
    public static func integer(_ value: Int64) -> JSONValue {
        JSONValue(owning: json_integer(value))
    }

    /// An exact integer.
    public static func integer(_ value: Int) -> JSONValue {
        JSONValue(owning: json_integer(Int64(value)))
    }

    /// A string; U+0000 is allowed.
    public static func string(_ value: String) -> JSONValue {
        JSONValue(owning: withCharacters(of: value) { json_stringn_nocheck($0, $1) })
    }

    /// A string of these bytes, or `nil` if they are not UTF-8 (RFC 3629: no overlong forms, no surrogates).
    public static func string(utf8 bytes: some Collection<UInt8>) -> JSONValue? {
        withContiguousBytes(of: bytes) { buffer in
            // With an address and memory at hand, jansson refuses a string for its encoding alone.
            withCharacters(of: buffer) { json_stringn($0, $1) }.map { JSONValue(owning: $0) }
        }
    }

    /// The wire's form of bytes: a string if they are UTF-8 (it may hold U+0000), else `{"base64": "…"}`.
    public static func bytes(_ bytes: some Collection<UInt8>) -> JSONValue {
        if let string = string(utf8: bytes) { return string }
        let encoded = Base64.encode(bytes).withUnsafeBufferPointer { buffer in
            JSONValue(owning: withCharacters(of: buffer) { json_stringn_nocheck($0, $1) })
        }
        return object(["base64": encoded])
    }

    /// An array of these elements.
    public static func array(_ elements: some Sequence<JSONValue>) -> JSONValue {
        let array = JSONValue(owning: json_array())
        for element in elements {
            array.check(element.withPointer { json_array_append_new(array.pointer, json_incref($0)) })
        }
        return array
    }

    /// An object of these members in this order; a member `nil` is left out (write `.null` for a null).
    public static func object(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
        let object = JSONValue(owning: json_object())
        for (key, value) in members {
            if let value { object.set(key, value) }
        }
        return object
    }

    /// An object of these members in this order; the last of several with one name wins.
    public static func object(members: some Sequence<(String, JSONValue)>) -> JSONValue {
        let object = JSONValue(owning: json_object())
        for (key, value) in members { object.set(key, value) }
        return object
    }

    /// Only for an object that nobody else has seen yet.
    private func set(_ key: String, _ value: JSONValue) {
        check(
            value.withPointer { value in
                withCharacters(of: key) { json_object_setn_new_nocheck(pointer, $0, $1, json_incref(value)) }
            })
    }

    /// Adding to a fresh container fails only without memory.
    private func check(_ result: Int32) {
        guard result == 0 else { fatalError("jansson is out of memory") }
    }
}

/// The bytes in one piece, copied only if the collection does not hold them so.
func withContiguousBytes<R>(of bytes: some Collection<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
    if let result = bytes.withContiguousStorageIfAvailable(body) { return result }
    return Array(bytes).withUnsafeBufferPointer(body)
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) {
        self = .null
    }

    public init(booleanLiteral value: Bool) {
        self = .boolean(value)
    }

    public init(integerLiteral value: Int64) {
        self = .integer(value)
    }

    public init(stringLiteral value: String) {
        self = .string(value)
    }

    public init(arrayLiteral elements: JSONValue...) {
        self = .array(elements)
    }

    /// A member written `nil` is a `null` here, unlike in `object(_:)`.
    public init(dictionaryLiteral members: (String, JSONValue)...) {
        self = .object(members: members)
    }
}
