// SPDX-License-Identifier: Apache-2.0
import CKernel
public import SystemPackage

/// How a child ended, with what it used. waitid(2), getrusage(2).
public struct ChildExit: Sendable {
    public let bySignal: Bool
    /// A core was dumped.
    public let core: Bool
    /// Exit code, or signal number.
    public let status: Int32
    public let userMicroseconds: Int64
    public let systemMicroseconds: Int64
    /// The kernel counts from the clone: never less than what this process had then.
    public let maxResidentKiB: Int64
    public let faults: (minor: Int64, major: Int64)
    public let switches: (voluntary: Int64, involuntary: Int64)
    public let blocks: (input: Int64, output: Int64)

    init(_ exit: pk_exit) {
        bySignal = exit.by_signal
        core = exit.core
        status = exit.status
        userMicroseconds = exit.user_us
        systemMicroseconds = exit.system_us
        maxResidentKiB = exit.max_rss_kib
        faults = (exit.minor_faults, exit.major_faults)
        switches = (exit.voluntary_switches, exit.involuntary_switches)
        blocks = (exit.blocks_in, exit.blocks_out)
    }
}

/// A change of a child's state that is no end.
public enum StopEvent: Equatable, Sendable {
    case stopped(signal: CInt)
    case continued
}

/// Calls on children by pidfd: the number cannot come to mean another process.
public enum ChildProcess {
    /// Reaps the child if it has ended; nil if it has not.
    public static func reap(_ pidfd: borrowing Descriptor) throws(Errno) -> ChildExit? {
        var exit = pk_exit()
        return try kernelResult(pk_reap(pidfd.raw, &exit)) == 1 ? ChildExit(exit) : nil
    }

    /// The next stop or continuation not told before.
    public static func stopEvent(_ pidfd: borrowing Descriptor) throws(Errno) -> StopEvent? {
        let event = pk_stop_event(pidfd.raw)
        if event == PK_CONTINUED { return .continued }
        return try kernelResult(event) == 0 ? nil : .stopped(signal: event)
    }

    /// pidfd_send_signal(2). ESRCH: it has ended.
    public static func signal(_ pidfd: borrowing Descriptor, _ signal: CInt) throws(Errno) {
        try kernelResult(pk_pidfd_signal(pidfd.raw, signal))
    }

    /// The same by the number of a pidfd that another object owns; false if there was nothing to signal.
    public static func signal(raw: CInt, _ signal: CInt) -> Bool {
        pk_pidfd_signal(raw, signal) == 0
    }

    /// pidfd_open(2).
    public static func open(_ pid: Int32) throws(Errno) -> Descriptor {
        Descriptor(taking: try kernelResult(pk_pidfd_open(pid)))
    }

    /// A child of this thread that has ended, stopped or gone on, and whether it has ended; nobody has been told
    /// of it yet, and asking again gives it again.
    public static func nextChange() -> (pid: Int32, ended: Bool)? {
        var change = pk_change()
        guard pk_next_change(&change) == 0, change.pid > 0 else { return nil }
        return (change.pid, change.ended)
    }

    /// Takes what `nextChange` told of a process that became ours as an orphan; reaps it if it has ended.
    public static func takeAdopted(_ pid: Int32) {
        pk_take_adopted(pid)
    }

    /// Orphaned descendants become our children from now on (prctl(2), PR_SET_CHILD_SUBREAPER).
    public static func becomeSubreaper() throws(Errno) {
        try kernelResult(pk_become_subreaper())
    }
}
