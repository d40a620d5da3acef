// SPDX-License-Identifier: Apache-2.0
public import Glibc
public import SystemPackage

/// The group of one process tree. A program can leave it only with rights over the server's groups, so the tree is
/// complete, whatever it forks and whoever its parents are.
///
/// All files are reached from the directory of the server's own group, and opened when they are needed: thousands of
/// trees that only live hold no descriptors.
public final class Cgroup {
    public let name: String
    private let hierarchy: CgroupHierarchy
    private var directory: Descriptor?
    private var events: Descriptor?
    private var wasKilled = false

    init(name: String, in hierarchy: CgroupHierarchy) throws(Errno) {
        guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(where: { $0 == 0x2F || $0 == 0 }) else {
            throw .invalidArgument
        }
        let parent = hierarchy.directory.raw
        try systemCall { mkdirat(parent, name, 0o755) }
        self.name = name
        self.hierarchy = hierarchy
    }

    // MARK: What may stay open

    /// The directory, for CLONE_INTO_CGROUP (clone(2)). Stays open until `closeFiles`.
    public func directoryNumber() throws(Errno) -> CInt {
        if let number = Self.number(of: directory) { return number }
        let opened = try openDirectory().lifted()
        let number = opened.raw
        directory = consume opened
        return number
    }

    /// cgroup.events: EPOLLPRI (and EPOLLERR) when `populated` or `frozen` has changed since they were last read. Stays
    /// open until `closeFiles`.
    public func eventsNumber() throws(Errno) -> CInt {
        if let number = Self.number(of: events) { return number }
        let opened = try open("cgroup.events", O_RDONLY).lifted()
        let number = opened.raw
        events = consume opened
        return number
    }

    /// Not while anybody watches them.
    public func closeFiles() {
        directory = nil
        events = nil
    }

    private static func number(of descriptor: borrowing Descriptor?) -> CInt? {
        switch descriptor {
        case .some(let open): open.raw
        case .none: nil
        }
    }

    // MARK: State

    /// Whether anything runs in the group or below it; zombies do not count. Also rearms the events. If it cannot be
    /// told, for want of a descriptor, something may run.
    public func populated() -> Bool {
        do throws(Errno) {
            return try Self.says("populated 1", try eventsNumber())
        } catch {
            return !Self.isGone(error)
        }
    }

    /// Whether it is as it was made, for another tree to be born in: not frozen, nothing made below it, never killed. What
    /// is cloned into a group that was killed once dies at birth:
    /// the kernel compares the group's count of kills with that of the parent's group (seen on Linux 6.18).
    public func isPristine() -> Bool {
        !wasKilled && links == 2 && !frozen
    }

    /// Whether every process of the group has come to a stop (`freeze(true)` only asks for it). Also rearms the events.
    public var frozen: Bool {
        if let number = Self.number(of: events) { return (try? Self.says("frozen 1", number)) ?? false }
        guard let file = try? open("cgroup.events", O_RDONLY) else { return false }
        return (try? Self.says("frozen 1", file.raw)) ?? false
    }

    /// Whether cgroup.events says that now. Read for every process that ends: no String is made of it.
    private static func says(_ line: StaticString, _ events: CInt) throws(Errno) -> Bool {
        var bytes = InlineArray<128, CChar>(repeating: 0)
        return try withUnsafeMutableBytes(of: &bytes) { room throws(Errno) in
            // The last zero stays.
            try systemCall { pread(events, room.baseAddress, room.count - 1, 0) }
            return room.baseAddress.flatMap { strstr($0.assumingMemoryBound(to: CChar.self), line.utf8Start) } != nil
        }
    }

    /// Somebody has removed it: nothing runs in it.
    private static func isGone(_ error: Errno) -> Bool { error == .noSuchFileOrDirectory || error.rawValue == ENODEV }

    // MARK: Acts

    /// Kills the whole tree with SIGKILL, forks that are just happening included, frozen or not (cgroup.kill, Linux
    /// 5.14). ENOENT on an older kernel.
    public func kill() throws(Errno) {
        wasKilled = true
        try write("1", to: "cgroup.kill")
    }

    /// Asks for the tree to be stopped below the notice of its programs, or to go on (cgroup.freeze, Linux 5.2).
    public func freeze(_ on: Bool) throws(Errno) { try write(on ? "1" : "0", to: "cgroup.freeze") }

    /// The processes of the group and of groups made below it. Zombies are not among them.
    public func members() -> [pid_t] {
        var found: [pid_t] = []
        if let file = try? open("cgroup.procs", O_RDONLY) { found = pids(in: file) }
        // To walk over the files of a group costs several times as much as to read who is in it.
        guard let links, links > 2, let directory = try? openDirectory() else { return found }
        collectMembers(below: directory, depth: 0, into: &found)
        return found
    }

    /// The links of the directory: two, and one for each group made below it. Nil when it is gone.
    private var links: Int? {
        var status = stat()
        return fstatat(hierarchy.directory.raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? Int(status.st_nlink) : nil
    }

    /// Removes the group and those below it. False: something runs in it, or it may not be removed; it stays.
    public func remove() -> Bool {
        if removeGroup(name, in: hierarchy.directory) { return true }
        guard let directory = try? openDirectory(), removeGroups(in: directory, depth: 0) else { return false }
        return removeGroup(name, in: hierarchy.directory)
    }

    // MARK: Files

    private func openDirectory() throws(Errno) -> Descriptor {
        try hierarchy.directory.open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    }

    func open(_ file: String, _ flags: CInt) throws(Errno) -> Descriptor {
        try hierarchy.directory.open("\(name)/\(file)", flags | O_NOFOLLOW)
    }

    private func write(_ text: String, to file: String) throws(Errno) {
        let file = try open(file, O_WRONLY)
        let number = file.raw
        try systemCall { Glibc.write(number, text, text.utf8.count) }
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

private func pids(in file: borrowing Descriptor) -> [pid_t] {
    guard let text = try? file.readToEnd() else { return [] }
    // 0 stands for a process outside this pid namespace.
    return text.split(separator: 0x0A).compactMap { pid_t(String(decoding: $0, as: UTF8.self)) }.filter { $0 > 0 }
}

private func collectMembers(below directory: borrowing Descriptor, depth: Int, into found: inout [pid_t]) {
    guard depth < deepest else { return }
    for name in groupNames(in: directory) {
        guard let child = try? directory.open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { continue }
        if let file = try? child.open("cgroup.procs", O_RDONLY) { found += pids(in: file) }
        collectMembers(below: child, depth: depth + 1, into: &found)
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
