// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// One look at all processes of the machine, from which the trees of many can be told: where no cgroup holds a tree
/// together, each further look costs a walk over /proc.
struct TreeSnapshot {
    private let pids: Set<Int32>
    private let byParent: [Int32: [ProcStat]]
    private let bySession: [Int32: [ProcStat]]
    private let byGroup: [Int32: [ProcStat]]
    /// Orphans that have come to us, by the mark they carry in their environment. A program can take it off.
    private let byMark: [[UInt8]: [ProcStat]]

    /// - Parameter isManaged: whether a child of ours is a process in its own right.
    init(isManaged: (Int32) -> Bool) {
        let own = getpid()
        // Neither init nor the server itself is ever signalled.
        let living = ProcFS.all().filter { !$0.isDead && $0.pid > 1 && $0.pid != own }
        pids = Set(living.map(\.pid))
        byParent = Dictionary(grouping: living, by: \.ppid)
        bySession = Dictionary(grouping: living, by: \.session)
        byGroup = Dictionary(grouping: living, by: \.pgid)
        var marks: [[UInt8]: [ProcStat]] = [:]
        for orphan in byParent[own] ?? [] where !isManaged(orphan.pid) {
            let mark = ProcFS.environment(of: orphan.pid).first { $0.starts(with: Self.markName) }
            if let mark { marks[mark, default: []].append(orphan) }
        }
        byMark = marks
    }

    private static let markName = Array("PROCCTL_PROCESS=".utf8)

    static func mark(of process: Int) -> [UInt8] { markName + Array(String(process).utf8) }

    func members(ofGroup group: Int32) -> [Int32] { (byGroup[group] ?? []).map(\.pid) }

    /// Whether a number that was a process's means another one now. The kernel gives a number away again only when no
    /// process, no group and no session has it: then nothing of the old one's is left.
    func isReused(_ pid: Int32) -> Bool { pids.contains(pid) }

    /// What lives below `leader`, in its session or group, or carries the mark, and what lives below those; without
    /// `leader`.
    func tree(leader: Int32?, session: Int32?, group: Int32?, mark: [UInt8]) -> [Int32] {
        var queue: [Int32] = []
        var seen: Set<Int32> = []
        func add(_ found: [ProcStat]?) {
            for stat in found ?? [] where stat.pid != leader && seen.insert(stat.pid).inserted {
                queue.append(stat.pid)
            }
        }
        if let leader { add(byParent[leader]) }
        if let session { add(bySession[session]) }
        if let group { add(byGroup[group]) }
        add(byMark[mark])
        var next = 0
        while next < queue.count {
            add(byParent[queue[next]])
            next += 1
        }
        return queue
    }
}
