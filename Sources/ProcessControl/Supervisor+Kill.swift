// SPDX-License-Identifier: Apache-2.0
import Glibc
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
    /// When SIGKILL follows.
    public enum Escalation: Equatable {
        case after(Int64)
        /// Each process's own grace, as its stop rule says.
        case byStopRule
    }

    /// Nil: each process's stop signal.
    public var signal: Int32?
    public var scope = KillScope.tree
    public var escalateAfter: Escalation?
    public var wait = false
    public var timeout: Int64?
    public init() {}
}

extension KillRequest.Escalation {
    fileprivate func time(for process: ManagedProcess) -> Int64 {
        switch self {
        case .after(let time): time
        case .byStopRule: process.stop.grace
        }
    }
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
        var orders: [KillOrder] = []
        for process in processes {
            let signal = request.signal ?? process.stop.signal
            let escalateAfter = request.escalateAfter?.time(for: process)
            if !process.isExited { process.signalsSent |= 1 << UInt64(signal - 1) }
            if request.escalateAfter != nil { process.signalsSent |= 1 << UInt64(SIGKILL - 1) }
            orders.append(
                KillOrder(
                    process: process, signal: signal, scope: request.scope,
                    escalateAfter: escalateAfter,
                    waits: request.wait, bound: request.timeout ?? limits.killWait + (escalateAfter ?? 0)))
        }
        ticket.plans = startPlans(orders) { index, report in ticket.take(report, at: index) }
        return ticket.left > 0 ? ticket : nil
    }

    /// The caller has gone; what was started goes on.
    public func cancel(_ ticket: KillTicket) {
        ticket.completion = nil
        for plan in ticket.plans { plan.forgetCaller() }
    }

    /// Runs the stop rules of processes, on what is left of their trees, for a reason of the server's own.
    func stop(_ processes: [ManagedProcess], because rule: ExitReason) {
        var orders: [KillOrder] = []
        for process in processes where process.stoppingRule == nil {
            process.stoppingRule = rule
            orders.append(
                KillOrder(
                    process: process, signal: process.stop.signal, scope: .tree, escalateAfter: process.stop.grace,
                    waits: true, bound: nil))
        }
        _ = startPlans(orders) { _, _ in }
    }

    // MARK: Plans

    /// All at once: where it takes a look at the whole machine to find a tree, one look serves all.
    private func startPlans(
        _ orders: [KillOrder], completion: @escaping (Int, KillReport) -> Void
    ) -> [KillPlan] {
        var reached: [[Int32]] = Array(repeating: [], count: orders.count)
        for (signal, group) in Dictionary(grouping: orders.indices, by: { orders[$0].signal }) {
            let signalled = send(signal, to: group.map { (orders[$0].process, orders[$0].scope) })
            for (index, pids) in zip(group, signalled) { reached[index] = pids }
        }
        return orders.indices.map { index in
            startPlan(orders[index], signalled: reached[index]) { completion(index, $0) }
        }
    }

    private func startPlan(
        _ order: KillOrder, signalled: [Int32], completion: @escaping (KillReport) -> Void
    ) -> KillPlan {
        let process = order.process
        let method: KillReport.Method =
            switch order.scope {
            case .process: .process
            case .group: .group
            case .tree: process.hadCgroup ? .cgroup : .descendants
            }
        var report = KillReport(
            process: process, signal: order.signal, method: method, isExact: method != .descendants)
        report.signalled = signalled
        report.alreadyExited = process.child == nil && signalled.isEmpty
        let plan = KillPlan(
            report, scope: order.scope, escalateAfter: order.escalateAfter, waits: order.waits, completion: completion)
        if report.alreadyExited || (!order.waits && order.escalateAfter == nil) {
            plan.answer(survivors: order.waits ? [] : nil)
            return plan
        }
        if !order.waits { plan.answer(survivors: nil) }
        process.killPlans[ObjectIdentifier(plan)] = plan
        if let escalateAfter = order.escalateAfter {
            plan.timers.append(loop.after(escalateAfter) { [weak self] in self?.step(plan, .escalationDue) })
        }
        if order.waits, let bound = order.bound {
            plan.timers.append(loop.after(max(bound, 0)) { [weak self] in self?.step(plan, .boundPassed) })
        }
        check(plan)
        return plan
    }

    private func step(_ plan: KillPlan, _ event: KillPlan.Event) {
        switch plan.take(event) {
        case .none: break
        case .kill:
            let killed = send(SIGKILL, to: [(plan.process, plan.scope)])[0]
            plan.report.signalled += killed.filter { !plan.report.signalled.contains($0) }
            check(plan)
        case .answer: plan.answer(survivors: survivors(of: plan))
        case .finish:
            for timer in plan.timers { loop.cancel(timer) }
            lookedFor[ObjectIdentifier(plan)] = nil
            plan.process.killPlans[ObjectIdentifier(plan)] = nil
            if !plan.isAnswered { plan.answer(survivors: survivors(of: plan)) }
            planEnded()
        }
    }

    private func survivors(of plan: KillPlan) -> [Int32] { members(of: plan.process, plan.scope) }

    /// The process has exited, or its cgroup has emptied: plans for it may be through.
    func treeChanged(_ process: ManagedProcess) {
        for plan in Array(process.killPlans.values) { check(plan) }
    }

    /// Whether the plan is through, by what the kernel tells by itself: a process's end, and a cgroup's. Other sets
    /// are looked at while a plan for them runs.
    private func check(_ plan: KillPlan) {
        let process = plan.process
        if needsLook(process, plan.scope) { return lookLater(plan) }
        if plan.scope != .tree {
            if process.child == nil { step(plan, .emptied) }
        } else if process.child == nil, process.cgroup == nil {
            step(plan, .emptied)
        } else if plan.isKilling, containers?.canKill != true {
            // Without cgroup.kill a fork may have slipped through.
            lookLater(plan)
        }
    }

    // MARK: Looking

    private func lookLater(_ plan: KillPlan) {
        guard !plan.isOver else { return }
        lookedFor[ObjectIdentifier(plan)] = plan
        lookSoon()
    }

    func lookSoon() {
        guard !lookDue else { return }
        lookDue = true
        loop.after(lookPause) { [weak self] in self?.lookAtAll() }
    }

    /// One look at the machine for all plans that need one.
    private func lookAtAll() {
        lookDue = false
        let plans = Array(lookedFor.values)
        let began = EventLoop.now()
        let snapshot = remainsChanged || plans.contains { needsLook($0.process, $0.scope) } ? look() : nil
        if remainsChanged {
            remainsChanged = false
            remains = remains.filter { _, process in
                !members(of: process, .tree, snapshot).isEmpty || !members(of: process, .group, snapshot).isEmpty
            }
        }
        var again: [KillPlan] = []
        for plan in plans where !plan.isOver {
            let isEmpty = plan.process.child == nil && members(of: plan.process, plan.scope, snapshot).isEmpty
            if isEmpty { step(plan, .emptied) } else if plan.take(.lookAgain) == .kill { again.append(plan) }
        }
        // The rest of what was to be killed: what has forked meanwhile, or cannot die yet.
        let killed = send(SIGKILL, to: again.map { ($0.process, $0.scope) })
        for (plan, pids) in zip(again, killed) {
            plan.report.signalled += pids.filter { !plan.report.signalled.contains($0) }
        }
        // However many processes the machine has, most of the time belongs to others.
        lookPause = max(50, 10 * (EventLoop.now() - began))
        for plan in lookedFor.values where !plan.isOver { lookLater(plan) }
    }
}

/// One process's part of a kill.
private struct KillOrder {
    let process: ManagedProcess
    let signal: Int32
    let scope: KillScope
    let escalateAfter: Int64?
    let waits: Bool
    let bound: Int64?
}
