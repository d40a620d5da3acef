// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// The exited processes whose records are kept, oldest first. No I/O.
///
/// Those that some waiter has been told of go before those that nobody has asked after.
struct ExitMemory {
    private var order = Deque<ManagedProcess>()
    /// By id, with the bytes of output each is charged for.
    private var kept: [Int: Int] = [:]
    /// The output of all of them.
    private(set) var retainedBytes = 0

    var count: Int { kept.count }

    mutating func add(_ process: ManagedProcess) {
        order.append(process)
        kept[process.id] = 0
        charge(process)
    }

    /// Counts its output anew.
    mutating func charge(_ process: ManagedProcess) {
        guard let before = kept[process.id] else { return }
        kept[process.id] = process.retainedBytes
        retainedBytes += process.retainedBytes - before
    }

    mutating func remove(_ process: ManagedProcess) {
        guard let charged = kept.removeValue(forKey: process.id) else { return }
        retainedBytes -= charged
        // Released ones stay as shells until they come to the front or are the majority.
        while let first = order.first, kept[first.id] == nil { order.removeFirst() }
        if order.count > 64, order.count > 2 * kept.count { order.removeAll { kept[$0.id] == nil } }
    }

    /// The record to forget next.
    func nextToForget() -> ManagedProcess? {
        var oldest: ManagedProcess?
        // The front is nearly always one that somebody has seen; do not search for ever if it is not.
        for process in order.prefix(Self.searched) where kept[process.id] != nil {
            if process.exitSeen { return process }
            if oldest == nil { oldest = process }
        }
        return oldest
    }

    private static let searched = 64

    /// Those that still have output, oldest first.
    var withOutput: some Sequence<ManagedProcess> {
        order.lazy.filter { [kept] in (kept[$0.id] ?? 0) > 0 }
    }
}

extension Supervisor {
    /// Keeps an exited process's record, and forgets as many others as the limits ask for.
    func remember(_ process: ManagedProcess) {
        memory.add(process)
        while memory.count > limits.exitedRecords, let oldest = memory.nextToForget() { forget(oldest) }
        trimOutput()
    }

    /// Forgets exited processes. What they still hold open is closed, and those who wait for it are told.
    /// - Returns: the ids.
    public func release(_ processes: [ManagedProcess]) throws(Refusal) -> [Int] {
        for process in processes {
            if let reason = process.lifecycle.refusal(of: .release) {
                throw .wrongState(reason: reason, process: process.id, state: process.state)
            }
        }
        for process in processes { forget(process) }
        return processes.map(\.id)
    }

    private func forget(_ process: ManagedProcess) {
        process.stdout?.close()
        process.stderr?.close()
        checkDrained(process)
        process.stdout?.forgetBytes()
        process.stderr?.forgetBytes()
        memory.remove(process)
        table.remove(process)
        populationChanged?()
    }

    /// Output of exited processes is bounded in all.
    private func trimOutput() {
        guard memory.retainedBytes > limits.retainedOutput else { return }
        for process in Array(memory.withOutput) where memory.retainedBytes > limits.retainedOutput {
            process.stdout?.forgetBytes()
            process.stderr?.forgetBytes()
            memory.charge(process)
        }
    }
}
