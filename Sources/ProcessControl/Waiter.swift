// SPDX-License-Identifier: Apache-2.0
import Kernel

/// Somebody who waits for processes: counts down as they end. No I/O.
public final class Waiter {
    public enum Mode: String, CaseIterable, Sendable {
        case all, any
        /// The first code other than 0, or signal.
        case firstFailure = "first-failure"
    }

    public enum Until: String, CaseIterable, Sendable { case exited, drained }

    /// What the wait is answered with.
    public struct Outcome {
        /// Records as they are at the answer, in the order in which the processes got there.
        public let done: [ManagedProcess]
        /// In the order asked for.
        public let pending: [ManagedProcess]
        public let timedOut: Bool
    }

    let mode: Mode
    let until: Until
    private let asked: [ManagedProcess]
    private var done: [ManagedProcess] = []
    private var sawFailure = false
    private var completion: ((Outcome) -> Void)?
    var timer: Kernel.Timer?

    init(
        _ processes: [ManagedProcess], mode: Mode, until: Until, completion: @escaping (Outcome) -> Void
    ) {
        asked = processes
        self.mode = mode
        self.until = until
        self.completion = completion
    }

    func isDone(_ process: ManagedProcess) -> Bool {
        until == .exited ? process.isExited : process.isDrained
    }

    /// Whether what is done is enough.
    var isSatisfied: Bool {
        if done.count == asked.count { return true }
        return switch mode {
        case .all: false
        case .any: !done.isEmpty
        case .firstFailure: sawFailure
        }
    }

    /// Starts to wait; true if there is nothing to wait for.
    func begin() -> Bool {
        for process in asked {
            if isDone(process) {
                note(process)
            } else {
                process.waiters[ObjectIdentifier(self)] = self
            }
        }
        return isSatisfied
    }

    /// One of them has come as far as was asked for. True if that is enough.
    func take(_ process: ManagedProcess) -> Bool {
        process.waiters[ObjectIdentifier(self)] = nil
        note(process)
        return isSatisfied
    }

    private func note(_ process: ManagedProcess) {
        done.append(process)
        if process.exit?.isSuccess == false { sawFailure = true }
    }

    /// Answers, once.
    func answer(timedOut: Bool) {
        let reached = Set(done.map(\.id))
        let pending = asked.filter { !reached.contains($0.id) }
        detach()
        let tell = completion
        completion = nil
        tell?(Outcome(done: done, pending: pending, timedOut: timedOut))
    }

    /// Waits no more, without an answer.
    func detach() {
        for process in asked { process.waiters[ObjectIdentifier(self)] = nil }
    }
}
