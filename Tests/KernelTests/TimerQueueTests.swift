// SPDX-License-Identifier: Apache-2.0
import Dice
import Testing

@testable import Kernel

@MainActor @Suite struct TimerQueueTests {
    /// The numbers of the timers that have fired.
    private final class Fired {
        var numbers: [Int] = []
    }

    private let fired = Fired()

    private func add(_ number: Int, at deadline: Int64, to queue: inout TimerQueue) -> Kernel.Timer {
        queue.add(at: deadline) { [fired] in fired.numbers.append(number) }
    }

    private func fire(_ queue: inout TimerQueue, now: Int64) -> [Int] {
        fired.numbers = []
        for timer in queue.takeDue(now: now) { timer.fire() }
        return fired.numbers
    }

    @Test func emptyItWaitsForEver() {
        var queue = TimerQueue()
        #expect(!queue.hasAny)
        #expect(queue.millisecondsToNext(now: 5) == -1)
        #expect(queue.takeDue(now: .max).isEmpty)
    }

    @Test func theEarliestFirstAndThoseOfOneTimeInTheirOrder() {
        var queue = TimerQueue()
        for (number, deadline) in [(1, 30), (2, 10), (3, 20), (4, 10), (5, 30), (6, 10)] as [(Int, Int64)] {
            _ = add(number, at: deadline, to: &queue)
        }
        #expect(fire(&queue, now: 9) == [])
        #expect(fire(&queue, now: 10) == [2, 4, 6])
        #expect(fire(&queue, now: 10) == [])
        #expect(fire(&queue, now: 1000) == [3, 1, 5])
        #expect(!queue.hasAny)
    }

    @Test func theTimeToTheNext() {
        var queue = TimerQueue()
        let first = add(1, at: 100, to: &queue)
        _ = add(2, at: 200, to: &queue)
        #expect(queue.millisecondsToNext(now: 40) == 60)
        #expect(queue.millisecondsToNext(now: 100) == 0)
        #expect(queue.millisecondsToNext(now: 170) == 0, "late")
        queue.cancel(first)
        #expect(queue.millisecondsToNext(now: 40) == 160)
    }

    @Test func aTimeFarAwayIsStillATime() {
        var queue = TimerQueue()
        _ = add(1, at: .max, to: &queue)
        #expect(queue.millisecondsToNext(now: 0) == .max)
        #expect(fire(&queue, now: .max - 1) == [])
        #expect(fire(&queue, now: .max) == [1])
    }

    @Test func whatIsCancelledDoesNotFire() {
        var queue = TimerQueue()
        let timers = (1...5).map { add($0, at: 10, to: &queue) }
        queue.cancel(timers[0])
        queue.cancel(timers[3])
        queue.cancel(timers[3])
        #expect(fire(&queue, now: 10) == [2, 3, 5])
        timers.forEach { queue.cancel($0) }
        #expect(queue.millisecondsToNext(now: 10) == -1)
    }

    /// One that is due may be cancelled by another that is due as well.
    @Test func whatIsTakenAndCancelledDoesNotFire() {
        var queue = TimerQueue()
        let timers = (1...3).map { add($0, at: 10, to: &queue) }
        let due = queue.takeDue(now: 10)
        queue.cancel(timers[1])
        for timer in due { timer.fire() }
        for timer in due { timer.fire() }
        #expect(fired.numbers == [1, 3], "each once")
    }

    @Test func onlyCancelledOnesAreNoReasonToWakeUp() {
        var queue = TimerQueue()
        for timer in (1...10).map({ add($0, at: 10, to: &queue) }) { queue.cancel(timer) }
        #expect(queue.millisecondsToNext(now: 0) == -1)
        #expect(!queue.hasAny)
    }

    /// What a cancelled timer would have called is let go of at once.
    @Test func cancellingLetsGoOfTheAction() {
        final class Something {}
        var queue = TimerQueue()
        weak var weakly: Something?
        var timer: Kernel.Timer?
        do {
            let something = Something()
            weakly = something
            timer = queue.add(at: 10) { withExtendedLifetime(something) {} }
        }
        #expect(weakly != nil)
        if let timer { queue.cancel(timer) }
        #expect(weakly == nil)
    }

    /// Random steps, against a list.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func saysWhatAListSays(_ seed: UInt64) {
        var dice = Dice(seed: seed)
        var queue = TimerQueue()
        var live: [(number: Int, deadline: Int64, timer: Kernel.Timer)] = []
        var now: Int64 = 0
        for number in 0..<1000 {
            switch Int.random(in: 0..<10, using: &dice) {
            case 0...4:
                let deadline = now + Int64.random(in: 0...50, using: &dice)
                live.append((number, deadline, add(number, at: deadline, to: &queue)))
            case 5...8:
                guard let victim = live.indices.randomElement(using: &dice) else { continue }
                queue.cancel(live.remove(at: victim).timer)
            default:
                now += Int64.random(in: 0...20, using: &dice)
                let due = live.filter { $0.deadline <= now }
                    .sorted { ($0.deadline, $0.number) < ($1.deadline, $1.number) }
                live.removeAll { $0.deadline <= now }
                #expect(fire(&queue, now: now) == due.map(\.number))
            }
            let next = live.map(\.deadline).min().map { Int32(max(0, $0 - now)) }
            #expect(queue.millisecondsToNext(now: now) == next ?? -1)
        }
    }
}
