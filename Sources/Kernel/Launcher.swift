// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import SystemPackage

/// A child that exists: its pid, and the descriptor that names it for as long as we hold it (pidfd_open(2)).
@MainActor
public final class LaunchedChild {
    public let pid: Int32
    public let pidfd: Descriptor
    /// The start is watched until `decided` has been called.
    public let launch: Launch
    /// The kernel or the container refuses CLONE_INTO_CGROUP; the child is in our own cgroup.
    public let cgroupRefused: Bool
    /// The server's end of the gate of a held child.
    public let gate: Gate?

    init(pid: pid_t, pidfd: consuming Descriptor, launch: Launch, cgroupRefused: Bool, gate: Gate?) {
        self.pid = pid
        self.pidfd = pidfd
        self.launch = launch
        self.cgroupRefused = cgroupRefused
        self.gate = gate
    }
}

/// Starts children and reports how each start went, without ever waiting for one.
@MainActor
public final class Launcher {
    private let loop: EventLoop
    /// Stacks not in use; a start takes one and gives it back.
    private var slabs: [OpaquePointer] = []
    private static let slabsKept = 16
    /// The number that the last child's pidfd got: the lowest free one of those that stay, so that it tells how many do.
    private var lastNumber = Descriptor.longLivedFloor
    /// So few descriptors are copied for a child more quickly than it takes to part from a table that is shared: its
    /// message that it has done so wakes the server once more.
    private static let fewDescriptors: CInt = 32

    public init(loop: EventLoop) { self.loop = loop }

    /// Starts a child.
    ///
    /// - Parameters:
    ///   - held: it stops short of its execve(2) and waits at its gate.
    ///   - decided: called once, from the loop: nil when the program runs (held: when the child is ready), else
    ///     why not. The child has then ended or is about to.
    public func launch(
        _ plan: LaunchPlan, held: Bool, decided: @escaping @MainActor (LaunchFailure?) -> Void
    ) throws(LaunchFailure) -> LaunchedChild {
        guard let slab = slabs.popLast() ?? pk_slab_create() else {
            throw LaunchFailure(stage: .clone, error: .noMemory)
        }
        let pipe: Pipe
        do throws(Errno) { pipe = try Pipe(.fromChild, inPassing: true) } catch {
            giveBack(slab)
            throw LaunchFailure(stage: .pipe, error: error)
        }
        var gate: (ours: Gate, theirs: SharedDescriptor)?
        do throws(Errno) {
            if held {
                let pair = try SocketPair()
                let theirs = pair.theirs
                gate = (Gate(loop: loop, socket: pair.intoOurs(), outcome: pk_slab_outcome(slab)), theirs)
            }
        } catch {
            giveBack(slab)
            throw LaunchFailure(stage: .pipe, error: error)
        }
        let report = pipe.theirs
        let sharesTable = !held && lastNumber >= Descriptor.longLivedFloor + Self.fewDescriptors
        let block = LaunchBlock(plan, report: report.raw, gate: gate?.theirs.raw, sharesTable: sharesTable)
        var child = pk_child()
        let result = pk_launch(block.launch, slab, &child)
        guard result == 0 else {
            giveBack(slab)
            throw LaunchFailure(stage: .clone, error: Errno(rawValue: -result))
        }
        let pidfd = Descriptor(taking: child.pidfd).lifted()
        lastNumber = pidfd.raw
        let launch = Launch(
            loop: loop, launcher: self, plan: plan, block: block, slab: slab, reportEnd: pipe.ours,
            report: report,
            gate: gate?.theirs, decided: decided)
        // With a table of its own from the start, nothing of ours must stay open for it.
        if !sharesTable { launch.childHasParted() }
        launch.watch()
        return LaunchedChild(
            pid: child.pid, pidfd: pidfd, launch: launch, cgroupRefused: child.cgroup_refused,
            gate: gate?.ours)
    }

    func giveBack(_ slab: OpaquePointer) {
        if slabs.count < Self.slabsKept { slabs.append(slab) } else { pk_slab_destroy(slab) }
    }
}
