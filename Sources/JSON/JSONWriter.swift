// SPDX-License-Identifier: Apache-2.0

/// JSON written as it is made, without values in between: for what is made for every process, and by the thousand.
///
/// Every function writes one value, or one member of the object that is being written; commas come by themselves.
public struct JSONWriter {
    private var bytes: [UInt8] = []
    /// Something stands before in this container.
    private var follows = false

    /// Appends the one value that `body` writes.
    public static func append(to bytes: inout [UInt8], _ body: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        swap(&writer.bytes, &bytes)
        body(&writer)
        swap(&writer.bytes, &bytes)
    }

    // MARK: Values; nil is null

    public mutating func value(_ boolean: Bool) { raw(boolean ? "true" : "false") }

    public mutating func value(_ integer: Int64?) {
        guard let integer else { return raw("null") }
        begin()
        bytes.append(contentsOf: String(integer).utf8)
    }

    /// A string.
    public mutating func value(_ string: String?) {
        guard var string else { return raw("null") }
        begin()
        // A String is valid UTF-8.
        _ = string.withUTF8 { appendText(UnsafeRawBufferPointer($0)) }
    }

    /// The wire's form of bytes, as of `JSONValue.bytes`.
    public mutating func value(bytes data: [UInt8]?) {
        guard let data else { return raw("null") }
        begin()
        data.withUnsafeBytes { data in
            if appendText(data) { return }
            enterFresh("{")
            key("base64")
            appendBase64(data)
            leave("}")
        }
    }

    /// One that is there already.
    public mutating func value(_ value: JSONValue) {
        begin()
        value.write(into: &bytes)
    }

    /// An object of the members that `body` writes.
    public mutating func object(_ body: (inout JSONWriter) -> Void) {
        enter("{")
        body(&self)
        leave("}")
    }

    /// An array of what `each` writes of each element.
    public mutating func array<Element>(_ elements: [Element], _ each: (inout JSONWriter, Element) -> Void) {
        enter("[")
        for element in elements { each(&self, element) }
        leave("]")
    }

    // MARK: Members

    public mutating func member(_ key: StaticString, _ boolean: Bool) {
        self.key(key)
        value(boolean)
    }

    public mutating func member(_ key: StaticString, _ integer: Int64?) {
        self.key(key)
        value(integer)
    }

    public mutating func member(_ key: StaticString, _ integer: Int) { member(key, Int64(integer)) }
    public mutating func member(_ key: StaticString, _ integer: Int32?) { member(key, integer.map { Int64($0) }) }
    public mutating func member(_ key: StaticString, _ integer: UInt32) { member(key, Int64(integer)) }

    public mutating func member(_ key: StaticString, _ string: String?) {
        self.key(key)
        value(string)
    }

    public mutating func member(_ key: StaticString, bytes data: [UInt8]?) {
        self.key(key)
        value(bytes: data)
    }

    /// Stream data: `"text": "…"` if it is UTF-8, else `"base64": "…"`. `data` is only borrowed: a stretch of a ring, as it
    /// lies there.
    public mutating func member(data: UnsafeRawBufferPointer) {
        let (before, followed) = (bytes.count, follows)
        key("text")
        if appendText(data) {
            follows = true
            return
        }
        bytes.removeSubrange(before...)
        follows = followed
        key("base64")
        appendBase64(data)
        follows = true
    }

    /// A member whose value `body` writes.
    public mutating func member(_ key: StaticString, _ body: (inout JSONWriter) -> Void) {
        self.key(key)
        body(&self)
    }

    /// A member with a name that comes from somebody else.
    public mutating func member(named name: String, _ body: (inout JSONWriter) -> Void) {
        value(name)
        bytes.append(UInt8(ascii: ":"))
        follows = false
        body(&self)
    }

    // MARK: Strings

    /// Appends a string; false, and nothing is appended, if the text is not UTF-8.
    private mutating func appendText(_ text: UnsafeRawBufferPointer) -> Bool {
        let before = bytes.count
        bytes.append(UInt8(ascii: "\""))
        if JSONText.append(text, to: &bytes) {
            bytes.append(UInt8(ascii: "\""))
            return true
        }
        bytes.removeSubrange(before...)
        return false
    }

    private mutating func appendBase64(_ data: UnsafeRawBufferPointer) {
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: Base64.encode(data))
        bytes.append(UInt8(ascii: "\""))
    }

    // MARK: Between values

    /// Ours: no name of a member holds anything to be escaped.
    private mutating func key(_ key: StaticString) {
        begin()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        follows = false
    }

    private mutating func begin() {
        if follows { bytes.append(UInt8(ascii: ",")) }
        follows = true
    }

    private mutating func raw(_ text: StaticString) {
        begin()
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func enter(_ bracket: Unicode.Scalar) {
        begin()
        enterFresh(bracket)
    }

    private mutating func enterFresh(_ bracket: Unicode.Scalar) {
        bytes.append(UInt8(ascii: bracket))
        follows = false
    }

    private mutating func leave(_ bracket: Unicode.Scalar) {
        bytes.append(UInt8(ascii: bracket))
        follows = true
    }
}
