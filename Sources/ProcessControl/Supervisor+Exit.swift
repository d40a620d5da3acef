// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// The way of an exit: pidfd → reap → record stored → waiters answered.
extension Supervisor {
    /// Reaps a process whose pidfd says that it has ended.
    func reap(_ process: ManagedProcess) {
        guard let child = process.child else { return }
        // What is known of it when the replacement is through comes first.
        if replacer.isAtWork(on: child.pid) { return }
        guard let exit = try? ChildProcess.reap(child.pidfd) else {
            // Somebody traces it and has not let go: the pidfd is edge-triggered and will not tell again.
            if heldByTracers.updateValue(process, forKey: process.id) == nil { retryReap(process) }
            return
        }
        heldByTracers[process.id] = nil
        loop.remove(child.pidfd.raw)
        table.clearPid(child.pid)
        guard let start = process.startsNow else { return ended(process, exit) }
        start.exit = exit
        child.launch.childHasParted()
        if start.failure != nil { startFailed(process, start, exit: exit) }
        // Else the end of its report pipe is on its way: a process closes its descriptors before it becomes a zombie.
    }

    private func retryReap(_ process: ManagedProcess) {
        loop.after(1000) { [weak self] in
            guard let self, heldByTracers[process.id] != nil else { return }
            heldByTracers[process.id] = nil
            reap(process)
        }
    }

    /// Everything that an exit changes, in this order: the output that was there, the record, those who wait.
    func ended(_ process: ManagedProcess, _ exit: ChildExit) {
        for (_, stream) in process.streams { stream.takeWhatIsThere() }
        process.input?.close()
        guard process.lifecycle.take(.ended) else { return }
        let status = ExitStatus(exit)
        process.exit = status
        process.usage = exit
        process.exitedAt = Self.wallClock()
        process.reason = ExitReason(status, rule: process.stoppingRule, sent: process.signalsSent)
        process.child = nil
        // No program will be started with it any more, and a thousand records are kept.
        process.environment = Environment()
        process.spec.program = ProgramSpec(arguments: [])
        table.markExited(process)
        leaveLifetime(process)
        if !hasOpenStream(process) { process.drainedAt = process.exitedAt }
        tellWaiters(of: process, until: .exited)
        tell(.exited, of: process)
        if process.isDrained {
            tellWaiters(of: process, until: .drained)
            tell(.drained, of: process)
        }
        watchTree(of: process)
        remember(process)
        populationChanged?()
    }

    /// Drained: it has exited, and nobody has its captured streams any more.
    func checkDrained(_ process: ManagedProcess) {
        guard process.isExited, !process.isDrained else { return }
        if hasOpenStream(process) { return }
        process.drainedAt = Self.wallClock()
        memory.charge(process)
        trimOutput()
        tellWaiters(of: process, until: .drained)
        tell(.drained, of: process)
    }

    private func hasOpenStream(_ process: ManagedProcess) -> Bool {
        process.streams.contains { $0.stream.isOpen }
    }

    func tellWaiters(of process: ManagedProcess, until: Waiter.Until) {
        for waiter in Array(process.waiters.values) where waiter.until == until {
            if waiter.take(process) {
                loop.cancel(waiter.timer)
                waiter.answer(timedOut: false)
            }
        }
    }

    /// A start that failed: its descriptors and its cgroup go.
    func forgetChild(of process: ManagedProcess) {
        process.child = nil
        process.startsNow = nil
        for (_, stream) in process.streams {
            stream.ended = nil
            stream.close()
        }
        process.terminalMaster = nil
        process.input?.close()
        if let cgroup = process.cgroup { containers?.giveBack(cgroup) }
        process.cgroup = nil
    }

    // MARK: The tree it leaves

    /// Waits for the rest of the tree to end, if there is one, and then gives its cgroup back.
    private func watchTree(of process: ManagedProcess) {
        if !process.hadCgroup {
            remains[process.id] = process
            lookAtRemains()
        }
        guard let cgroup = process.cgroup else { return treeChanged(process) }
        guard cgroup.populated() else { return treeEmptied(process) }
        treeChanged(process)
        // No more watches: the cgroup stays, and is asked whenever somebody kills or waits.
        guard let events = try? cgroup.eventsNumber() else { return }
        try? loop.add(events, .priority) { [weak self] _ in
            if !cgroup.populated() { self?.treeEmptied(process) }
        }
    }

    /// Nothing runs in its cgroup any more.
    func treeEmptied(_ process: ManagedProcess) {
        guard let cgroup = process.cgroup else { return }
        if let events = try? cgroup.eventsNumber() { loop.remove(events) }
        process.cgroup = nil
        containers?.giveBack(cgroup)
        treeChanged(process)
    }
}
