// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import JSONRPC

/// Where reading one stream stands.
final class LogCursor {
    let process: JSONValue
    let stream: Logs.StreamName
    /// What the record said: the oldest byte kept, and how many there were.
    let start: Int64
    let end: Int64
    var offset: Int64 = 0

    init(process: JSONValue, stream: Logs.StreamName, state: JSONValue) {
        self.process = process
        self.stream = stream
        start = state["start"]?.integer ?? 0
        end = state["end"]?.integer ?? 0
    }

    func params(timeout: Int64) -> JSONValue {
        .object([
            "process": process, "stream": .string(stream.rawValue), "offset": .integer(offset),
            "limit": .integer(262_144), "timeout_ms": .integer(timeout),
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
            let id = try client.send("read", params(timeout: 200))
            let chunk = try client.answer(to: id)
            let next = chunk["next_offset"]?.integer ?? range.upperBound
            if chunk["gap"] != nil { bytes = [] } else { bytes += LogReader.data(chunk) }
            if next <= offset { break }
            offset = next
        }
        return Array(bytes.prefix(Int(range.upperBound - range.lowerBound)))
    }
}

/// Reads streams and writes what they say.
struct LogReader {
    /// How long the server holds a read that finds nothing.
    private static let patience: Int64 = 30_000

    private let client: Client
    private let asJSON: Bool

    init(_ client: Client, asJSON: Bool) {
        self.client = client
        self.asJSON = asJSON
    }

    /// All there was when the record was taken.
    func drain(_ cursor: LogCursor) throws(Failure) {
        while cursor.offset < cursor.end {
            // The server holds half a character back for up to 100 ms.
            let id = try client.send("read", cursor.params(timeout: 200))
            let before = cursor.offset
            if try take(try client.answer(to: id), cursor) || cursor.offset == before { return }
        }
    }

    /// A read under way on each stream, until all have ended.
    func follow(_ cursors: [LogCursor]) throws(Failure) {
        let writesOutput = asJSON || cursors.contains { $0.stream == .stdout }
        let output = writesOutput ? STDOUT_FILENO : STDERR_FILENO
        var reading: [RequestID: LogCursor] = [:]
        for cursor in cursors { reading[try request(cursor)] = cursor }
        while !reading.isEmpty {
            guard case .response(let id, let result) = try nextMessage(output: output),
                let cursor = reading.removeValue(forKey: id)
            else {
                continue
            }
            switch result {
            case .failure(let error): throw Failure(error)
            case .success(let chunk):
                if try !take(chunk, cursor) { reading[try request(cursor)] = cursor }
            }
        }
    }

    private func request(_ cursor: LogCursor) throws(Failure) -> RequestID {
        try client.send("read", cursor.params(timeout: Self.patience))
    }

    /// Also ends when nobody reads what we write any more: `logs -f | head` must not hang on a silent process.
    private func nextMessage(output: CInt) throws(Failure) -> ServerMessage {
        while true {
            if let message = try client.buffered() { return message }
            var watched = [client.descriptor, output].map { pollfd(fd: $0, events: 0, revents: 0) }
            watched[0].events = Int16(POLLIN)
            poll(&watched, 2, -1)
            if watched[1].revents & Int16(POLLERR) != 0 { exit(Status.brokenPipe) }
            if watched[0].revents != 0 { try client.receive() }
        }
    }

    /// Writes one answer. True when the stream has ended.
    private func take(_ chunk: JSONValue, _ cursor: LogCursor) throws(Failure) -> Bool {
        if let next = chunk["next_offset"]?.integer { cursor.offset = next }
        if asJSON {
            try Output.write(chunk.serialized + [UInt8(ascii: "\n")])
        } else if let gap = chunk["gap"], let length = gap["length"]?.integer, let from = gap["offset"]?.integer {
            Output.complain("procctl: gap: \(length) bytes of \(cursor.stream.rawValue) from byte \(from) are lost")
        } else {
            try Output.write(Self.data(chunk), to: cursor.stream.descriptor)
        }
        return chunk["end"]?.boolean == true
    }

    static func data(_ chunk: JSONValue) -> [UInt8] {
        chunk["text"]?.utf8 ?? chunk["base64"]?.utf8.flatMap { Base64.decode($0) } ?? []
    }
}
