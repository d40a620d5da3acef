// SPDX-License-Identifier: Apache-2.0

/// Stream data as the wire has it, without a JSON value in between: `"text": "…"` when it is UTF-8, else
/// `"base64": "…"`.
public enum JSONData {
    /// Appends the member, name and value. `data` is only borrowed: a stretch of a ring, as it lies there.
    public static func writeMember(_ data: UnsafeRawBufferPointer, into bytes: inout [UInt8]) {
        let before = bytes.count
        bytes.append(contentsOf: "\"text\":\"".utf8)
        if JSONText.append(data, to: &bytes) {
            bytes.append(UInt8(ascii: "\""))
            return
        }
        bytes.removeSubrange(before...)
        bytes.append(contentsOf: "\"base64\":\"".utf8)
        bytes.append(contentsOf: Base64.encode(data))
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends the member, name and value.
    public static func writeMember(_ data: [UInt8], into bytes: inout [UInt8]) {
        data.withUnsafeBytes { writeMember($0, into: &bytes) }
    }
}
