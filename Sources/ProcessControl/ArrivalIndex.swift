// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// When the output of a process came, and in which order on its streams: coarse, so that it costs next to nothing.
///
/// An entry is made when the other stream has said something since the last one, or 4 KiB or 10 ms have passed.
public struct ArrivalIndex {
    public struct Entry: Equatable, Sendable {
        /// The first byte that came then.
        public let offset: Int
        /// Milliseconds since 1970.
        public let at: Int64
        /// Later than all entries of the process with a lower one, on whichever stream.
        public let order: Int
    }

    private var entries = Deque<Entry>()
    private static let most = 4096
    private static let bytes = 4096
    private static let pause: Int64 = 10

    /// Bytes have come at `offset`.
    mutating func add(offset: Int, at: Int64, order: ArrivalOrder, stream: ObjectIdentifier) {
        if let last = entries.last, order.last == stream, offset - last.offset < Self.bytes,
            at - last.at < Self.pause
        {
            return
        }
        order.last = stream
        order.next += 1
        entries.append(Entry(offset: offset, at: at, order: order.next))
        if entries.count > Self.most { entries.removeFirst() }
    }

    /// The bytes before `start` are gone; the entry that covers it stays.
    mutating func forget(before start: Int) {
        while entries.count > 1, entries[1].offset <= start { entries.removeFirst() }
    }

    /// The entries of a stretch: that which covers its beginning, and those that begin in it.
    func entries(from start: Int, to end: Int) -> [Entry] {
        entries[covering(start)...].prefix { $0.offset < end }.map { $0 }
    }

    /// The order of the entry that covers a byte.
    func order(at offset: Int) -> Int { entries.isEmpty ? 0 : entries[covering(offset)].order }

    /// The last entry at or before `offset`, else the first.
    private func covering(_ offset: Int) -> Int {
        var (low, high) = (0, entries.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if entries[middle].offset <= offset { low = middle } else { high = middle }
        }
        return low
    }
}

/// The order in which a process's streams have spoken; they share one.
final class ArrivalOrder {
    var next = 0
    var last: ObjectIdentifier?
}
