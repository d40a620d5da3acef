// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC

/// What streams hold, read to the ends they had and merged in the order in which it came.
struct LogHistory {
    /// One stream, and what was read of it and not told yet.
    private struct Lane {
        let cursor: LogCursor
        var pieces: ArraySlice<LogPiece> = []
    }

    private let client: Client
    private let timestamps: Bool

    init(_ client: Client, timestamps: Bool) {
        self.client = client
        self.timestamps = timestamps
    }

    func drain(_ cursors: [LogCursor], into sink: inout LogSink) throws(Failure) {
        let wantsArrivals = timestamps || cursors.count > 1
        var lanes = cursors.map { Lane(cursor: $0) }
        while true {
            for index in lanes.indices where lanes[index].pieces.isEmpty {
                try fill(&lanes[index], wantsArrivals)
            }
            let next = lanes.indices.filter { !lanes[$0].pieces.isEmpty }.min { isBefore(lanes[$0], lanes[$1]) }
            guard let next, let piece = lanes[next].pieces.popFirst() else { return }
            try sink.take(piece)
        }
    }

    private func fill(_ lane: inout Lane, _ wantsArrivals: Bool) throws(Failure) {
        let cursor = lane.cursor
        while lane.pieces.isEmpty, cursor.offset < cursor.end {
            let id = try client.send("read", cursor.params(until: cursor.end, arrivals: wantsArrivals))
            let chunk = try client.answer(to: id)
            lane.pieces = LogPiece.pieces(of: chunk, cursor)[...]
            guard let next = chunk["next_offset"]?.integer, next > cursor.offset else { return }
            cursor.offset = next
        }
    }

    /// Of one process the order is known; of several only the time.
    private func isBefore(_ one: Lane, _ other: Lane) -> Bool {
        guard let first = one.pieces.first, let second = other.pieces.first else { return false }
        if one.cursor.process == other.cursor.process { return first.order < second.order }
        return (first.at ?? 0) < (second.at ?? 0)
    }
}
