// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC

/// Where reading one stream stands.
final class LogCursor {
    let process: JSONValue
    let stream: StreamName
    /// What the record said: the oldest byte kept, and how many there were.
    let start: Int64
    let end: Int64
    var offset: Int64 = 0

    init(process: JSONValue, stream: StreamName, state: JSONValue) {
        self.process = process
        self.stream = stream
        start = state["start"]?.integer ?? 0
        end = state["end"]?.integer ?? 0
    }

    /// `until`: no byte from there on.
    func params(until: Int64, arrivals: Bool = false) -> JSONValue {
        .object([
            "process": process, "stream": .string(stream.rawValue), "offset": .integer(offset),
            "limit": .integer(min(262_144, max(1, until - offset))),
            // The server holds half a character back for up to 100 ms.
            "timeout_ms": 200, "arrivals": arrivals ? .boolean(true) : .none,
        ])
    }

    /// Goes to where the last `count` lines begin: back through windows that double.
    func seek(lines count: Int, _ client: Client) throws(Failure) {
        var window: Int64 = 16_384
        while true {
            let from = max(start, end - window)
            let bytes = try read(from..<end, client)
            // A newline at the very end ends the last line; it does not begin another.
            var wanted = bytes.last == UInt8(ascii: "\n") ? count + 1 : count
            var index = bytes.count
            while wanted > 0, let newline = bytes[..<index].lastIndex(of: UInt8(ascii: "\n")) {
                index = newline
                wanted -= 1
            }
            if wanted == 0 || from == start {
                offset = wanted == 0 ? end - Int64(bytes.count) + Int64(index) + (index < bytes.count ? 1 : 0) : from
                return
            }
            window *= 2
        }
    }

    private func read(_ range: Range<Int64>, _ client: Client) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        offset = range.lowerBound
        while offset < range.upperBound {
            let id = try client.send("read", params(until: range.upperBound))
            let chunk = try client.answer(to: id)
            let next = chunk["next_offset"]?.integer ?? range.upperBound
            if chunk["gap"] != nil { bytes = [] } else { bytes += StreamData.bytes(of: chunk) }
            if next <= offset { break }
            offset = next
        }
        return Array(bytes.prefix(Int(range.upperBound - range.lowerBound)))
    }
}

/// A piece of a stream that came at one time, or what is missing of it.
struct LogPiece {
    enum Content {
        case bytes([UInt8])
        case gap(Int64)
    }

    let process: JSONValue
    let stream: String
    let offset: Int64
    let content: Content
    /// Unix milliseconds; nil: not known.
    let at: Int64?
    /// Its place among those of the process.
    let order: Int64
    /// The answer that it came with, on its first piece.
    let answer: JSONValue?

    init(
        _ process: JSONValue, _ stream: String, _ offset: Int64, _ content: Content, at: Int64?, order: Int64 = 0,
        answer: JSONValue? = nil
    ) {
        self.process = process
        self.stream = stream
        self.offset = offset
        self.content = content
        self.at = at
        self.order = order
        self.answer = answer
    }

    /// An answer of `read`, taken apart by its arrivals.
    static func pieces(of chunk: JSONValue, _ cursor: LogCursor) -> [LogPiece] {
        let (process, stream) = (cursor.process, cursor.stream.rawValue)
        let offset = chunk["offset"]?.integer ?? cursor.offset
        if let gap = chunk["gap"] {
            let content = Content.gap(gap["length"]?.integer ?? 0)
            return [LogPiece(process, stream, gap["offset"]?.integer ?? offset, content, at: nil, answer: chunk)]
        }
        let bytes = StreamData.bytes(of: chunk)
        var starts = (chunk["arrivals"]?.elements ?? []).map { entry in
            (Int((entry["offset"]?.integer ?? 0) - offset), entry["at"]?.integer, entry["order"]?.integer ?? 0)
        }
        if starts.first?.0 != 0 { starts.insert((0, nil, 0), at: 0) }
        return starts.indices.compactMap { index in
            let (start, at, order) = starts[index]
            let end = index + 1 < starts.count ? starts[index + 1].0 : bytes.count
            guard start >= 0, start < end, end <= bytes.count else { return nil }
            return LogPiece(
                process, stream, offset + Int64(start), .bytes(Array(bytes[start..<end])), at: at, order: order,
                answer: index == 0 ? .some(chunk) : .none)
        }
    }
}
