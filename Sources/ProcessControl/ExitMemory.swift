// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// The exited processes whose records are kept. No I/O.
///
/// Those that some waiter has been told of go before those that nobody has asked after; of each kind, the oldest first.
struct ExitMemory {
    private var unseen = Deque<ManagedProcess>()
    private var seen = Deque<ManagedProcess>()
    /// By id, with what each is charged for.
    private var kept: [Int: Charge] = [:]
    /// The output of all of them, in bytes.
    private(set) var retainedBytes = 0
    /// Their arguments and labels, in bytes: 2 MiB for each, if somebody likes.
    private(set) var recordBytes = 0

    private struct Charge {
        var output = 0
        var record = 0
    }

    var count: Int { kept.count }

    mutating func add(_ process: ManagedProcess) {
        kept[process.id] = Charge()
        if process.exitSeen { seen.append(process) } else { unseen.append(process) }
        charge(process)
    }

    /// Some waiter has been told of it.
    mutating func markSeen(_ process: ManagedProcess) {
        guard !process.exitSeen else { return }
        process.exitSeen = true
        if kept[process.id] != nil { seen.append(process) }
    }

    /// Counts what it holds anew.
    mutating func charge(_ process: ManagedProcess) {
        guard let before = kept[process.id] else { return }
        let now = Charge(output: process.retainedBytes, record: process.recordBytes)
        kept[process.id] = now
        retainedBytes += now.output - before.output
        recordBytes += now.record - before.record
    }

    mutating func remove(_ process: ManagedProcess) {
        guard let charged = kept.removeValue(forKey: process.id) else { return }
        retainedBytes -= charged.output
        recordBytes -= charged.record
        // Released ones stay as shells until they come to the front or are the majority.
        if seen.count + unseen.count > 64, seen.count + unseen.count > 2 * kept.count {
            seen.removeAll { kept[$0.id] == nil }
            unseen.removeAll { kept[$0.id] == nil || $0.exitSeen }
        }
    }

    /// The record to forget next.
    mutating func nextToForget() -> ManagedProcess? {
        while let first = seen.first, kept[first.id] == nil { seen.removeFirst() }
        while let first = unseen.first, kept[first.id] == nil || first.exitSeen { unseen.removeFirst() }
        return seen.first ?? unseen.first
    }

    /// Those that still have output, in the order in which it is given up.
    var withOutput: [ManagedProcess] {
        (Array(seen) + unseen.filter { !$0.exitSeen }).filter { (kept[$0.id]?.output ?? 0) > 0 }
    }
}

extension Supervisor {
    /// Keeps an exited process's record, and forgets as many others as the limits ask for.
    func remember(_ process: ManagedProcess) {
        memory.add(process)
        while memory.count > limits.exitedRecords || memory.recordBytes > limits.retainedRecords,
            let oldest = memory.nextToForget()
        {
            forget(oldest)
        }
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
        for (_, stream) in process.streams { stream.close() }
        checkDrained(process)
        for (_, stream) in process.streams { stream.forgetBytes() }
        remains[process.id] = nil
        memory.remove(process)
        table.remove(process)
        populationChanged?()
    }

    /// Output of exited processes is bounded in all: the oldest bytes of the oldest go.
    func trimOutput() {
        guard memory.retainedBytes > limits.retainedOutput else { return }
        for process in memory.withOutput {
            let excess = memory.retainedBytes - limits.retainedOutput
            if excess <= 0 { return }
            var left = excess
            for (_, stream) in process.streams {
                left -= stream.forgetOldest(left)
            }
            memory.charge(process)
        }
    }
}
