// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ProcessControl

@Suite struct WaiterTests {
    /// What waiters have been answered with.
    private final class Answers {
        var outcomes: [(done: [Int], pending: [Int], timedOut: Bool)] = []

        func take(_ outcome: Waiter.Outcome) {
            outcomes.append((outcome.done.map(\.id), outcome.pending.map(\.id), outcome.timedOut))
        }
    }

    private let answers = Answers()

    private func waiter(
        _ processes: [ManagedProcess], _ mode: Waiter.Mode, until: Waiter.Until = .exited
    ) -> Waiter {
        Waiter(processes, mode: mode, until: until) { [answers] in answers.take($0) }
    }

    /// Ends a process and tells those who wait for it, as the supervisor does.
    private func end(_ process: ManagedProcess, _ exit: End = .code(0)) {
        process.end(exit)
        for waiter in Array(process.waiters.values) where waiter.take(process) { waiter.answer(timedOut: false) }
    }

    private func expect(
        _ done: [Int], pending: [Int], timedOut: Bool = false, _ place: SourceLocation = #_sourceLocation
    ) {
        #expect(answers.outcomes.count == 1, sourceLocation: place)
        #expect(answers.outcomes.last?.done == done, sourceLocation: place)
        #expect(answers.outcomes.last?.pending == pending, sourceLocation: place)
        #expect(answers.outcomes.last?.timedOut == timedOut, sourceLocation: place)
    }

    @Test(arguments: Waiter.Mode.allCases) func nothingToWaitForIsAnsweredAtOnce(_ mode: Waiter.Mode) {
        let waiter = waiter([], mode)
        #expect(waiter.begin())
        waiter.answer(timedOut: false)
        expect([], pending: [])
    }

    @Test func allIsAnsweredByTheLastInTheOrderOfTheEnds() {
        let processes = (1...4).map { makeProcess($0) }
        #expect(!waiter(processes, .all).begin())
        for index in [2, 0, 3] { end(processes[index], .code(1)) }
        #expect(answers.outcomes.isEmpty)
        end(processes[1], .signal(9, core: false))
        expect([3, 1, 4, 2], pending: [])
    }

    @Test func anyIsAnsweredByTheFirst() {
        let processes = (1...4).map { makeProcess($0) }
        #expect(!waiter(processes, .any).begin())
        end(processes[2])
        expect([3], pending: [1, 2, 4])
        end(processes[0])
        #expect(answers.outcomes.count == 1)
    }

    @Test(arguments: [.code(1), .code(255), .signal(9, core: false), .signal(11, core: true)] as [End])
    func firstFailureIsAnsweredByAFailure(_ exit: End) {
        let processes = (1...4).map { makeProcess($0) }
        #expect(!waiter(processes, .firstFailure).begin())
        end(processes[3])
        end(processes[0])
        #expect(answers.outcomes.isEmpty)
        end(processes[1], exit)
        expect([4, 1, 2], pending: [3])
    }

    @Test func firstFailureWithoutOneIsAll() {
        let processes = (1...3).map { makeProcess($0) }
        #expect(!waiter(processes, .firstFailure).begin())
        for process in processes { end(process) }
        expect([1, 2, 3], pending: [])
    }

    @Test func thoseThatHaveEndedCountAtOnce() {
        let processes = (1...4).map { makeProcess($0) }
        processes[1].end(.code(3))
        processes[3].end()
        #expect(waiter([processes[1], processes[3]], .all).begin())
        #expect(waiter(processes, .any).begin())
        #expect(waiter(processes, .firstFailure).begin())
        #expect(!waiter([processes[0], processes[3]], .firstFailure).begin())
        #expect(!waiter(processes, .all).begin())
    }

    @Test func anyNamesAllThatHaveEndedAlready() {
        let processes = (1...4).map { makeProcess($0) }
        processes[3].end()
        processes[1].end()
        let waiter = waiter(processes, .any)
        #expect(waiter.begin())
        waiter.answer(timedOut: false)
        expect([2, 4], pending: [1, 3])
        #expect(processes.allSatisfy { $0.waiters.isEmpty })
    }

    @Test func drainedIsMoreThanExited() {
        let process = makeProcess(1)
        process.end(drained: false)
        #expect(waiter([process], .all, until: .exited).begin())
        let drained = waiter([process], .all, until: .drained)
        #expect(!drained.begin())
        process.drainedAt = 1
        #expect(drained.take(process))
        #expect(waiter([process], .all, until: .drained).begin())
    }

    /// In the order asked for, whatever the order of the ends.
    @Test func whenTimeIsUpThePendingOnesAreNamed() {
        let processes = [5, 2, 9, 1, 7].map { makeProcess($0) }
        let waiter = waiter(processes, .all)
        #expect(!waiter.begin())
        end(processes[3])
        end(processes[1])
        waiter.answer(timedOut: true)
        expect([1, 2], pending: [5, 9, 7], timedOut: true)
        #expect(processes.allSatisfy { $0.waiters.isEmpty })
    }

    @Test func anAnswerIsGivenOnce() {
        let process = makeProcess(1)
        let waiter = waiter([process], .all)
        #expect(!waiter.begin())
        waiter.answer(timedOut: true)
        end(process)
        waiter.answer(timedOut: false)
        expect([], pending: [1], timedOut: true)
    }

    @Test func whoWaitsNoMoreIsNotTold() {
        let processes = (1...2).map { makeProcess($0) }
        let waiter = waiter(processes, .any)
        #expect(!waiter.begin())
        waiter.detach()
        for process in processes { end(process) }
        #expect(answers.outcomes.isEmpty)
        #expect(processes.allSatisfy { $0.waiters.isEmpty })
    }

    @Test func anyNumberMayWaitForOne() {
        let process = makeProcess(1)
        let waiters = (0..<100).map { _ in waiter([process], .all) }
        #expect(waiters.allSatisfy { !$0.begin() })
        end(process)
        #expect(answers.outcomes.count == 100)
        #expect(process.waiters.isEmpty)
    }
}
