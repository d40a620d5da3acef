import Glibc
// SPDX-License-Identifier: Apache-2.0
import Kernel

/// A kill of several processes that a caller waits for.
public final class KillTicket {
    fileprivate var plans: [KillPlan] = []
    fileprivate var reports: [KillReport?]
    fileprivate var left: Int
    fileprivate var completion: (([KillReport]) -> Void)?

    fileprivate init(count: Int, completion: @escaping ([KillReport]) -> Void) {
        reports = Array(repeating: nil, count: count)
        left = count
        self.completion = completion
    }

    fileprivate func take(_ report: KillReport, at index: Int) {
        reports[index] = report
        left -= 1
        guard left == 0 else { return }
        let tell = completion
        completion = nil
        tell?(reports.compactMap { $0 })
    }
}

/// What a caller asks of a kill. Times in ms.
public struct KillRequest {
    /// Nil: each process's stop signal.
    public var signal: Int32?
    public var scope = KillScope.tree
    public var escalateAfter: Int64?
    public var wait = false
    public var timeout: Int64?
    public init() {}
}

extension Supervisor {
    /// Signals processes. `completion` is called once: at once, or with `wait` when nothing is left or the bound has
    /// passed.
    public func kill(
        _ processes: [ManagedProcess], _ request: KillRequest, completion: @escaping ([KillReport]) -> Void
    ) -> KillTicket? {
        guard !processes.isEmpty else {
            completion([])
            return nil
        }
        let ticket = KillTicket(count: processes.count, completion: completion)
        for (index, process) in processes.enumerated() {
            let signal = request.signal ?? process.stop.signal
            if signal > 0, !process.isExited { process.signalsSent |= 1 << UInt64(signal - 1) }
            if request.escalateAfter != nil { process.signalsSent |= 1 << UInt64(SIGKILL - 1) }
            let plan = startPlan(
                process, signal: signal, scope: request.scope, escalateAfter: request.escalateAfter,
                waits: request.wait, bound: request.timeout ?? limits.killWait
            ) { report in ticket.take(report, at: index) }
            ticket.plans.append(plan)
        }
        return ticket.left > 0 ? ticket : nil
    }

    /// The caller has gone; what was started goes on.
    public func cancel(_ ticket: KillTicket) {
        ticket.completion = nil
        for plan in ticket.plans { plan.forgetCaller() }
    }

    /// Runs a process's stop rule, on what is left of its tree, for a reason of the server's own.
    func stop(_ process: ManagedProcess, because rule: ExitReason) {
        guard process.stoppingRule == nil else { return }
        process.stoppingRule = rule
        _ = startPlan(
            process, signal: process.stop.signal, scope: .tree, escalateAfter: process.stop.grace, waits: true,
            bound: nil
        ) { _ in }
    }

    // MARK: Plans

    private func startPlan(
        _ process: ManagedProcess, signal: Int32, scope: KillScope, escalateAfter: Int64?, waits: Bool, bound: Int64?,
        completion: @escaping (KillReport) -> Void
    ) -> KillPlan {
        let method: KillReport.Method =
            switch scope {
            case .process: .process
            case .group: .group
            case .tree: process.hadCgroup ? .cgroup : .descendants
            }
        var report = KillReport(
            process: process, signal: signal, method: method, isExact: method != .descendants)
        report.signalled = send(signal, to: process, scope)
        report.alreadyExited = process.child == nil && report.signalled.isEmpty
        let plan = KillPlan(
            report, scope: scope, escalateAfter: escalateAfter, waits: waits, completion: completion)
        if report.alreadyExited || (!waits && escalateAfter == nil) {
            plan.answer(survivors: waits ? [] : nil)
            return plan
        }
        if !waits { plan.answer(survivors: nil) }
        process.killPlans[ObjectIdentifier(plan)] = plan
        if let escalateAfter {
            plan.timers.append(loop.after(escalateAfter) { [weak self] in self?.step(plan, .escalationDue) })
        }
        if waits, let bound {
            plan.timers.append(loop.after(max(bound, 0)) { [weak self] in self?.step(plan, .boundPassed) })
        }
        look(plan)
        return plan
    }

    private func step(_ plan: KillPlan, _ event: KillPlan.Event) {
        switch plan.take(event) {
        case .none: break
        case .kill:
            let killed = send(SIGKILL, to: plan.process, plan.scope)
            plan.report.signalled += killed.filter { !plan.report.signalled.contains($0) }
            look(plan)
        case .answer: plan.answer(survivors: survivors(of: plan))
        case .finish:
            for timer in plan.timers { loop.cancel(timer) }
            loop.cancel(plan.lookTimer)
            plan.process.killPlans[ObjectIdentifier(plan)] = nil
            if !plan.isAnswered { plan.answer(survivors: survivors(of: plan)) }
            stopped(plan.process)
        }
    }

    private func survivors(of plan: KillPlan) -> [Int32] { members(of: plan.process, plan.scope) }

    /// The process has exited, or its cgroup has emptied: plans for it may be through.
    func treeChanged(_ process: ManagedProcess) {
        for plan in Array(process.killPlans.values) { look(plan) }
    }

    /// Whether the plan is through. The kernel tells of a process's end and of a cgroup's; of other sets nobody
    /// tells, and they are looked at again while the plan runs.
    private func look(_ plan: KillPlan) {
        loop.cancel(plan.lookTimer)
        plan.lookTimer = nil
        let process = plan.process
        if plan.scope == .process {
            if process.child == nil { step(plan, .emptied) }
            return
        }
        if plan.scope == .tree, process.hadCgroup {
            if process.child == nil, process.cgroup == nil { return step(plan, .emptied) }
            // Without cgroup.kill a fork may have slipped through.
            if plan.isKilling, containers?.canKill != true { lookAgain(plan) }
            return
        }
        if process.child == nil, members(of: process, plan.scope).isEmpty { return step(plan, .emptied) }
        lookAgain(plan)
    }

    private func lookAgain(_ plan: KillPlan) {
        plan.lookTimer = loop.after(50) { [weak self] in
            guard let self, !plan.isOver else { return }
            if plan.isKilling { step(plan, .lookAgain) } else { look(plan) }
        }
    }
}
