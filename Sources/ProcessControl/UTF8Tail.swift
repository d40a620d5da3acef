// SPDX-License-Identifier: Apache-2.0

/// The unfinished character at the end of a piece of text. RFC 3629, section 3.
enum UTF8Tail {
    /// So many bytes at the end are enough to tell.
    static let longest = 3

    /// How many bytes at the end are the beginning of a character whose rest is missing: 0 to 3.
    static func length(of bytes: [UInt8]) -> Int {
        for back in 1...longest where back <= bytes.count {
            let byte = bytes[bytes.count - back]
            if byte & 0b1100_0000 == 0b1000_0000 { continue }
            let needed =
                switch byte {
                case 0xC2...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xF4: 4
                default: 1
                }
            return needed > back ? back : 0
        }
        return 0
    }
}
