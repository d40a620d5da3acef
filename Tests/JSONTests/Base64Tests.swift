// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

@Suite struct Base64Tests {
    /// RFC 4648 section 10, and the whole alphabet.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"), ("\0\u{10}\u{3}", "ABAD"), ("\0", "AA=="),
    ])
    func vectors(text: String, encoded: String) {
        #expect(Base64.encode(text.utf8) == Array(encoded.utf8))
        #expect(Base64.decode(encoded.utf8) == Array(text.utf8))
    }

    @Test func everyLengthThereAndBack() {
        for length in 0...300 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 197 + length) }
            let encoded = Base64.encode(bytes)
            #expect(encoded.count == (length + 2) / 3 * 4)
            #expect(Base64.decode(encoded) == bytes)
        }
    }

    @Test func everyByteIsADigitOrRefused() {
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for byte in UInt8.min ... .max {
            #expect((Base64.decode([byte, 0x41, 0x41, 0x41]) != nil) == alphabet.contains(byte))
        }
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zm9", "=", "==", "====", "Z===", "Zg==Zg==", "Zg=g", "=Zg=", "Zm9v\n", "Zm9 v", "Zm9v====",
        "Zh==", "Zm9=", "_-8=", "Zm9vYg===", "Zg==\n\n\n\n",
    ])
    func anythingElseIsRefused(text: String) {
        #expect(Base64.decode(text.utf8) == nil)
    }
}
