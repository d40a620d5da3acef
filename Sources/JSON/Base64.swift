// SPDX-License-Identifier: Apache-2.0

/// Base 64 with the standard alphabet and padding (RFC 4648 section 4).
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    /// The value of each character, 0xFF for what is not in the alphabet.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// The bytes in base 64, padded, without line breaks.
    public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        withContiguousBytes(of: bytes, encode)
    }

    private static func encode(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        let count = (bytes.count + 2) / 3 * 4
        return [UInt8](unsafeUninitializedCapacity: count) { output, written in
            alphabet.withUnsafeBufferPointer { alphabet in
                var position = 0
                for start in stride(from: 0, to: bytes.count, by: 3) {
                    let left = bytes.count - start
                    let first = UInt32(bytes[start]) << 16
                    let second = left > 1 ? UInt32(bytes[start + 1]) << 8 : 0
                    let third = left > 2 ? UInt32(bytes[start + 2]) : 0
                    let group = first | second | third
                    output[position] = alphabet[Int(group >> 18)]
                    output[position + 1] = alphabet[Int(group >> 12 & 63)]
                    output[position + 2] = left > 1 ? alphabet[Int(group >> 6 & 63)] : padding
                    output[position + 3] = left > 2 ? alphabet[Int(group & 63)] : padding
                    position += 4
                }
            }
            written = count
        }
    }

    /// The decoded bytes, or `nil` for anything but the one canonical form: a foreign character (line breaks too),
    /// missing or misplaced padding, bits set that carry no data (section 3.5).
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        withContiguousBytes(of: text, decode)
    }

    private static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var padded = 0
        while padded < 2, padded < text.count, text[text.count - 1 - padded] == padding { padded += 1 }
        let digits = text.count - padded
        var valid = true
        let bytes = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { output, written in
            values.withUnsafeBufferPointer { values in
                var bits: UInt32 = 0
                var held = 0
                for character in text[..<digits] {
                    let value = values[Int(character)]
                    guard value != 0xFF else {
                        valid = false
                        return
                    }
                    bits = bits << 6 | UInt32(value)
                    held += 6
                    if held >= 8 {
                        held -= 8
                        output[written] = UInt8(truncatingIfNeeded: bits >> UInt32(held))
                        written += 1
                    }
                }
                valid = bits & ((1 << UInt32(held)) - 1) == 0
            }
        }
        return valid ? bytes : nil
    }
}
