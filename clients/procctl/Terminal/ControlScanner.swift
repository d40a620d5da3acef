// SPDX-License-Identifier: Apache-2.0

/// Takes terminal output apart: text, and control sequences (ECMA-48, xterm's ctlseqs), across the borders of chunks.
struct ControlScanner {
    enum Piece {
        case text(ArraySlice<UInt8>)
        /// `ESC x`, `CSI …`, whole.
        case sequence(ArraySlice<UInt8>)
        /// OSC, DCS, APC, PM, SOS up to their end, whole.
        case string(ArraySlice<UInt8>)
    }

    /// One that has begun and not ended; what gets longer than this is taken for text.
    private var begun: [UInt8] = []
    private static let most = 4096
    private static let escape: UInt8 = 0x1B

    /// Hands over the pieces of all bytes so far that are whole.
    mutating func scan(_ bytes: [UInt8], _ take: (Piece) -> Void) {
        let all = begun.isEmpty ? bytes : begun + bytes
        begun = []
        var index = 0
        while index < all.count {
            guard let start = all[index...].firstIndex(of: Self.escape) else { return take(.text(all[index...])) }
            if start > index { take(.text(all[index..<start])) }
            switch Self.end(of: all[start...]) {
            case .some(let (end, isString)):
                take(isString ? .string(all[start..<end]) : .sequence(all[start..<end]))
                index = end
            case nil where all.count - start > Self.most:
                return take(.text(all[start...]))
            case nil:
                begun = Array(all[start...])
                return
            }
        }
    }

    /// What has begun, as it is.
    mutating func finish() -> [UInt8] {
        defer { begun = [] }
        return begun
    }

    /// Behind the last byte of what begins with ESC; nil when that has not come.
    private static func end(of bytes: ArraySlice<UInt8>) -> (Int, isString: Bool)? {
        var index = bytes.startIndex + 1
        guard index < bytes.endIndex else { return nil }
        switch bytes[index] {
        case UInt8(ascii: "["):
            index += 1
            while index < bytes.endIndex {
                if !(0x20...0x3F).contains(bytes[index]) { return (index + 1, false) }
                index += 1
            }
            return nil
        case UInt8(ascii: "]"), UInt8(ascii: "P"), UInt8(ascii: "_"), UInt8(ascii: "^"), UInt8(ascii: "X"):
            index += 1
            while index < bytes.endIndex {
                if bytes[index] == 0x07 { return (index + 1, true) }
                if bytes[index] == escape {
                    guard index + 1 < bytes.endIndex else { return nil }
                    // ST ends it; any other sequence means that it was never ended.
                    return bytes[index + 1] == UInt8(ascii: "\\") ? (index + 2, true) : (index, true)
                }
                index += 1
            }
            return nil
        default:
            while index < bytes.endIndex {
                if !(0x20...0x2F).contains(bytes[index]) { return (index + 1, false) }
                index += 1
            }
            return nil
        }
    }
}
