// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON

/// Finds where messages end, without keeping them: all it remembers is counters and a part of one header line.
///
/// Each byte is looked at once, whatever pieces the stream comes in.
struct MessageScanner: Sendable {
    enum Outcome {
        /// The input is used up, the message goes on.
        case more
        /// The message ended: its body is `length` bytes before the last `trailer` ones that were scanned.
        case message(length: Int, trailer: Int)
        /// A message longer than the maximum ended.
        case oversized
        /// What follows cannot be made sense of.
        case malformed(RPCError)
    }

    private enum State {
        case betweenMessages
        case line(length: Int)
        case headers(HeaderBlock)
        case body(length: Int, seen: Int)
        case dead
    }

    let maximumLength: Int
    private(set) var framing: Framing?
    private var state = State.betweenMessages

    init(maximumLength: Int, framing: Framing?) {
        self.maximumLength = maximumLength
        self.framing = framing
    }

    /// How many of the bytes scanned last are needed when the message ends.
    var retained: Int {
        switch state {
        case .line(let length): length <= maximumLength ? length : 0
        case .body(let length, let seen): length <= maximumLength ? seen : 0
        case .betweenMessages, .headers, .dead: 0
        }
    }

    /// No byte of a message has been seen since the last one ended.
    var isBetweenMessages: Bool {
        if case .betweenMessages = state { true } else { false }
    }

    /// Scans up to the end of the message or of the input, and says how far it came.
    mutating func advance(over input: UnsafeRawBufferPointer) -> (count: Int, outcome: Outcome) {
        var position = 0
        while true {
            let rest = UnsafeRawBufferPointer(rebasing: input[position...])
            let (count, outcome) = step(over: rest)
            position += count
            switch outcome {
            case nil where position == input.count && !isBodyComplete:
                return (position, .more)
            case nil:
                continue
            case .malformed(let error):
                state = .dead
                return (position, .malformed(error))
            case let outcome?:
                state = .betweenMessages
                return (position, outcome)
            }
        }
    }

    /// A body may be complete with no byte of it to come: `Content-Length: 0`.
    private var isBodyComplete: Bool {
        if case .body(let length, let seen) = state { length == seen } else { false }
    }

    private mutating func step(over input: UnsafeRawBufferPointer) -> (count: Int, outcome: Outcome?) {
        switch state {
        case .betweenMessages: return (skipBlanks(input), nil)
        case .line(let length): return scanLine(input, length: length)
        case .headers(let block): return scanHeaders(input, block)
        case .body(let length, let seen): return scanBody(input, length: length, seen: seen)
        case .dead: return (input.count, nil)
        }
    }

    /// Blank lines, and the ends of line that some clients put behind a body, belong to no message.
    private mutating func skipBlanks(_ input: UnsafeRawBufferPointer) -> Int {
        guard let start = input.firstIndex(where: { !isBlank($0) }) else { return input.count }
        let framing = self.framing ?? (input[start] | 0x20 == UInt8(ascii: "c") ? .headers : .lines)
        self.framing = framing
        state = framing == .lines ? .line(length: 0) : .headers(HeaderBlock())
        return start
    }

    private mutating func scanLine(
        _ input: UnsafeRawBufferPointer, length: Int
    ) -> (count: Int, outcome: Outcome?) {
        guard let newline = input.firstNewline else {
            state = .line(length: length + input.count)
            return (input.count, nil)
        }
        let total = length + newline
        return (newline + 1, total <= maximumLength ? .message(length: total, trailer: 1) : .oversized)
    }

    private mutating func scanHeaders(
        _ input: UnsafeRawBufferPointer, _ block: HeaderBlock
    ) -> (count: Int, outcome: Outcome?) {
        var block = block
        let newline = input.firstNewline
        let piece = UnsafeRawBufferPointer(rebasing: input[..<(newline ?? input.count)])
        do throws(RPCError) {
            try block.append(piece)
            guard newline != nil else {
                state = .headers(block)
                return (input.count, nil)
            }
            if let length = try block.endLine() {
                state = .body(length: length, seen: 0)
            } else {
                state = .headers(block)
            }
            return (piece.count + 1, nil)
        } catch {
            return (newline.map { $0 + 1 } ?? input.count, .malformed(error))
        }
    }

    private mutating func scanBody(
        _ input: UnsafeRawBufferPointer, length: Int, seen: Int
    ) -> (count: Int, outcome: Outcome?) {
        let count = min(input.count, length - seen)
        guard seen + count == length else {
            state = .body(length: length, seen: seen + count)
            return (count, nil)
        }
        return (count, length <= maximumLength ? .message(length: length, trailer: 0) : .oversized)
    }

    /// The stream ended. `nil` if it did so between messages; a line needs no newline then.
    mutating func finish() -> Outcome? {
        defer { state = .dead }
        switch state {
        case .betweenMessages, .dead:
            return nil
        case .line(let length):
            return length <= maximumLength ? .message(length: length, trailer: 0) : .oversized
        case .headers(let block):
            return .malformed(block.error("the input ends within the headers"))
        case .body(let length, let seen):
            let missing = "the input ends \(length - seen) bytes before the end of the message"
            return .malformed(.parseError(JSONSyntaxError(line: 1, column: 0, offset: seen, message: missing)))
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate var firstNewline: Int? {
        guard let baseAddress, let found = memchr(baseAddress, 0x0A, count) else { return nil }
        return UnsafeRawPointer(found) - baseAddress
    }
}
