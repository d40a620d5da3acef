// SPDX-License-Identifier: Apache-2.0
import JSON

/// Command-line words as text that keeps every byte.
///
/// An argument of Linux is any bytes but NUL; a `String` is not. A byte 0x80–0xFF that is not part of valid UTF-8
/// becomes the private-use scalar U+10FF00 + byte, and comes back as that byte. Text that holds such a scalar by
/// itself has its four bytes mapped one by one, so that the mapping is exact both ways.
enum ExactText {
    private static let base: UInt32 = 0x10FF00
    private static let carriers: ClosedRange<UInt32> = 0x10FF80...0x10FFFF

    /// This process's arguments, the command's own name left out.
    static func commandLine() -> [String] {
        let count = Int(CommandLine.argc)
        return (1..<max(count, 1)).compactMap { index in
            CommandLine.unsafeArgv[index].map { word in
                text(
                    UnsafeBufferPointer(
                        start: UnsafeRawPointer(word).assumingMemoryBound(to: UInt8.self), count: length(word)))
            }
        }
    }

    static func text(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        // 0xF4 begins every scalar of the last plane, the carriers among them.
        if !bytes.contains(0xF4), let plain = String(validating: bytes, as: UTF8.self) { return plain }
        var result = String.UnicodeScalarView()
        var parser = Unicode.UTF8.ForwardParser()
        var input = bytes.makeIterator()
        var position = 0
        while true {
            switch parser.parseScalar(from: &input) {
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                if carriers.contains(scalar.value) {
                    for byte in encoded { append(byte, to: &result) }
                } else {
                    result.append(scalar)
                }
                position += encoded.count
            case .error(let length):
                for byte in bytes[position..<position + length] { append(byte, to: &result) }
                position += length
            case .emptyInput:
                return String(result)
            }
        }
    }

    static func bytes(of text: String) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            if carriers.contains(scalar.value) {
                result.append(UInt8(scalar.value - base))
            } else {
                result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        return result
    }

    /// The wire's form: a string, or `{"base64": …}` for what is not UTF-8.
    static func json(_ text: String) -> JSONValue {
        JSONValue.bytes(bytes(of: text))
    }

    private static func append(_ byte: UInt8, to scalars: inout String.UnicodeScalarView) {
        if let scalar = Unicode.Scalar(base + UInt32(byte)) { scalars.append(scalar) }
    }

    private static func length(_ word: UnsafePointer<CChar>) -> Int {
        var count = 0
        while word[count] != 0 { count += 1 }
        return count
    }
}
