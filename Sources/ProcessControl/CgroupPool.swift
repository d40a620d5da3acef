// SPDX-License-Identifier: Apache-2.0
import CKernel
public import Kernel
import SystemPackage

/// The cgroups of process trees. An empty one is used again: making and removing one costs a good part of a start.
public final class CgroupPool {
    private let hierarchy: CgroupHierarchy
    private var free: [Cgroup] = []
    private var made = 0
    private static let freeKept = 64
    private let loop: EventLoop
    private var trimDue = false
    private var isQuiet = false

    init(_ hierarchy: CgroupHierarchy, loop: EventLoop) {
        self.hierarchy = hierarchy
        self.loop = loop
    }

    /// Tries it, with a child that ends at once.
    public static func childrenCanBeBorn(in hierarchy: CgroupHierarchy) -> Bool {
        guard let probe = try? hierarchy.make(name: "probe") else { return false }
        defer { _ = probe.remove() }
        guard let directory = try? probe.directoryNumber() else { return false }
        return pk_clone_into_cgroup_works(directory)
    }

    var canKill: Bool { hierarchy.canKill }

    /// An empty cgroup; nil when none can be made any more, which leaves a process with its descendants.
    func take() -> Cgroup? {
        isQuiet = false
        if let cgroup = free.popLast() { return cgroup }
        made += 1
        return try? hierarchy.make(name: "tree-\(made)")
    }

    /// The tree has been born. Of a few its files stay open, for the next one to be born there; thousands would use the
    /// descriptors up.
    func bornIn(_ cgroup: Cgroup, living: Int) {
        if living > Self.freeKept { cgroup.closeFiles() }
    }

    /// Takes back one in which nothing runs. A program may have frozen it or made groups in it: such a one goes.
    func giveBack(_ cgroup: Cgroup) {
        guard free.count < Self.freeKept, cgroup.isPristine() else {
            _ = cgroup.remove()
            return
        }
        free.append(cgroup)
        if free.count > 1 { trimLater() }
    }

    /// What a burst left is removed when no process has been started for a second or two.
    private func trimLater() {
        guard !trimDue else { return }
        trimDue = true
        isQuiet = true
        loop.after(1000) { [weak self] in
            guard let self else { return }
            trimDue = false
            if !isQuiet { return trimLater() }
            for cgroup in free.dropFirst() { _ = cgroup.remove() }
            free.removeLast(max(0, free.count - 1))
        }
    }

    /// Kills whatever runs in any of them.
    func killAll() { hierarchy.killAll() }

    /// Removes everything; what still runs keeps its group.
    func close() {
        free = []
        _ = hierarchy.removeAll()
    }
}
