// SPDX-License-Identifier: Apache-2.0
public import Glibc
import Synchronization
public import SystemPackage

/// The group of one process tree. A program can leave it only with rights over the server's groups, so the tree is
/// complete, whatever it forks and whoever its parents are.
///
/// All files are reached from the directory's descriptor: neither a rename nor a new mount can lead elsewhere.
public final class Cgroup: Sendable {
    public let name: String
    /// The directory, for CLONE_INTO_CGROUP (clone(2)).
    public let directory: Descriptor
    /// cgroup.events: EPOLLPRI (and EPOLLERR) when `populated` or `frozen` has changed since they were last read.
    public let events: Descriptor
    private let wasKilled = Atomic(false)

    private let hierarchy: CgroupHierarchy

    init(name: String, in hierarchy: CgroupHierarchy) throws(Errno) {
        guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(where: { $0 == 0x2F || $0 == 0 }) else {
            throw .invalidArgument
        }
        let parent = hierarchy.directory.raw
        try systemCall { mkdirat(parent, name, 0o755) }
        do throws(Errno) {
            let directory = try hierarchy.directory.open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            self.events = try directory.open("cgroup.events", O_RDONLY).lifted()
            self.directory = directory.lifted()
        } catch {
            _ = unlinkat(parent, name, AT_REMOVEDIR)
            throw error
        }
        self.name = name
        self.hierarchy = hierarchy
        // An event counts from the last read.
        _ = populated()
    }

    /// Whether anything runs in the group or below it; zombies do not count. Also rearms `events`.
    public func populated() -> Bool { event("populated 1") }

    /// Whether it is as it was made, for another tree to be born in: not frozen, nothing made below it (each group
    /// below is a link of the directory), never killed. What is cloned into a group that was killed once dies at birth:
    /// the kernel compares the group's count of kills with that of the parent's group (seen on Linux 6.18).
    public func isPristine() -> Bool {
        var status = stat()
        return !wasKilled.load(ordering: .relaxed) && fstat(directory.raw, &status) == 0 && status.st_nlink <= 2
            && !frozen
    }

    /// Whether every process of the group has come to a stop (`freeze(true)` only asks for it). Also rearms `events`.
    public var frozen: Bool { event("frozen 1") }

    /// Kills the whole tree with SIGKILL, forks that are just happening included, frozen or not (cgroup.kill, Linux
    /// 5.14). ENOENT on an older kernel.
    public func kill() throws(Errno) {
        wasKilled.store(true, ordering: .relaxed)
        try write("1", to: "cgroup.kill")
    }

    /// Asks for the tree to be stopped below the notice of its programs, or to go on (cgroup.freeze, Linux 5.2).
    public func freeze(_ on: Bool) throws(Errno) { try write(on ? "1" : "0", to: "cgroup.freeze") }

    /// The processes of the group and of groups made below it. Zombies are not among them.
    public func members() -> [pid_t] {
        var found: [pid_t] = []
        collectMembers(of: directory, depth: 0, into: &found)
        return found
    }

    /// Removes the group and those below it. False: something runs in it, or it may not be removed; it stays.
    public func remove() -> Bool {
        guard removeGroups(in: directory, depth: 0) else { return false }
        return removeGroup(name, in: hierarchy.directory)
    }

    private func write(_ text: String, to file: String) throws(Errno) {
        let file = try directory.open(file, O_WRONLY)
        let number = file.raw
        try systemCall { Glibc.write(number, text, text.utf8.count) }
    }

    /// Whether `line` is in cgroup.events. Of a group that has been removed nothing is true (ENODEV).
    private func event(_ line: String) -> Bool {
        let number = events.raw
        var bytes = [UInt8](repeating: 0, count: 128)
        let room = bytes.count
        guard let count = (try? systemCall { pread(number, &bytes, room, 0) }) else { return false }
        return bytes[..<count].split(separator: 0x0A).contains { $0.elementsEqual(line.utf8) }
    }
}

/// Groups nested deeper are left alone: each level holds a descriptor.
private let deepest = 100

/// The names of the groups in a group.
private func groupNames(in directory: borrowing Descriptor) -> [String] {
    var names: [String] = []
    try? directory.forEachEntry { (name, type) in if type == DT_DIR { names.append(name) } }
    return names
}

private func collectMembers(of directory: borrowing Descriptor, depth: Int, into found: inout [pid_t]) {
    if let file = try? directory.open("cgroup.procs", O_RDONLY), let text = try? file.readToEnd() {
        // 0 stands for a process outside this pid namespace.
        found += text.split(separator: 0x0A).compactMap { pid_t(String(decoding: $0, as: UTF8.self)) }.filter { $0 > 0 }
    }
    guard depth < deepest else { return }
    for name in groupNames(in: directory) {
        guard let child = try? directory.open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { continue }
        collectMembers(of: child, depth: depth + 1, into: &found)
    }
}

/// Removes the groups in a group, innermost first. False if one is left.
func removeGroups(in directory: borrowing Descriptor, depth: Int) -> Bool {
    var gone = true
    for name in groupNames(in: directory) {
        if depth < deepest, let child = try? directory.open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
            _ = removeGroups(in: child, depth: depth + 1)
        }
        if !removeGroup(name, in: directory) { gone = false }
    }
    return gone
}

/// rmdir(2) of one group: true when it is gone. EBUSY: something runs in it or groups are below it.
func removeGroup(_ name: String, in directory: borrowing Descriptor) -> Bool {
    unlinkat(directory.raw, name, AT_REMOVEDIR) == 0 || errno == ENOENT
}
