// SPDX-License-Identifier: Apache-2.0
import CJansson

extension JSONValue {
    /// Appends the value in UTF-8 on one line, without spaces, members in their order.
    public func write(into bytes: inout [UInt8]) {
        dump(into: &bytes, flags: JSON_COMPACT | JSON_ENCODE_ANY)
    }

    /// The value in UTF-8 on one line.
    public var serialized: [UInt8] {
        var bytes: [UInt8] = []
        write(into: &bytes)
        return bytes
    }

    /// The value for people: an indentation of two spaces, no newline at the end.
    public func pretty() -> String {
        var bytes: [UInt8] = []
        dump(into: &bytes, flags: 2 | JSON_ENCODE_ANY)  // JSON_INDENT(2), a macro Swift does not see
        return String(decoding: bytes, as: UTF8.self)
    }

    private func dump(into bytes: inout [UInt8], flags: Int32) {
        let result = withPointer { pointer in
            withUnsafeMutablePointer(to: &bytes) { json_dump_callback(pointer, append(piece:size:to:), $0, Int(flags)) }
        }
        // A value is a tree of valid strings and finite numbers: nothing but memory can be missing.
        guard result == 0 else { fatalError("jansson is out of memory") }
    }
}

extension JSONValue: CustomStringConvertible {
    /// The value on one line.
    public var description: String {
        String(decoding: serialized, as: UTF8.self)
    }
}

/// A `json_dump_callback_t` whose data is a `[UInt8]`.
private func append(piece: UnsafePointer<CChar>?, size: Int, to output: UnsafeMutableRawPointer?) -> Int32 {
    guard let output else { return -1 }
    output.assumingMemoryBound(to: [UInt8].self).pointee
        .append(contentsOf: UnsafeRawBufferPointer(start: piece, count: size))
    return 0
}
