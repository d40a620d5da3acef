// SPDX-License-Identifier: Apache-2.0
import Kernel

extension Supervisor {
    /// Answers when the processes have come as far as `mode` and `until` say, or after `timeout` ms.
    /// - Returns: what to cancel it by; nil if it has been answered.
    public func wait(
        for processes: [ManagedProcess], mode: Waiter.Mode, until: Waiter.Until, timeout: Int64?,
        completion: @escaping (Waiter.Outcome) -> Void
    ) -> Waiter? {
        let waiter = Waiter(processes, mode: mode, until: until) { [weak self] outcome in
            for process in outcome.done { self?.memory.markSeen(process) }
            completion(outcome)
        }
        if waiter.begin() {
            waiter.answer(timedOut: false)
            return nil
        }
        if let timeout {
            waiter.timer = loop.after(timeout) { waiter.answer(timedOut: true) }
        }
        return waiter
    }

    /// Ends a wait without an answer. The processes are not touched.
    public func cancel(_ waiter: Waiter) {
        loop.cancel(waiter.timer)
        waiter.detach()
    }
}
