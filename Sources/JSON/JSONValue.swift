// SPDX-License-Identifier: Apache-2.0
import CJansson

/// One immutable JSON value (RFC 8259), held by jansson.
///
/// A member or element shares the ownership of the document it was taken from: looking into a document allocates
/// nothing, and a part of it keeps the whole of it in memory.
///
/// Unchecked `Sendable`: nothing changes a value once it is built, jansson 2.14 reads without writing (its encoder too:
/// the visited marks of older versions are gone) and counts references atomically.
public struct JSONValue: @unchecked Sendable {
    /// What a value is; the raw value is the word that messages print.
    public enum Kind: String, Sendable {
        case null, boolean, integer, real, string, array, object
    }

    let document: Document
    let pointer: UnsafeMutablePointer<json_t>

    /// Takes over one reference. Jansson returns no pointer only when it is out of memory, where Swift ends too.
    init(owning pointer: UnsafeMutablePointer<json_t>?) {
        guard let pointer else { fatalError("jansson is out of memory") }
        self.document = Document(pointer)
        self.pointer = pointer
    }

    /// A part of a document that stays owned by the document.
    init(_ pointer: UnsafeMutablePointer<json_t>, in document: Document) {
        self.document = document
        self.pointer = pointer
    }

    /// Every use of the pointer goes through here: the optimiser may end the owner's life after its last visible use.
    @inline(__always)
    func withPointer<R>(_ body: (UnsafeMutablePointer<json_t>) -> R) -> R {
        withExtendedLifetime(document) { body(pointer) }
    }
}

/// Owns one reference of a jansson value.
final class Document: @unchecked Sendable {
    private let root: UnsafeMutablePointer<json_t>

    init(_ root: UnsafeMutablePointer<json_t>) {
        self.root = root
    }

    deinit {
        json_decref(root)
    }
}

extension JSONValue {
    /// What this value is.
    public var kind: Kind {
        switch withPointer({ $0.pointee.type }) {
        case JSON_OBJECT: .object
        case JSON_ARRAY: .array
        case JSON_STRING: .string
        case JSON_INTEGER: .integer
        case JSON_REAL: .real
        case JSON_TRUE, JSON_FALSE: .boolean
        default: .null
        }
    }

    /// The truth value, if this is a boolean.
    public var boolean: Bool? {
        switch withPointer({ $0.pointee.type }) {
        case JSON_TRUE: true
        case JSON_FALSE: false
        default: nil
        }
    }

    /// The number, if this is an integer: exact over the whole of `Int64`.
    public var integer: Int64? {
        withPointer { $0.pointee.type == JSON_INTEGER ? json_integer_value($0) : nil }
    }

    /// The text, if this is a string. It may hold U+0000.
    public var string: String? {
        withText { String(decoding: $0, as: UTF8.self) }
    }

    /// The text in UTF-8, if this is a string. It may hold zero bytes.
    public var utf8: [UInt8]? {
        withText { Array($0) }
    }

    private func withText<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R? {
        withPointer { pointer in
            guard pointer.pointee.type == JSON_STRING else { return nil }
            return body(UnsafeRawBufferPointer(start: json_string_value(pointer), count: json_string_length(pointer)))
        }
    }
}

extension JSONValue {
    /// The number of elements or members; 0 for anything else.
    public var count: Int {
        withPointer { pointer in
            switch pointer.pointee.type {
            case JSON_OBJECT: json_object_size(pointer)
            case JSON_ARRAY: json_array_size(pointer)
            default: 0
            }
        }
    }

    /// The elements, if this is an array.
    public var elements: [JSONValue]? {
        withPointer { pointer in
            guard pointer.pointee.type == JSON_ARRAY else { return nil }
            var elements: [JSONValue] = []
            elements.reserveCapacity(json_array_size(pointer))
            for index in 0..<json_array_size(pointer) {
                guard let element = json_array_get(pointer, index) else { break }
                elements.append(JSONValue(element, in: document))
            }
            return elements
        }
    }

    /// The members in the order of the document, if this is an object.
    public var members: [(key: String, value: JSONValue)]? {
        withPointer { pointer in
            guard pointer.pointee.type == JSON_OBJECT else { return nil }
            var members: [(key: String, value: JSONValue)] = []
            members.reserveCapacity(json_object_size(pointer))
            var iterator = json_object_iter(pointer)
            while let current = iterator {
                guard let key = json_object_iter_key(current), let value = json_object_iter_value(current) else {
                    break
                }
                let bytes = UnsafeRawBufferPointer(start: key, count: json_object_iter_key_len(current))
                members.append((String(decoding: bytes, as: UTF8.self), JSONValue(value, in: document)))
                iterator = json_object_iter_next(pointer, current)
            }
            return members
        }
    }

    /// The member of that name; `nil` without one, or if this is no object. A member `null` is a value.
    public subscript(key: String) -> JSONValue? {
        withPointer { pointer in
            guard pointer.pointee.type == JSON_OBJECT else { return nil }
            return withCharacters(of: key) { json_object_getn(pointer, $0, $1) }.map { JSONValue($0, in: document) }
        }
    }

    /// The element at that index; `nil` outside of the array, or if this is no array.
    public subscript(index: Int) -> JSONValue? {
        withPointer { pointer in
            guard index >= 0, pointer.pointee.type == JSON_ARRAY else { return nil }
            return json_array_get(pointer, index).map { JSONValue($0, in: document) }
        }
    }
}

extension JSONValue: Equatable {
    /// Objects are equal whatever the order of their members; an integer never equals a real.
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        left.withPointer { left in right.withPointer { right in json_equal(left, right) == 1 } }
    }
}

/// Hands a string's UTF-8 to a C function that takes a pointer and a length.
func withCharacters<R>(of string: String, _ body: (UnsafePointer<CChar>, Int) -> R) -> R {
    var string = string
    return string.withUTF8 { withCharacters(of: $0, body) }
}

/// The same for bytes. An empty buffer may have no address; jansson takes a null pointer for an error.
func withCharacters<R>(of bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafePointer<CChar>, Int) -> R) -> R {
    guard let start = bytes.baseAddress else { return body("", 0) }
    return body(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), bytes.count)
}
