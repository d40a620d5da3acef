// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ProcessControl

@Suite struct UTF8TailTests {
    @Test(
        arguments: [
            ([], 0), ([0x41], 0), ([0xC3], 1), ([0x41, 0xC3], 1), ([0xC3, 0xA9], 0), ([0xE2], 1), ([0xE2, 0x82], 2),
            ([0xE2, 0x82, 0xAC], 0), ([0xF0], 1), ([0xF0, 0x9F], 2), ([0xF0, 0x9F, 0x98], 3),
            ([0xF0, 0x9F, 0x98, 0x80], 0), ([0xC3, 0xA9, 0xF0, 0x9F], 2),
            // What no further byte makes a character of.
            ([0x80], 0), ([0x80, 0x80, 0x80, 0x80], 0), ([0xC0], 0), ([0xC1], 0), ([0xF5], 0), ([0xFF], 0),
            ([0xC3, 0xA9, 0xA9], 0), ([0xE2, 0x82, 0xAC, 0x80], 0), ([0xFF, 0x80], 0), ([0xC3, 0x41], 0),
        ] as [([UInt8], Int)])
    func isWhatIsMissing(_ bytes: [UInt8], _ length: Int) {
        #expect(UTF8Tail.length(of: bytes) == length)
    }

    /// Wherever a text is cut: without its tail it is UTF-8 again, and the tail is of one character.
    @Test func aTextCutAnywhere() {
        let text = Array("a\u{7F}é\u{7FF}€\u{FFFD}😀\u{10FFFF}z".utf8)
        for cut in 0...text.count {
            let piece = Array(text[..<cut])
            let whole = piece.dropLast(UTF8Tail.length(of: piece))
            #expect(Array(String(decoding: whole, as: UTF8.self).utf8) == Array(whole))
            #expect(piece.count - whole.count <= 3)
        }
    }
}
