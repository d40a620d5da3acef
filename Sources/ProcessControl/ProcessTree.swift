import Glibc
// SPDX-License-Identifier: Apache-2.0
import Kernel
import SystemPackage

/// Who belongs to a process, and signals to them.
///
/// Nothing is ever signalled by a bare pid: it is opened as a pidfd first, then asked once more whether it still
/// belongs, so that a number which has come to mean another process is not hit (pidfd_open(2)).
extension Supervisor {
    /// Who lives in a scope now, the process itself first.
    func members(of process: ManagedProcess, _ scope: KillScope) -> [Int32] {
        let own = process.child.map { _ in process.pid ?? 0 }
        switch scope {
        case .process: return own.map { [$0] } ?? []
        case .group:
            guard let group = process.processGroup else { return own.map { [$0] } ?? [] }
            return ProcFS.all().filter { $0.pgid == group && !$0.isDead && isForeign($0.pid) }.map(\.pid)
        case .tree:
            if process.hadCgroup { return (process.cgroup?.members() ?? []).filter(isForeign) }
            return treeWithoutCgroup(process)
        }
    }

    /// Neither init nor the server itself.
    private func isForeign(_ pid: Int32) -> Bool { pid > 1 && pid != getpid() }

    /// Its descendants, its session, and orphans that have come to us with its mark in their environment, with what
    /// lives below those. The mark is a hint: a program can take it off.
    private func treeWithoutCgroup(_ process: ManagedProcess) -> [Int32] {
        let own = process.child.map { _ in process.pid ?? 0 }
        let session = process.spec.session == .new ? process.pid : nil
        var found: [Int32] = []
        if let pid = process.pid, own != nil || session != nil {
            found = ProcFS.descendants(of: pid, alsoSession: session)
        }
        let mark = Array("PROCCTL_PROCESS=\(process.id)".utf8)
        for orphan in ProcFS.children(of: getpid()) where table.process(pid: orphan) == nil {
            guard !found.contains(orphan), ProcFS.environment(of: orphan).contains(mark) else { continue }
            found.append(orphan)
            found += ProcFS.descendants(of: orphan).filter { !found.contains($0) }
        }
        let living = found.filter { isForeign($0) && table.process(pid: $0).map { $0 === process } ?? true }
        return (own.map { [$0] } ?? []) + living.filter { $0 != own }
    }

    /// Exited processes of whose trees something lives.
    func leftTrees() -> [ManagedProcess] {
        let exited = table.all.filter(\.isExited)
        var left = exited.filter { $0.cgroup != nil }
        if exited.contains(where: { !$0.hadCgroup }) {
            // One look at all processes, not one for each record.
            let all = ProcFS.all().filter { !$0.isDead }
            let sessions = Set(all.map(\.session))
            let marks = all.filter { $0.ppid == getpid() }.flatMap { ProcFS.environment(of: $0.pid) }
            let marked = Set(marks)
            left += exited.filter { process in
                guard !process.hadCgroup else { return false }
                return process.spec.session == .new && process.pid.map(sessions.contains) == true
                    || marked.contains(Array("PROCCTL_PROCESS=\(process.id)".utf8))
            }
        }
        return left.sorted { $0.id < $1.id }
    }

    /// Sends a signal to a scope. Returns whom it reached.
    func send(_ signal: Int32, to process: ManagedProcess, _ scope: KillScope) -> [Int32] {
        if scope == .process { return signalLeader(process, signal) ? [process.pid ?? 0] : [] }
        thaw(process, signal)
        if scope == .tree, signal == SIGKILL, let cgroup = process.cgroup {
            let members = cgroup.members()
            // Kills also what forks at this moment (Linux 5.14); else member by member, below.
            if (try? cgroup.kill()) != nil { return members }
        }
        // Until a look finds nobody new: a fork between the look and the signal is found by the next one.
        var reached: [Int32] = []
        for _ in 0..<Self.rounds {
            let new = members(of: process, scope).filter { !reached.contains($0) }
            if new.isEmpty { break }
            let signalled = signalEach(new, signal, of: process, scope)
            if signalled.isEmpty { break }
            reached += signalled
        }
        return reached
    }

    private static let rounds = 10

    private func signalEach(
        _ pids: [Int32], _ signal: Int32, of process: ManagedProcess, _ scope: KillScope
    ) -> [Int32] {
        var opened: [(pid: Int32, pidfd: SharedDescriptor)] = []
        for pid in pids {
            if pid == process.pid, process.child != nil { continue }
            if let pidfd = try? ChildProcess.open(pid) { opened.append((pid, SharedDescriptor(pidfd))) }
        }
        let still = opened.isEmpty ? [] : Set(members(of: process, scope))
        var reached: [Int32] = []
        if pids.contains(process.pid ?? 0), signalLeader(process, signal) { reached.append(process.pid ?? 0) }
        for (pid, pidfd) in opened where still.contains(pid) {
            if ChildProcess.signal(raw: pidfd.raw, signal) {
                wake(pid, after: signal, pidfd.raw)
                reached.append(pid)
            }
        }
        return reached
    }

    private func signalLeader(_ process: ManagedProcess, _ signal: Int32) -> Bool {
        guard let child = process.child else { return false }
        guard ChildProcess.signal(raw: child.pidfd.raw, signal) else { return false }
        wake(child.pid, after: signal, child.pidfd.raw)
        return true
    }

    /// A stopped process would not see these before somebody lets it go on.
    private func wake(_ pid: Int32, after signal: Int32, _ pidfd: Int32) {
        guard signal == SIGTERM || signal == SIGHUP || signal == SIGINT, ProcFS.stat(pid)?.state == "T" else { return }
        _ = ChildProcess.signal(raw: pidfd, SIGCONT)
    }

    private func thaw(_ process: ManagedProcess, _ signal: Int32) {
        guard let cgroup = process.cgroup, [SIGTERM, SIGHUP, SIGINT, SIGKILL].contains(signal), cgroup.frozen else {
            return
        }
        try? cgroup.freeze(false)
    }
}
