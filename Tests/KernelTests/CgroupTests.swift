// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import Testing

@testable import Kernel

/// On the machine's own cgroup2 mount. Where this user may make groups the first outcome is tested, else the refusal.
@Suite(.serialized) struct CgroupTests {
    /// A name no other run has.
    private static let instance = "test-\(getpid())"

    private func hierarchy(_ suffix: String = "") -> CgroupHierarchy? {
        do {
            return try CgroupHierarchy.find(instance: Self.instance + suffix)
        } catch {
            // Why not is said, and it is true: nobody who could make a group is refused.
            #expect(!error.reason.isEmpty)
            let places = CgroupHierarchy.locations(
                mountinfo: String(decoding: ProcFS.contents(of: "/proc/self/mountinfo") ?? [], as: UTF8.self),
                membership: String(decoding: ProcFS.contents(of: "/proc/self/cgroup") ?? [], as: UTF8.self))
            for place in places {
                let trial = place + "/procctl-trial-\(getpid())"
                let allowed = mkdir(trial, 0o700) == 0
                if allowed { rmdir(trial) }
                #expect(!allowed || access(place + "/cgroup.procs", W_OK) != 0, "refused: \(error)")
            }
            return nil
        }
    }

    /// Moves a process into a group, as a program started there would be.
    private func move(_ pid: pid_t, to group: Cgroup) throws {
        _ = try group.open("cgroup.procs", O_WRONLY).write("\(pid)")
    }

    /// Whether an event has come since the last read.
    private func changed(_ group: Cgroup, timeout: CInt = 0) throws -> Bool {
        var entry = pollfd(fd: try group.eventsNumber(), events: Int16(POLLPRI), revents: 0)
        return poll(&entry, 1, timeout) == 1
    }

