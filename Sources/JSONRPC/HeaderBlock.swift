// SPDX-License-Identifier: Apache-2.0
import JSON

/// The headers of one message while they come in (base protocol of the Language Server Protocol 3.17).
///
/// Lenient where clients differ: names in any case, spaces around the value, LF without CR, further headers. Strict
/// where a guess would cut the stream at the wrong place: the length.
struct HeaderBlock: Sendable {
    /// The longest header line, its end not counted. Lines are dropped once read, so their number needs no limit.
    static let maximumLine = 4096

    private var line: [UInt8] = []
    private var number = 1
    private var contentLength: Int?

    /// Takes a piece of a line.
    mutating func append(_ piece: UnsafeRawBufferPointer) throws(RPCError) {
        // One more for a CR that is not known yet to be the line's end.
        guard line.count + piece.count <= Self.maximumLine + 1 else {
            throw error("a header line is longer than \(Self.maximumLine) bytes")
        }
        line.append(contentsOf: piece)
    }

    /// Ends the line; returns the length of the body if it was the blank line that ends the block.
    mutating func endLine() throws(RPCError) -> Int? {
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard line.count <= Self.maximumLine else {
            throw error("a header line is longer than \(Self.maximumLine) bytes")
        }
        if line.isEmpty {
            guard let contentLength else { throw error("no Content-Length header") }
            return contentLength
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw error("a header line without a colon") }
        if isContentLength(trimmed(line[..<colon])) {
            try setContentLength(trimmed(line[(colon + 1)...]))
        }
        line.removeAll(keepingCapacity: true)
        number += 1
        return nil
    }

    private mutating func setContentLength(_ digits: ArraySlice<UInt8>) throws(RPCError) {
        guard (1...18).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw error("Content-Length is not a number")
        }
        let length = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        guard contentLength == nil || contentLength == length else { throw error("two values of Content-Length") }
        contentLength = length
    }

    private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let start = bytes.drop(while: isBlank)
        let end = start.lastIndex { !isBlank($0) }
        return end.map { start[...$0] } ?? []
    }

    private func isContentLength(_ name: ArraySlice<UInt8>) -> Bool {
        name.lazy.map { isLetter($0) ? $0 | 0x20 : $0 }.elementsEqual("content-length".utf8)
    }

    func error(_ message: String) -> RPCError {
        .parseError(JSONSyntaxError(line: number, column: line.count, offset: line.count, message: message))
    }
}

/// Space, tab, CR, LF: the white space of JSON.
func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
}

func isLetter(_ byte: UInt8) -> Bool {
    (0x61...0x7A).contains(byte | 0x20)
}
