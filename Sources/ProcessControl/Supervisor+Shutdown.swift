// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// A shutdown under way.
final class Shutdown {
    let completion: () -> Void
    var timer: Kernel.Timer?
    var isKilling = false
    var isFinished = false
    init(completion: @escaping () -> Void) { self.completion = completion }
}

extension Supervisor {
    /// Runs the stop rule of every process, kills what is left when the bound has passed, and calls `completion`
    /// when nothing lives any more or cannot be killed.
    /// - Returns: how many processes are being stopped.
    @discardableResult
    public func shutDown(completion: @escaping () -> Void) -> Int {
        if shutdown != nil { return table.all.count { !$0.isExited } }
        let order = Shutdown(completion: completion)
        shutdown = order
        let starting = table.all.filter { $0.state == .starting }
        for process in starting {
            abandon(process, .wrongState(reason: "shutting_down", process: nil, state: nil))
        }
        let living = table.all.filter { !$0.isExited }.sorted { $0.id < $1.id }
        let remains = leftTrees()
        stop(living + remains, because: .shutdown)
        order.timer = loop.after(limits.shutdownGrace) { [weak self] in self?.killEverything() }
        loop.later { [weak self] in self?.continueShutdown() }
        return living.count + remains.count
    }

    /// Does not wait for stop rules: SIGKILL to every tree, and two seconds for the kernel to carry it out.
    public func killEverything() {
        guard let shutdown, !shutdown.isKilling else { return }
        shutdown.isKilling = true
        let left = table.all.filter { !$0.isExited || !$0.killPlans.isEmpty }
        for process in left { process.stoppingRule = process.stoppingRule ?? .shutdown }
        _ = send(SIGKILL, to: left.map { ($0, .tree) })
        loop.cancel(shutdown.timer)
        shutdown.timer = loop.after(2000) { [weak self] in self?.finishShutdown() }
    }

    /// A process, or the rest of its tree, has been stopped.
    func planEnded() { continueShutdown() }

    private func continueShutdown() {
        guard shutdown != nil else { return }
        if table.all.allSatisfy({ $0.isExited && $0.killPlans.isEmpty }) { finishShutdown() }
    }

    private func finishShutdown() {
        guard let shutdown, !shutdown.isFinished else { return }
        shutdown.isFinished = true
        loop.cancel(shutdown.timer)
        killForgotten()
        containers?.close()
        shutdown.completion()
    }

    /// What lives on from trees whose records were released: nobody is to outlive the server by that.
    private func killForgotten() {
        containers?.killAll()
        // Whatever a program has started is below us, for orphans become our children. What has forked between the look
        // and the signal is found by the next look; what cannot die is left.
        for _ in 0..<Self.looks where killDescendants() { usleep(1000) }
    }

    private static let looks = 10

    /// False: there is nobody.
    private func killDescendants() -> Bool {
        var opened: [(pid: Int32, pidfd: SharedDescriptor)] = []
        for pid in ProcFS.descendants(of: getpid()) {
            if let pidfd = try? ChildProcess.open(pid) { opened.append((pid, SharedDescriptor(pidfd))) }
        }
        if opened.isEmpty { return false }
        // Asked once more: a number may have come to mean another process before it was opened.
        let still = Set(ProcFS.descendants(of: getpid()))
        for (pid, pidfd) in opened where still.contains(pid) { _ = ChildProcess.signal(raw: pidfd.raw, SIGKILL) }
        return true
    }
}
