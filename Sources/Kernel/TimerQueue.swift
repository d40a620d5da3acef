// SPDX-License-Identifier: Apache-2.0
import HeapModule

/// A deadline in an `EventLoop`; identity only.
@MainActor
public final class Timer {
    fileprivate let deadline: Int64
    fileprivate let order: UInt64
    fileprivate var action: (@MainActor () -> Void)?
    fileprivate var queued = true

    /// Runs the action, unless it was cancelled.
    func fire() {
        let action = self.action
        self.action = nil
        action?()
    }

    fileprivate init(deadline: Int64, order: UInt64, action: @escaping @MainActor () -> Void) {
        self.deadline = deadline
        self.order = order
        self.action = action
    }
}

/// Deadlines, the earliest first; those of the same millisecond in the order they were set.
///
/// A cancelled timer stays in the heap as an empty shell until its time comes or the shells are the majority:
/// that keeps both setting and cancelling cheap, and nearly every timer of a process server is cancelled.
@MainActor
struct TimerQueue {
    private struct Entry: Comparable {
        let deadline: Int64
        let order: UInt64
        let timer: Timer

        static func < (left: Entry, right: Entry) -> Bool {
            (left.deadline, left.order) < (right.deadline, right.order)
        }
        static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
    }

    private var heap = Heap<Entry>()
    private var nextOrder: UInt64 = 0
    private var cancelled = 0

    var hasAny: Bool { !heap.isEmpty }

    mutating func add(at deadline: Int64, _ action: @escaping @MainActor () -> Void) -> Timer {
        nextOrder += 1
        let timer = Timer(deadline: deadline, order: nextOrder, action: action)
        heap.insert(Entry(deadline: deadline, order: nextOrder, timer: timer))
        return timer
    }

    mutating func cancel(_ timer: Timer) {
        guard timer.action != nil else { return }
        timer.action = nil
        guard timer.queued else { return }
        cancelled += 1
        if cancelled > 64, cancelled > heap.count / 2 {
            heap = Heap(heap.unordered.filter { $0.timer.action != nil })
            cancelled = 0
        }
    }

    /// For epoll_wait(2): -1 when nothing is set, never early.
    mutating func millisecondsToNext(now: Int64) -> Int32 {
        while let first = heap.min, first.timer.action == nil {
            heap.removeMin()
            cancelled -= 1
        }
        guard let first = heap.min else { return -1 }
        return Int32(clamping: max(0, first.deadline - now))
    }

    /// Takes out what is due, the earliest first. What its actions set waits for the next round.
    mutating func takeDue(now: Int64) -> [Timer] {
        var due: [Timer] = []
        while let first = heap.min, first.deadline <= now {
            heap.removeMin()
            first.timer.queued = false
            if first.timer.action == nil { cancelled -= 1 } else { due.append(first.timer) }
        }
        return due
    }
}
