// SPDX-License-Identifier: Apache-2.0

/// JSON written as it is made, without values in between: for what is made for every process, and by the thousand.
///
/// Every function writes one value, or one member of the object that is being written; commas come by themselves.
public struct JSONWriter: ~Copyable {
    private var room = JSONRoom()
    /// Something stands before in this container.
    private var follows = false

    /// Appends the one value that `body` writes.
    public static func append(to bytes: inout [UInt8], _ body: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        writer.room.exchange(&bytes)
        body(&writer)
        writer.room.exchange(&bytes)
    }

    // MARK: Values; nil is null

    public mutating func value(_ boolean: Bool) { raw(boolean ? "true" : "false") }

    public mutating func value(_ integer: Int64?) {
        guard let integer else { return raw("null") }
        begin()
        room.append(integer)
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
        room.append { value.write(into: &$0) }
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
        let (before, followed) = (room.count, follows)
        key("text")
        if appendText(data) {
            follows = true
            return
        }
        room.cut(to: before)
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
        room.append(UInt8(ascii: ":"))
        follows = false
        body(&self)
    }

    // MARK: Strings

    /// Appends a string; false, and nothing is appended, if the text is not UTF-8.
    private mutating func appendText(_ text: UnsafeRawBufferPointer) -> Bool {
        let before = room.count
        room.append(UInt8(ascii: "\""))
        if JSONText.append(text, to: &room) {
            room.append(UInt8(ascii: "\""))
            return true
        }
        room.cut(to: before)
        return false
    }

    private mutating func appendBase64(_ data: UnsafeRawBufferPointer) {
        room.append(UInt8(ascii: "\""))
        Base64.encode(data).withUnsafeBytes { room.append($0) }
        room.append(UInt8(ascii: "\""))
    }

    // MARK: Between values

    /// Ours: no name of a member holds anything to be escaped.
    private mutating func key(_ key: StaticString) {
        begin()
        room.append(UInt8(ascii: "\""))
        room.append(key)
        room.append(UInt8(ascii: "\""))
        room.append(UInt8(ascii: ":"))
        follows = false
    }

    private mutating func begin() {
        if follows { room.append(UInt8(ascii: ",")) }
        follows = true
    }

    private mutating func raw(_ text: StaticString) {
        begin()
        room.append(text)
    }

    private mutating func enter(_ bracket: Unicode.Scalar) {
        begin()
        enterFresh(bracket)
    }

    private mutating func enterFresh(_ bracket: Unicode.Scalar) {
        room.append(UInt8(ascii: bracket))
        follows = false
    }

    private mutating func leave(_ bracket: Unicode.Scalar) {
        room.append(UInt8(ascii: bracket))
        follows = true
    }
}
