// SPDX-License-Identifier: Apache-2.0

/// All processes by id and by name. No I/O.
struct ProcessTable {
    private struct NameKey: Hashable {
        let uid: UInt32
        let name: String
    }

    private var processes: [Int: ManagedProcess] = [:]
    /// The one that has or last had a name.
    private var names: [NameKey: Int] = [:]
    private var pids: [Int32: ManagedProcess] = [:]
    private var lastID = 0
    /// Those that are neither starting nor exited.
    private(set) var living: [Int: ManagedProcess] = [:]

    var count: Int { processes.count }
    var all: some Collection<ManagedProcess> { processes.values }

    mutating func newID() -> Int {
        lastID += 1
        return lastID
    }

    mutating func insert(_ process: ManagedProcess) {
        processes[process.id] = process
        if let name = process.name { names[NameKey(uid: process.owner.uid, name: name)] = process.id }
    }

    mutating func remove(_ process: ManagedProcess) {
        processes[process.id] = nil
        living[process.id] = nil
        if let name = process.name { forget(name, of: process) }
    }

    private mutating func forget(_ name: String, of process: ManagedProcess) {
        let key = NameKey(uid: process.owner.uid, name: name)
        if names[key] == process.id { names[key] = nil }
    }

    /// Gives a process another name; nil takes its name away.
    mutating func rename(_ process: ManagedProcess, to name: String?) {
        if let old = process.name { forget(old, of: process) }
        process.name = name
        if let name { names[NameKey(uid: process.owner.uid, name: name)] = process.id }
    }

    mutating func markLiving(_ process: ManagedProcess) { living[process.id] = process }
    mutating func markExited(_ process: ManagedProcess) { living[process.id] = nil }
    mutating func setPid(_ pid: Int32, of process: ManagedProcess) { pids[pid] = process }
    mutating func clearPid(_ pid: Int32) { pids[pid] = nil }
    func process(pid: Int32) -> ManagedProcess? { pids[pid] }

    /// The unexited process that has this name.
    func holder(of name: String, uid: UInt32) -> ManagedProcess? {
        guard let id = names[NameKey(uid: uid, name: name)], let process = processes[id], !process.isExited else {
            return nil
        }
        return process
    }

    // MARK: For callers

    /// - Parameter viewer: the caller's uid; root and `serverUID` see all.
    func find(_ reference: ProcessReference, viewer: UInt32, serverUID: UInt32) throws(Refusal) -> ManagedProcess {
        switch reference {
        case .id(let id):
            if let process = processes[id], process.state != .starting,
                Self.sees(viewer, process, serverUID: serverUID)
            {
                return process
            }
            let wasThere = id >= 1 && id <= lastID && processes[id] == nil
            throw .noSuchProcess(reference, forgotten: wasThere)
        case .name(let name):
            if let id = names[NameKey(uid: viewer, name: name)], let process = processes[id],
                process.state != .starting
            {
                return process
            }
            // Root and the server's uid may mean somebody else's, if only one has it.
            let others = processes.values.filter {
                $0.name == name && $0.state != .starting && Self.sees(viewer, $0, serverUID: serverUID)
            }
            let unexited = others.filter { !$0.isExited }
            if let only = unexited.count == 1 ? unexited[0] : others.max(by: { $0.id < $1.id }),
                unexited.count <= 1
            {
                return only
            }
            throw .noSuchProcess(reference, forgotten: false)
        }
    }

    /// In the order asked for, or by id; each once.
    func select(
        _ selector: ProcessSelector, viewer: UInt32, serverUID: UInt32
    ) throws(Refusal) -> [ManagedProcess] {
        switch selector {
        case .these(let references):
            var seen: Set<Int> = []
            var found: [ManagedProcess] = []
            for reference in references {
                let process = try find(reference, viewer: viewer, serverUID: serverUID)
                if seen.insert(process.id).inserted { found.append(process) }
            }
            return found
        case .labels(let wanted):
            return visible(viewer, serverUID: serverUID) { process in
                process.hasLabels(wanted)
            }
        case .all:
            return visible(viewer, serverUID: serverUID) { _ in true }
        }
    }

    private func visible(
        _ viewer: UInt32, serverUID: UInt32, where condition: (ManagedProcess) -> Bool
    ) -> [ManagedProcess] {
        processes.values
            .filter {
                $0.state != .starting && Self.sees(viewer, $0, serverUID: serverUID) && condition($0)
            }
            .sorted { $0.id < $1.id }
    }

    func isVisible(_ process: ManagedProcess, to viewer: UInt32, serverUID: UInt32) -> Bool {
        Self.sees(viewer, process, serverUID: serverUID)
    }

    private static func sees(_ viewer: UInt32, _ process: ManagedProcess, serverUID: UInt32) -> Bool {
        viewer == 0 || viewer == serverUID || viewer == process.owner.uid
    }
}
