// SPDX-License-Identifier: Apache-2.0
import CKernel
import SystemPackage

/// A start on its way: what the child reads and stands on, until its report pipe ends.
///
/// The pipe says two things. One byte: the child has parted from our descriptor table, ours may be closed. Its end:
/// execve(2) closed it, or the child died; which of the two stands in the outcome. At that moment the child
/// neither uses our memory nor its stack (execve gives up the old memory before it closes descriptors, and so
/// does exit).
@MainActor
public final class Launch {
    private let loop: EventLoop
    private let launcher: Launcher
    private var plan: LaunchPlan?
    /// What the child reads; nil when nobody reads it any more.
    private var block: LaunchBlock?
    private let slab: OpaquePointer
    /// Nil when it has ended.
    private var report: SharedDescriptor?
    private var childsEnds: ChildsEnds?
    private var decided: (@MainActor (LaunchFailure?) -> Void)?
    private let held: Bool
    private var hasLeftStack = false

    private struct ChildsEnds {
        let report: SharedDescriptor
        let gate: SharedDescriptor?
    }

    init(
        loop: EventLoop, launcher: Launcher, plan: LaunchPlan, block: LaunchBlock, slab: OpaquePointer,
        reportEnd: SharedDescriptor, report: SharedDescriptor, gate: SharedDescriptor?,
        decided: @escaping @MainActor (LaunchFailure?) -> Void
    ) {
        self.loop = loop
        self.launcher = launcher
        self.plan = plan
        self.block = block
        self.slab = slab
        self.report = reportEnd
        childsEnds = ChildsEnds(report: report, gate: gate)
        self.decided = decided
        held = gate != nil
    }

    /// Where the child is now: the step that a start which takes too long hangs in.
    public var stage: LaunchStage { LaunchStage(number: pk_slab_outcome(slab).pointee.stage) }

    /// The group that was made for it (`LaunchPlan.Session.apart`). To be asked for when the start is decided.
    public private(set) var groupApart: Int32?

    func watch() {
        do throws(Errno) {
            // The loop keeps this object alive until the pipe has ended: the child may stand on our memory.
            guard let report else { return }
            try loop.add(report.raw, .readable) { _ in self.read() }
        } catch {
            // No more watches for this user (epoll(7), max_user_watches). The child stands on our memory: its end must
            // be seen all the same.
            askAgain()
        }
    }

    /// Lets go of the descriptors that were only passed through to the child. A child that was killed before it had a
    /// table of its own never says so: whoever reaps it does.
    public func childHasParted() {
        childsEnds = nil
        plan = nil
    }

    private func askAgain() {
        loop.after(5) {
            if let report = self.report, Descriptor.isReadable(report.raw) { self.read() }
            if self.decided != nil { self.askAgain() }
        }
    }

    private func read() {
        guard let report else { return }
        var byte: UInt8 = 0
        do throws(Errno) {
            let count = try withUnsafeMutableBytes(of: &byte) { buffer throws(Errno) in
                try systemCall { Descriptor.read(report.raw, into: buffer) }
            }
            if count == 0 { finish() } else { childHasParted() }
        } catch {
            // EAGAIN only: the pipe has nothing else to say.
        }
    }

    private func finish() {
        if let report { loop.remove(report.raw) }
        report = nil
        childHasParted()
        // A held child has a copy.
        block = nil
        let outcome = pk_slab_outcome(slab).pointee
        if outcome.group != 0 { groupApart = outcome.group }
        var failure: LaunchFailure?
        if outcome.failed != 0 {
            failure = LaunchFailure(
                stage: LaunchStage(number: outcome.stage), error: Errno(rawValue: outcome.error),
                index: Int(outcome.index))
        } else if stage != (held ? .gate : .exec) {
            // Killed on its way: by somebody's signal, or for want of memory.
            failure = LaunchFailure(stage: stage, error: .interrupted)
        }
        // A held child goes on standing on its stack until its gate has ended.
        if !held || failure != nil { standsOnItsStackNoMore() }
        let tell = decided
        decided = nil
        tell?(failure)
    }

    /// The child has ended or become its program. Of a held one whoever listens at its gate learns it.
    public func standsOnItsStackNoMore() {
        guard !hasLeftStack else { return }
        hasLeftStack = true
        launcher.giveBack(slab)
    }
}