    @Test func killReachesTheWholeTree() throws {
        guard let hierarchy = hierarchy() else { return }
        defer { #expect(hierarchy.removeAll()) }
        let group = try hierarchy.make(name: "1")
        #expect(!group.populated())
        #expect(group.members() == [])
        #expect(try !changed(group))
        let gate = try makePipe()
        let script = "read line; setsid sleep 60 & (setsid sh -c 'sleep 61 & sleep 62' &); sleep 63"
        let child = try Helper(["sh", "-c", script], descriptors: [0: gate.reading.raw])
        try move(child.pid, to: group)
        #expect(try changed(group, timeout: 5000))
        #expect(group.populated())
        #expect(try !changed(group))
        #expect(group.members() == [child.pid])
        _ = try gate.writing.write("go\n")
        #expect(eventually { group.members().count == 6 })
        #expect(!group.remove(), "a group in use stays")
        #expect(!hierarchy.removeAll())
        guard hierarchy.canKill else {
            #expect(throws: Errno.noSuchFileOrDirectory) { try group.kill() }
            group.members().forEach { kill($0, SIGKILL) }
            #expect(eventually { !group.populated() })
            return
        }
        try group.kill()
        #expect(try changed(group, timeout: 5000))
        #expect(eventually { !group.populated() })
        #expect(group.members() == [])
        // The child is a zombie now; that does not keep the group.
        child.waitExited()
        #expect(ProcFS.stat(child.pid)?.isDead == true)
        #expect(group.remove())
        #expect(group.remove(), "gone is gone")
        #expect(!group.populated())
        #expect(throws: Errno.self) { try group.kill() }
    }

    @Test func aFrozenTreeStandsStillAndCanBeKilled() throws {
        guard let hierarchy = hierarchy() else { return }
        defer { #expect(hierarchy.removeAll()) }
        let group = try hierarchy.make(name: "frozen")
        let child = try Helper(["sleep", "60"])
        try move(child.pid, to: group)
        #expect(!group.frozen)
        try group.freeze(true)
        #expect(eventually { group.frozen })
        try group.freeze(false)
        #expect(eventually { !group.frozen })
        try group.freeze(true)
        #expect(eventually { group.frozen })
        if hierarchy.canKill { try group.kill() } else { try group.freeze(false) }
        kill(child.pid, SIGKILL)
        #expect(eventually { !group.populated() })
        #expect(group.remove())
    }

    /// Whether a number is a file of this group still: other tests open and close at the same time.
    private func isOpen(_ number: CInt, in group: String) -> Bool {
        let path = Descriptor.path(of: number).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return path.split(separator: "/").contains { $0 == group }
    }

    /// What was let go of is opened again when it is needed.
    @Test func filesMayBeLetGoOf() throws {
        guard let hierarchy = hierarchy() else { return }
        defer { #expect(hierarchy.removeAll()) }
        let group = try hierarchy.make(name: "files")
        let child = try Helper(["sleep", "60"])
        try move(child.pid, to: group)
        for _ in 0..<3 {
            let (directory, events) = (try group.directoryNumber(), try group.eventsNumber())
            #expect(try group.directoryNumber() == directory && group.eventsNumber() == events)
            group.closeFiles()
            #expect(!isOpen(directory, in: "files") && !isOpen(events, in: "files"))
            #expect(!group.frozen && group.members() == [child.pid])
            #expect(!isOpen(events, in: "files"), "a question leaves nothing open")
            #expect(group.populated())
        }
        group.closeFiles()
        kill(child.pid, SIGKILL)
        #expect(eventually { group.remove() })
        group.closeFiles()
        #expect(!group.populated())
        #expect(throws: Errno.self) { try group.directoryNumber() }
    }

    /// What a program with a group of its own makes below it belongs to the tree.
    @Test func groupsBelowCountToo() throws {
        guard let hierarchy = hierarchy() else { return }
        defer { #expect(hierarchy.removeAll()) }
        let group = try hierarchy.make(name: "outer")
        for path in ["a", "a/b", "c"] { try #require(mkdirat(try group.directoryNumber(), path, 0o700) == 0) }
        let child = try Helper(["sleep", "60"])
        let file = try group.open("a/b/cgroup.procs", O_WRONLY)
        _ = try file.write("\(child.pid)")
        #expect(group.populated())
        #expect(group.members() == [child.pid])
        #expect(!group.remove())
        #expect(faccessat(try group.directoryNumber(), "c", F_OK, 0) != 0, "the empty one is gone")
        kill(child.pid, SIGKILL)
        #expect(eventually { group.remove() })
    }

    @Test(arguments: ["", ".", "..", "a/b", "/", "a\0b", "cgroup.procs"])
    func aGroupHasAPlainNewName(_ name: String) throws {
        guard let hierarchy = hierarchy() else { return }
        defer { #expect(hierarchy.removeAll()) }
        #expect(throws: Errno.self) { try hierarchy.make(name: name) }
        let group = try hierarchy.make(name: "x")
        #expect(throws: Errno.fileExists) { try hierarchy.make(name: "x") }
        #expect(group.remove())
    }

    @Test func onlyDeadServersGroupsAreRemoved() throws {
        guard let living = hierarchy() else { return }
        defer { #expect(living.removeAll()) }
        let base = String(living.path.dropLast("procctl-\(Self.instance)".count))
        let dead = base + "procctl-\(Self.instance)-dead"
        let foreign = base + "procctl-\(Self.instance).service"
        for path in [dead, dead + "/1", dead + "/1/2", foreign] { try #require(mkdir(path, 0o700) == 0) }
        defer { rmdir(foreign) }
        let child = try Helper(["sleep", "60"])
        _ = try Descriptor.open(dead + "/1/cgroup.procs", O_WRONLY).write("\(child.pid)")

        #expect(hierarchy("-next")?.removeAll() == true)
        #expect(access(living.path, F_OK) == 0, "its server lives")
        #expect(access(foreign, F_OK) == 0, "not of our form")
        #expect(access(dead + "/1", F_OK) == 0, "in use")
        #expect(access(dead + "/1/2", F_OK) != 0)

        kill(child.pid, SIGKILL)
        let swept = eventually { hierarchy("-next")?.removeAll() == true && access(dead, F_OK) != 0 }
        #expect(swept)
    }

    @Test func anInstanceHasOneServer() throws {
        guard let first = hierarchy() else { return }
        let error = #expect(throws: CgroupUnavailable.self) { try CgroupHierarchy.find(instance: Self.instance) }
        #expect(try #require(error).reason.contains("another server"))
        #expect(first.removeAll())
        for bad in ["", "a/b", "a.b", "..", String(repeating: "x", count: 65)] {
            #expect(throws: CgroupUnavailable.self) { try CgroupHierarchy.find(instance: bad) }
        }
    }

    private static let hybrid = """
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw
        """

    @Test(
        arguments: [
            (hybrid, "4:memory:/x\n0::/\n", ["/sys/fs/cgroup/unified"]),
            (hybrid, "0::/user.slice/a b.scope\n", ["/sys/fs/cgroup/unified/user.slice/a b.scope"]),
            (hybrid, "4:memory:/x\n", []),
            (hybrid, "0::/../elsewhere\n", []),
            ("30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate", "0::/x", ["/sys/fs/cgroup/x"]),
            ("30 23 0:26 / /mnt/a\\040b\\134 rw - cgroup2 cgroup rw", "0::/x", ["/mnt/a b\\/x"]),
            // A bind mount of a part, as a container without a cgroup namespace has it.
            ("30 23 0:26 /pod/1 /sys/fs/cgroup rw - cgroup2 cgroup rw", "0::/pod/1/x", ["/sys/fs/cgroup/x"]),
            ("30 23 0:26 /pod/1 /sys/fs/cgroup rw - cgroup2 cgroup rw", "0::/pod/1", ["/sys/fs/cgroup"]),
            ("30 23 0:26 /pod/1 /sys/fs/cgroup rw - cgroup2 cgroup rw", "0::/pod/12", []),
            ("30 23 0:26 / /a rw - cgroup2 c rw\n31 23 0:26 / /b rw - cgroup2 c rw", "0::/", ["/a", "/b"]),
            ("", "0::/", []), ("garbage\n- cgroup2", "0::/", []),
        ] as [(String, String, [String])])
    func ownGroupIsFoundInAnyMount(_ mountinfo: String, _ membership: String, _ places: [String]) {
        #expect(CgroupHierarchy.locations(mountinfo: mountinfo, membership: membership) == places)
    }
}
