// SPDX-License-Identifier: Apache-2.0
import CKernel
import SystemPackage

/// Replaces the programs of running children in place (inject.h), each in a tracer thread of its own that the loop
/// never waits for.
///
/// While one is at work on a child, `ChildProcess.stopEvent` and `takeAdopted` must not be asked about it: they would
/// take away what its tracer waits for. `ChildProcess.reap` may. Afterwards, and only then, it can be asked what
/// happened to it meanwhile.
@MainActor
public final class Replacer {
    private let loop: EventLoop
    /// By the pids of the children: those at work, and those that wait for a thread in the order they came.
    private var working: [Int32: Replacement] = [:]
    private var waiting: [Replacement] = []
    /// Those at work that need their turn still, and how many may at a time. Nearly all are through within a
    /// millisecond; one whose child does not stop, or hangs in its execve(2), must not keep the others from theirs.
    private var inTurn = 0
    private static let most = 16
    private static let turn: Int64 = 50
    private var turnsEnd: Timer?

    public init(loop: EventLoop) { self.loop = loop }

    /// Whether any is at work: a walk over all changes of children (`ChildProcess.nextChange`) may then be told of a
    /// traced one over and over.
    public var isAtWork: Bool { !working.isEmpty }

    public func isAtWork(on pid: Int32) -> Bool { working[pid] != nil }

    /// Where the replacement of a child is now, and which candidate it tries; nil if it has not begun.
    public func progress(of pid: Int32) -> (stage: ReplaceStage, index: Int)? { working[pid]?.progress }

    /// Replaces the child's program. A second one for the same child must wait until the first has ended.
    ///
    /// - Parameters:
    ///   - atExec: called from the loop when the old program is gone; the new one begins when this has returned.
    ///   - completion: called once, from the loop.
    public func replace(
        _ child: LaunchedChild, by plan: ReplacePlan, atExec: @escaping @MainActor () -> Void = {},
        completion: @escaping @MainActor (ReplaceOutcome) -> Void
    ) {
        waiting.append(Replacement(child, plan, atExec: atExec, completion))
        // Never from inside this call.
        loop.later { self.beginWaiting() }
    }

    private func beginWaiting() {
        while inTurn < Self.most, let next = waiting.firstIndex(where: { working[$0.child.pid] == nil }) {
            let replacement = waiting.remove(at: next)
            working[replacement.child.pid] = replacement
            inTurn += 1
            replacement.turnsEnd = EventLoop.now() + Self.turn
            do throws(Errno) {
                try replacement.begin()
                watch(replacement)
            } catch {
                end(replacement, .failed(.attach, error, index: 0))
            }
        }
        if !waiting.isEmpty, inTurn > 0, turnsEnd == nil {
            turnsEnd = loop.after(Self.turn) { self.endTurns() }
        }
    }

    /// Those that are slow work on, beside the next ones.
    private func endTurns() {
        turnsEnd = nil
        let now = EventLoop.now()
        for replacement in working.values where (replacement.turnsEnd ?? .max) <= now { endTurn(replacement) }
        beginWaiting()
    }

    private func endTurn(_ replacement: Replacement) {
        guard replacement.turnsEnd != nil else { return }
        replacement.turnsEnd = nil
        inTurn -= 1
    }

    private func watch(_ replacement: Replacement) {
        do throws(Errno) {
            try loop.add(replacement.descriptor, .readable) { _ in
                guard replacement.isDecided else { return replacement.goOn() }
                self.loop.remove(replacement.descriptor)
                self.end(replacement, replacement.finish())
            }
        } catch {
            askAgain(replacement)
        }
    }

    /// There are no more watches for this user (epoll(7), max_user_watches).
    private func askAgain(_ replacement: Replacement) {
        loop.after(5) {
            if replacement.isDecided { return self.end(replacement, replacement.finish()) }
            replacement.goOn()
            self.askAgain(replacement)
        }
    }

    private func end(_ replacement: Replacement, _ outcome: ReplaceOutcome) {
        working[replacement.child.pid] = nil
        endTurn(replacement)
        if !waiting.isEmpty { loop.later { self.beginWaiting() } }
        replacement.completion(outcome)
    }
}

/// One of them, from its wait for a thread to its end.
@MainActor
private final class Replacement {
    let child: LaunchedChild
    let completion: @MainActor (ReplaceOutcome) -> Void
    /// Nil when it has been called.
    private var atExec: (@MainActor () -> Void)?
    private let plan: ReplacePlan
    private let due: Int64
    /// Nil: it has had its turn.
    var turnsEnd: Int64?
    private let block: ReplaceBlock
    private var injection: OpaquePointer?

    init(
        _ child: LaunchedChild, _ plan: ReplacePlan, atExec: @escaping @MainActor () -> Void,
        _ completion: @escaping @MainActor (ReplaceOutcome) -> Void
    ) {
        self.child = child
        self.atExec = atExec
        self.plan = plan
        self.completion = completion
        due = EventLoop.now() + plan.deadline
        block = ReplaceBlock(plan)
    }

    var progress: (stage: ReplaceStage, index: Int) {
        (ReplaceStage(number: block.outcome.pointee.stage), Int(block.outcome.pointee.index))
    }
    var descriptor: CInt { pk_inject_descriptor(injection) }
    var isDecided: Bool { block.outcome.pointee.result != PK_INJECT_RUNNING.rawValue }

    func begin() throws(Errno) {
        let order = block.order
        order.pointee.pid = child.pid
        order.pointee.pidfd = child.pidfd.raw
        order.pointee.cwd_descriptor = plan.directory?.raw ?? -1
        order.pointee.deadline_ms = Int32(clamping: max(due - EventLoop.now(), 0))
        try kernelResult(pk_inject_begin(order, block.outcome, &injection))
    }

    /// If the old program is gone, the new one begins.
    func goOn() {
        guard block.outcome.pointee.executed != 0, let atExec else { return }
        self.atExec = nil
        atExec()
        pk_inject_go(injection)
    }

    /// The thread has nothing left to do but to end.
    func finish() -> ReplaceOutcome {
        pk_inject_end(injection)
        injection = nil
        return ReplaceOutcome(block.outcome.pointee)
    }
}

/// What a tracer thread reads and writes: in place until it has been joined.
private final class ReplaceBlock {
    let order = UnsafeMutablePointer<pk_inject_order>.allocate(capacity: 1)
    let outcome = UnsafeMutablePointer<pk_inject_outcome>.allocate(capacity: 1)
    private let image: ProgramImage
    private let groups: UnsafeMutableBufferPointer<UInt32>

    init(_ plan: ReplacePlan) {
        image = plan.image
        groups = .allocate(capacity: plan.started.groups.count)
        _ = groups.initialize(from: plan.started.groups)
        outcome.initialize(to: pk_inject_outcome())
        var start = pk_inject_order()
        start.image = UnsafeRawPointer(image.block.baseAddress)
        start.image_size = UInt64(image.block.count)
        start.pause_at_exec = true
        start.fresh = plan.signals != nil
        start.ignored = plan.signals?.ignored ?? 0
        start.blocked = plan.signals?.blocked ?? 0
        start.started = pk_credentials(
            uid: plan.started.user, gid: plan.started.group, groups: UnsafePointer(groups.baseAddress),
            group_count: UInt32(groups.count), capabilities: plan.started.capabilities)
        order.initialize(to: start)
    }

    deinit {
        order.deallocate()
        outcome.deallocate()
        groups.deallocate()
    }
}
