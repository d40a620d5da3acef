// SPDX-License-Identifier: Apache-2.0

/// Takes a stream of bytes apart into messages, in either framing.
///
/// A message longer than the maximum is skipped without being kept; its failure comes when it ends, so that
/// `endOffset` is exact for it too.
public struct MessageReader: Sendable {
    public enum Event: Sendable {
        /// A whole message without its framing.
        case message([UInt8])
        /// No message; after a fatal one the stream has no further events.
        case failure(RPCError, fatal: Bool)
    }

    private var scanner: MessageScanner
    /// From `head`: what the scanner asks to retain, up to `scanned`; then what it has not seen yet.
    private var buffer: [UInt8] = []
    private var head = 0
    private var scanned = 0
    /// Absolute offset in the stream of the buffer's end, of the end of what was scanned between messages or returned.
    private var pushedOffset = 0
    private var returnedOffset = 0

    /// The framing is told from the first byte that is not blank if it is not given: "C" or "c", as of Content-Length,
    /// means headers; no JSON text begins so.
    public init(maximumLength: Int = 16 << 20, framing: Framing? = nil) {
        scanner = MessageScanner(maximumLength: maximumLength, framing: framing)
    }

    /// How messages are framed, once that is known.
    public var framing: Framing? {
        scanner.framing
    }

    /// How many bytes were pushed and are not part of a returned event, those of a message being skipped included.
    /// Blanks between messages stop counting once `next` has passed them.
    public var bufferedBytes: Int {
        pushedOffset - returnedOffset
    }

    /// Adds the next bytes of the stream.
    public mutating func push(_ input: UnsafeRawBufferPointer) {
        // Moving at most as many bytes as were taken since the last move keeps the whole linear.
        if head > buffer.count / 2 {
            buffer.removeSubrange(..<head)
            scanned -= head
            head = 0
        }
        buffer.append(contentsOf: input)
        pushedOffset += input.count
    }

    /// The next event; `nil` if more bytes are needed.
    ///
    /// `endOffset` counts from the start of the stream to just past the message, its framing included.
    public mutating func next() -> (event: Event, endOffset: Int)? {
        guard scanned < buffer.count else { return nil }
        let (count, outcome) = buffer.withUnsafeBytes { bytes in
            scanner.advance(over: UnsafeRawBufferPointer(rebasing: bytes[scanned...]))
        }
        scanned += count
        return take(outcome)
    }

    /// Call at the end of the input, again until it returns `nil`: a last line needs no newline, a message that is
    /// cut within its headers or its body is a failure.
    public mutating func finish() -> (event: Event, endOffset: Int)? {
        if let event = next() { return event }
        guard let outcome = scanner.finish() else { return nil }
        return take(outcome)
    }

    /// How many of the bytes that follow those pushed belong to the message now being read, blanks before it included,
    /// and whether it ends with them; 0 and true if `next` would return it already. Changes nothing: meant for a peek
    /// at what a socket holds.
    public func extent(of input: UnsafeRawBufferPointer) -> (count: Int, complete: Bool) {
        var scanner = self.scanner
        if scanned < buffer.count {
            let pending = buffer.withUnsafeBytes { bytes in
                scanner.advance(over: UnsafeRawBufferPointer(rebasing: bytes[scanned...])).outcome
            }
            guard case .more = pending else { return (0, true) }
        }
        let (count, outcome) = scanner.advance(over: input)
        if case .more = outcome { return (count, false) }
        return (count, true)
    }

    private mutating func take(_ outcome: MessageScanner.Outcome) -> (event: Event, endOffset: Int)? {
        let event: Event?
        switch outcome {
        case .more:
            event = nil
        case .message(let length, let trailer):
            event = .message(body(length: length, trailer: trailer))
        case .oversized:
            event = .failure(.limitReached("message_bytes", maximum: scanner.maximumLength), fatal: false)
        case .malformed(let error):
            event = .failure(error, fatal: true)
        }
        drop(keeping: scanner.retained)
        let endOffset = pushedOffset - (buffer.count - scanned)
        if event != nil || scanner.isBetweenMessages { returnedOffset = endOffset }
        return event.map { ($0, endOffset) }
    }

    private func body(length: Int, trailer: Int) -> [UInt8] {
        let end = scanned - trailer
        var body = buffer[(end - length)..<end]
        if scanner.framing == .lines, body.last == UInt8(ascii: "\r") { body.removeLast() }
        return Array(body)
    }

    /// Forgets what was scanned but for its last bytes; memory that a large message needed is given back.
    private mutating func drop(keeping retained: Int) {
        head = scanned - retained
        guard head == buffer.count else { return }
        buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 16)
        head = 0
        scanned = 0
    }
}
