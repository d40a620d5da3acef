// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Kernel

/// What happens to a process, as subscribers hear of it.
public enum ProcessEvent: Equatable {
    case started
    case stopped(signal: Int32)
    case continued
    case exited
    case drained
    /// Another program runs in it; from where on each stream's output is that program's.
    case replaced(offsets: [String: Int])

    /// Its name, as subscribers ask for it.
    public var name: String {
        switch self {
        case .started: "started"
        case .stopped: "stopped"
        case .continued: "continued"
        case .exited: "exited"
        case .drained: "drained"
        case .replaced: "replaced"
        }
    }

    /// All there are, output besides.
    public static let names = ["started", "output", "stopped", "continued", "exited", "drained", "replaced"]
}

/// One subscriber's place in the life of one process: a cursor in each stream, and the events still to be told, each
/// behind the output that was there before it. Nothing is copied for a subscriber; one that lags costs nothing but its
/// place, and finds a gap if the ring has moved on.
public final class Feed {
    public enum Item {
        case event(ProcessEvent)
        case output(stream: String, offset: Int, bytes: [UInt8])
        case gap(stream: String, offset: Int, length: Int)
    }

    private struct Cursor {
        let name: String
        let stream: CapturedStream
        var offset: Int
        /// Where a part of a character waits for its rest.
        var tail: Int?
        /// It does not wait any longer.
        var tailIsDue = false

        var holdsTail: Bool { tail == offset && !tailIsDue }
    }

    private struct Told {
        let event: ProcessEvent
        /// What each cursor must have passed first.
        let fences: [Int]
    }

    public let process: ManagedProcess
    /// Each byte is kept for it, and the program waits, as long as its stream is in block mode.
    public let isLossless: Bool
    private var cursors: [Cursor]
    private var events = Deque<Told>()
    private let wanted: Set<String>
    /// The subscriber is told that there may be something; it takes it when it likes.
    private let wake: (Feed) -> Void
    /// How many events are still to be told.
    public var eventsWaiting: Int { events.count }
    /// A part of a character at the end of a stream waits for its rest.
    public var holdsTail: Bool { cursors.contains { $0.holdsTail } }

    /// - Parameters:
    ///   - wanted: names of events, `output` among them.
    ///   - streams: which streams; nil: all that are captured.
    ///   - from: where to begin in a stream; nil: where it is now.
    ///   - isNew: the process comes into the world now. What it has already said is part of what comes.
    init(
        _ process: ManagedProcess, wanted: Set<String>, streams: Set<String>?, from: [String: Int]?, isNew: Bool,
        isLossless: Bool, wake: @escaping (Feed) -> Void
    ) {
        self.process = process
        self.wanted = wanted
        self.isLossless = isLossless
        self.wake = wake
        cursors = []
        guard wanted.contains("output") else { return }
        for (name, stream) in process.streams where streams?.contains(name) ?? true {
            let offset = from?[name] ?? (isNew ? 0 : stream.end)
            cursors.append(Cursor(name: name, stream: stream, offset: offset))
        }
        for cursor in cursors {
            cursor.stream.feeds[ObjectIdentifier(self)] = self
            if isLossless { cursor.stream.keep(from: cursor.offset, for: self) }
        }
    }

    /// Nothing more is told.
    public func end() {
        process.feeds[ObjectIdentifier(self)] = nil
        for cursor in cursors {
            cursor.stream.feeds[ObjectIdentifier(self)] = nil
            if isLossless { cursor.stream.keepNothing(for: self) }
        }
        cursors = []
        events = []
    }

    // MARK: From the process

    func tell(_ event: ProcessEvent) {
        if wanted.contains(event.name) {
            events.append(Told(event: event, fences: fences(before: event)))
        }
        wake(self)
    }

    private func fences(before event: ProcessEvent) -> [Int] {
        switch event {
        // Nothing comes before the start, though the program may have been quick.
        case .started: []
        // What the old program wrote may still be in a pipe whose ring is full.
        case .replaced(let offsets): cursors.map { offsets[$0.name] ?? $0.stream.end }
        case .stopped, .continued, .exited, .drained: cursors.map(\.stream.end)
        }
    }

    /// There is more output, or there will be no more.
    func streamChanged() { wake(self) }

    // MARK: To the subscriber

    /// The next thing to tell; nil when there is nothing now.
    public func next(limit: Int) -> Item? {
        if let first = events.first {
            for (index, fence) in first.fences.enumerated() where cursors[index].offset < fence {
                return output(index, limit: limit, fence: fence)
            }
            events.removeFirst()
            return .event(first.event)
        }
        // Its first words do not overtake its start.
        if process.state == .held { return nil }
        for index in withOutput() {
            if let item = output(index, limit: limit, fence: nil) { return item }
        }
        return nil
    }

    /// The cursors that have something before them, the one first whose came first: a stream that floods is not all
    /// that a slow subscriber hears.
    private func withOutput() -> [Int] {
        let indices = cursors.indices.filter { cursors[$0].offset < cursors[$0].stream.end }
        if indices.count < 2 { return indices }
        let orders = cursors.map { $0.stream.arrivalOrder(at: $0.offset) }
        return indices.sorted { orders[$0] < orders[$1] }
    }

    /// Whether everything has been told and nothing can follow.
    public var isFinished: Bool {
        events.isEmpty && process.isDrained && cursors.allSatisfy { $0.offset >= $0.stream.end }
    }

    /// What parts of characters waited for has not come in time.
    public func releaseTails() {
        for index in cursors.indices where cursors[index].holdsTail { cursors[index].tailIsDue = true }
        wake(self)
    }

    /// - Parameter fence: what is told ends there, so that what comes behind an event stays behind it.
    private func output(_ index: Int, limit: Int, fence: Int?) -> Item? {
        let cursor = cursors[index]
        let left = fence.map { $0 - cursor.offset } ?? Int.max
        switch cursor.stream.peek(at: cursor.offset, limit: min(limit, left)) {
        case .gap(let offset, let length):
            advance(index, to: offset + min(length, left))
            return .gap(stream: cursor.name, offset: offset, length: min(length, left))
        case .bytes(let offset, var count, let atEnd):
            let reachesEnd = offset + count == cursor.stream.end
            let tail = cursor.stream.tail(from: offset, count: count)
            if tail > 0, count < left, !(reachesEnd && (atEnd || cursor.tailIsDue)) {
                if tail < count {
                    count -= tail
                } else if reachesEnd {
                    cursors[index].tail = offset
                    return nil
                }
                // Else a limit so small that a character does not fit: it goes as bytes.
            }
            // Copied: to advance may free them.
            let bytes = cursor.stream.bytes(from: offset, count: count)
            advance(index, to: offset + count)
            return .output(stream: cursor.name, offset: offset, bytes: bytes)
        case nil: return nil
        }
    }

    private func advance(_ index: Int, to offset: Int) {
        cursors[index].offset = offset
        cursors[index].tail = nil
        cursors[index].tailIsDue = false
        if isLossless { cursors[index].stream.keep(from: offset, for: self) }
    }
}
