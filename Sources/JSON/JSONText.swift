// SPDX-License-Identifier: Apache-2.0

/// UTF-8 into the inside of a JSON string (RFC 8259, section 7), checked and escaped in one pass: output is made by
/// the megabyte, and each further look at a byte costs as much as the first.
enum JSONText {
    /// Text is looked at four words at a time. (Of SIMD types Swift 6.3 makes calls, one for each byte compared.)
    private static let width = 32

    /// Appends the text, or returns false if it is not UTF-8: then what was appended is to be thrown away.
    static func append(_ text: UnsafeRawBufferPointer, to room: inout JSONRoom) -> Bool {
        var position = 0
        while position < text.count {
            if position + width <= text.count {
                let plain = room.append(most: width) { copyPlain(text, at: position, to: $0) }
                position += plain
                if plain == width { continue }
            }
            guard appendOthers(text, at: &position, to: &room) else { return false }
        }
        return true
    }

    // MARK: What stands for itself

    /// Copies a block. Only the bytes before the first that does not stand for itself count; returns how many.
    @inline(__always)
    private static func copyPlain(
        _ text: UnsafeRawBufferPointer, at position: Int, to place: UnsafeMutableRawPointer
    ) -> Int {
        @inline(__always) func copyWord(_ offset: Int) -> UInt64 {
            let word = text.loadUnaligned(fromByteOffset: position + offset, as: UInt64.self)
            place.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
            return marks(in: word.littleEndian)
        }
        let (first, second, third, fourth) = (copyWord(0), copyWord(8), copyWord(16), copyWord(24))
        if first | second | third | fourth == 0 { return width }
        if first != 0 { return first.trailingZeroBitCount / 8 }
        if second != 0 { return 8 + second.trailingZeroBitCount / 8 }
        return third != 0 ? 16 + third.trailingZeroBitCount / 8 : 24 + fourth.trailingZeroBitCount / 8
    }

    /// The highest bit of each byte that does not stand for itself: beyond ASCII, a control character, `"` or `\`. Those
    /// behind the first may be wrong: a subtraction borrows from what lies above.
    @inline(__always)
    private static func marks(in word: UInt64) -> UInt64 {
        (word | below(word, 0x20) | below(word ^ every(0x22), 1) | below(word ^ every(0x5C), 1)) & every(0x80)
    }

    /// The highest bit of each ASCII byte that is below `limit`.
    @inline(__always)
    private static func below(_ word: UInt64, _ limit: UInt8) -> UInt64 { (word &- every(limit)) & ~word }

    /// A word of this byte alone.
    @inline(__always)
    private static func every(_ byte: UInt8) -> UInt64 { UInt64(byte) * 0x0101_0101_0101_0101 }

    // MARK: What does not

    /// Appends a character, and those behind it that do not stand for themselves either, or are too few for a block. False
    /// if one is none.
    @inline(__always)
    private static func appendOthers(
        _ text: UnsafeRawBufferPointer, at position: inout Int, to room: inout JSONRoom
    ) -> Bool {
        repeat {
            let (byte, start) = (text[position], position)
            if isPlain(byte) {
                room.append(byte)
                position += 1
            } else if byte < 0x80 {
                room.append(most: 6) { escape(byte, to: $0) }
                position += 1
            } else {
                let length = UTF8Character.length(at: position, in: text)
                if length == 0 { return false }
                room.append(most: 4) { place in
                    for index in 0..<length {
                        place.storeBytes(of: text[start + index], toByteOffset: index, as: UInt8.self)
                    }
                    return length
                }
                position += length
            }
        } while position < text.count && (position + width > text.count || !isPlain(text[position]))
        return true
    }

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Writes the character of ASCII that it takes two of, or six.
    @inline(__always)
    private static func escape(_ byte: UInt8, to place: UnsafeMutableRawPointer) -> Int {
        @inline(__always) func put(_ byte: UInt8, _ offset: Int) {
            place.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
        }
        let letter: UInt8
        switch byte {
        case UInt8(ascii: "\n"): letter = UInt8(ascii: "n")
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): letter = byte
        case UInt8(ascii: "\r"): letter = UInt8(ascii: "r")
        case UInt8(ascii: "\t"): letter = UInt8(ascii: "t")
        default:
            for (offset, byte) in "\\u00".utf8.enumerated() { put(byte, offset) }
            put(UInt8(ascii: "0") + byte >> 4, 4)
            put((byte & 15 < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10) + byte & 15, 5)
            return 6
        }
        put(UInt8(ascii: "\\"), 0)
        put(letter, 1)
        return 2
    }
}

/// One character beyond ASCII in UTF-8 (RFC 3629, section 4).
private enum UTF8Character {
    /// The length of the character that begins at `position`, 2 to 4; 0 if none does.
    @inline(__always)
    static func length(at position: Int, in text: UnsafeRawBufferPointer) -> Int {
        let lead = text[position]
        let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard lead >= 0xC2, lead <= 0xF4, position + length <= text.count else { return 0 }
        // No overlong forms, no surrogates, nothing above U+10FFFF: the lead byte bounds what follows it.
        let second = text[position + 1]
        let lowest: UInt8 = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80
        let highest: UInt8 = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF
        guard second >= lowest, second <= highest else { return 0 }
        for index in 2..<length where text[position + index] & 0xC0 != 0x80 { return 0 }
        return length
    }
}
