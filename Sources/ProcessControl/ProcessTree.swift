// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// Who belongs to a process, and signals to them.
///
/// Nothing is ever signalled by a bare pid: it is opened as a pidfd first, then asked once more whether it still
/// belongs, so that a number which has come to mean another process is not hit (pidfd_open(2)).
extension Supervisor {
    func look() -> TreeSnapshot {
        TreeSnapshot { self.table.process(pid: $0) != nil }
    }

    /// Whether the members of a scope can only be told from a look at all processes.
    func needsLook(_ process: ManagedProcess, _ scope: KillScope) -> Bool {
        switch scope {
        case .process: false
        case .group: process.processGroup != nil
        case .tree: !process.hadCgroup
        }
    }

    /// Who lives in a scope now, the process itself first.
    func members(of process: ManagedProcess, _ scope: KillScope, _ snapshot: TreeSnapshot? = nil) -> [Int32] {
        let own = process.child.map { [$0.pid] } ?? []
        if scope == .process { return own }
        if process.hadCgroup {
            let inCgroup = (process.cgroup?.members() ?? []).filter { $0 > 1 && $0 != getpid() }
            guard scope == .group, let group = process.processGroup else { return scope == .tree ? inCgroup : own }
            if inCgroup.isEmpty { return [] }
            return (snapshot ?? look()).members(ofGroup: group).filter(inCgroup.contains)
        }
        if process.isExited, remains[process.id] == nil { return [] }
        let snapshot = snapshot ?? look()
        if scope == .group {
            guard process.processGroup != nil else { return own }
            return liveGroup(of: process, snapshot).map(snapshot.members) ?? []
        }
        var group = liveGroup(of: process, snapshot)
        // Who joined a group does not own it.
        if case .join = process.spec.session { group = nil }
        let found = snapshot.tree(
            leader: process.child?.pid, session: process.spec.session == .new ? group : nil, group: group,
            mark: TreeSnapshot.mark(of: process.id))
        // A managed process is its own tree, even when it was started from within this one.
        return own + found.filter { table.process(pid: $0).map { $0 === process } ?? true }
    }

    /// The number of its group, and of its session if it has one of its own, as long as it means these.
    private func liveGroup(of process: ManagedProcess, _ snapshot: TreeSnapshot) -> Int32? {
        guard let group = process.processGroup else { return nil }
        switch process.spec.session {
        case .new, .group: return process.child == nil && snapshot.isReused(group) ? nil : group
        // Nobody leads it, and a leader of that number is of another one.
        case .apart: return snapshot.isReused(group) ? nil : group
        // Others may have left it, and its number may be a new group's, once this process is gone.
        case .join, .inherit: return process.child == nil ? nil : group
        }
    }

    /// Exited processes of whose trees something lives.
    func leftTrees() -> [ManagedProcess] {
        let snapshot = remains.isEmpty ? nil : look()
        let marked = remains.values.filter { !members(of: $0, .tree, snapshot).isEmpty }
        return (table.all.filter { $0.isExited && $0.cgroup != nil } + marked).sorted { $0.id < $1.id }
    }

    /// An exited process's tree is looked for soon, before its number can mean another: what has nothing left is
    /// done with.
    func lookAtRemains() {
        if remains.isEmpty { return }
        remainsChanged = true
        lookSoon()
    }

    // MARK: Signals

    /// Sends a signal to a scope of each process. Returns whom it reached, in their order.
    func send(_ signal: Int32, to processes: [(process: ManagedProcess, scope: KillScope)]) -> [[Int32]] {
        var reached: [[Int32]] = Array(repeating: [], count: processes.count)
        var open: [Int] = []
        for (index, (process, scope)) in processes.enumerated() {
            if scope == .process {
                reached[index] = signalLeader(process, signal) ? [process.pid ?? 0] : []
            } else if let killed = killCgroup(of: process, signal, scope) {
                reached[index] = killed
            } else {
                if scope == .tree { thaw(process, signal) }
                open.append(index)
            }
        }
        // Until a look finds nobody new: a fork between the look and the signal is found by the next one.
        for _ in 0..<Self.rounds where !open.isEmpty {
            open = signalNew(signal, processes, open, &reached)
        }
        return reached
    }

    private static let rounds = 10

    /// One round over those of `processes` that `open` names. Returns those in which somebody new was found.
    private func signalNew(
        _ signal: Int32, _ processes: [(process: ManagedProcess, scope: KillScope)], _ open: [Int],
        _ reached: inout [[Int32]]
    ) -> [Int] {
        let first = open.contains { needsLook(processes[$0].process, processes[$0].scope) } ? look() : nil
        var found: [(index: Int, pid: Int32, pidfd: SharedDescriptor)] = []
        var leaders: [Int] = []
        for index in open {
            let (process, scope) = processes[index]
            for pid in members(of: process, scope, first) where !reached[index].contains(pid) {
                if pid == process.child?.pid {
                    leaders.append(index)
                } else if let pidfd = try? ChildProcess.open(pid) {
                    found.append((index, pid, SharedDescriptor(pidfd)))
                }
            }
        }
        let second = first != nil && !found.isEmpty ? look() : nil
        var still: [Int: Set<Int32>] = [:]
        for index in Set(found.map(\.index)) {
            still[index] = Set(members(of: processes[index].process, processes[index].scope, second))
        }
        var touched: Set<Int> = []
        for index in leaders where signalLeader(processes[index].process, signal) {
            reached[index].append(processes[index].process.pid ?? 0)
            touched.insert(index)
        }
        for (index, pid, pidfd) in found where still[index]?.contains(pid) == true {
            guard ChildProcess.signal(raw: pidfd.raw, signal) else { continue }
            wake(pid, after: signal, pidfd.raw)
            reached[index].append(pid)
            touched.insert(index)
        }
        return touched.sorted()
    }

    /// The whole tree at once, forks of this moment included (Linux 5.14). Nil where that cannot be.
    private func killCgroup(of process: ManagedProcess, _ signal: Int32, _ scope: KillScope) -> [Int32]? {
        guard scope == .tree, signal == SIGKILL, let cgroup = process.cgroup else { return nil }
        let members = cgroup.members()
        return (try? cgroup.kill()) == nil ? nil : members
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
