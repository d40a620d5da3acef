// SPDX-License-Identifier: Apache-2.0

/// Stream data as the wire has it, without a JSON value in between: `"text": "…"` when it is UTF-8, else
/// `"base64": "…"`.
public enum JSONData {
    /// Appends the member, name and value.
    public static func writeMember(_ data: [UInt8], into bytes: inout [UInt8]) {
        if isUTF8(data) {
            bytes.append(contentsOf: "\"text\":".utf8)
            writeString(data, into: &bytes)
        } else {
            bytes.append(contentsOf: "\"base64\":\"".utf8)
            bytes.append(contentsOf: Base64.encode(data))
            bytes.append(UInt8(ascii: "\""))
        }
    }

    private static func isUTF8(_ data: [UInt8]) -> Bool {
        (try? UTF8Span(validating: data.span)) != nil
    }

    /// Appends a JSON string (RFC 8259, section 7) of valid UTF-8. Stretches that need no escape are copied whole.
    static func writeString(_ text: [UInt8], into bytes: inout [UInt8]) {
        bytes.reserveCapacity(bytes.count + text.count + text.count / 16 + 2)
        bytes.append(UInt8(ascii: "\""))
        text.withUnsafeBufferPointer { text in
            var plain = 0
            for index in text.indices where needsEscape[Int(text[index])] {
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[plain..<index]))
                writeEscape(text[index], into: &bytes)
                plain = index + 1
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[plain...]))
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static let needsEscape: [Bool] = (0..<256).map { byte in
        byte < 0x20 || byte == Int(UInt8(ascii: "\"")) || byte == Int(UInt8(ascii: "\\"))
    }

    private static func writeEscape(_ byte: UInt8, into bytes: inout [UInt8]) {
        let backslash = UInt8(ascii: "\\")
        switch byte {
        case UInt8(ascii: "\""), backslash: bytes.append(contentsOf: [backslash, byte])
        case UInt8(ascii: "\n"): bytes.append(contentsOf: [backslash, UInt8(ascii: "n")])
        case UInt8(ascii: "\r"): bytes.append(contentsOf: [backslash, UInt8(ascii: "r")])
        case UInt8(ascii: "\t"): bytes.append(contentsOf: [backslash, UInt8(ascii: "t")])
        default:
            let digits = Array("0123456789abcdef".utf8)
            bytes.append(contentsOf: "\\u00".utf8)
            bytes.append(digits[Int(byte >> 4)])
            bytes.append(digits[Int(byte & 15)])
        }
    }
}
