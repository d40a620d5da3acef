// SPDX-License-Identifier: Apache-2.0
import Dice
import Testing

@testable import JSON

/// Text by the block against text byte by byte: whatever the bytes, and wherever in a block they stand, both write the
/// same.
@Suite struct TextTests {
    /// The member in the plainest way: the standard library says what is UTF-8, and each byte is looked at alone.
    private func reference(_ data: [UInt8]) -> [UInt8] {
        guard String(validating: data, as: UTF8.self) != nil else {
            return Array("{\"base64\":\"".utf8) + Base64.encode(data) + Array("\"}".utf8)
        }
        var text = Array("{\"text\":\"".utf8)
        for byte in data {
            switch byte {
            case UInt8(ascii: "\n"): text += Array("\\n".utf8)
            case UInt8(ascii: "\r"): text += Array("\\r".utf8)
            case UInt8(ascii: "\t"): text += Array("\\t".utf8)
            case UInt8(ascii: "\""): text += Array("\\\"".utf8)
            case UInt8(ascii: "\\"): text += Array("\\\\".utf8)
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                text += Array("\\u00\(digits.count < 2 ? "0" : "")\(digits)".utf8)
            default: text.append(byte)
            }
        }
        return text + Array("\"}".utf8)
    }

    private func written(_ data: [UInt8], behind: [UInt8] = []) -> [UInt8] {
        var bytes = behind
        JSONWriter.append(to: &bytes) { writer in
            writer.object { members in data.withUnsafeBytes { members.member(data: $0) } }
        }
        return bytes
    }

    private func check(_ data: [UInt8], _ comment: Comment? = nil) {
        #expect(written(data) == reference(data), comment)
        #expect(written(data, behind: [1, 2]) == [1, 2] + reference(data), comment)
    }

    @Test func everyByteAtEveryPlaceOfABlock() {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<40 {
                var data = [UInt8](repeating: UInt8(ascii: "x"), count: 40)
                data[place] = byte
                #expect(written(data) == reference(data), "\(byte) at \(place)")
            }
        }
    }

    /// Sequences at the edges of RFC 3629, in front of nothing, at the end, across the blocks' edges.
    @Test(arguments: [0, 13, 14, 15, 16, 29]) func sequences(before: Int) {
        for sequence in StringTests.sequences {
            for after in [0, 1, 30] {
                check(
                    [UInt8](repeating: UInt8(ascii: "a"), count: before) + sequence
                        + [UInt8](repeating: UInt8(ascii: "b"), count: after), "\(sequence)")
            }
        }
    }

    /// Long enough for several pieces, and all of it to be escaped.
    @Test(arguments: [0, 1, 8191, 8192, 8193, 100_000]) func anyLength(count: Int) {
        check([UInt8](repeating: UInt8(ascii: "z"), count: count))
        check([UInt8](repeating: 1, count: count))
        check([UInt8]("é€😀\n".utf8) + [UInt8](repeating: 0xC3, count: count == 0 ? 0 : 1))
        check(Array(String(repeating: "aé€😀\"\\\n", count: count / 13).utf8))
    }

    @Test(arguments: 1...200 as ClosedRange<UInt64>) func anything(seed: UInt64) {
        var dice = Dice(seed: seed)
        let kinds: [ClosedRange<UInt32>] = [0...0x7F, 0x20...0x7E, 0x80...0x7FF, 0x800...0xD7FF, 0xE000...0x10FFFF]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...400, using: &dice) {
            let kind = kinds.randomElement(using: &dice) ?? kinds[0]
            for _ in 0..<Int.random(in: 1...20, using: &dice) {
                if let scalar = Unicode.Scalar(UInt32.random(in: kind, using: &dice)) { text.append(scalar) }
            }
        }
        var data = Array(String(text).utf8)
        check(data)
        for _ in 0..<3 where !data.isEmpty {
            data[Int.random(in: 0..<data.count, using: &dice)] = UInt8.random(in: 0...255, using: &dice)
            check(data)
        }
    }
}
