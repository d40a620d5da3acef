// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Kernel

@Suite struct ProcFSTests {
    @Test func statIsWhatTheSystemCallsSay() throws {
        let own = try #require(ProcFS.stat(getpid()))
        #expect(own.pid == getpid())
        #expect(own.ppid == getppid())
        #expect(own.pgid == getpgrp())
        #expect(own.session == getsid(0))
        #expect(!own.isDead)
        #expect(own.residentKiB > 1000)
        #expect(own.threads >= 1)
        #expect(ProcFS.stat(getpid())?.startTime == own.startTime)
    }

    @Test func aNameMayLookLikeTheRestOfTheLine() throws {
        let scratch = try Scratch()
        let name = "a) Z 1 (b"
        try #require(symlink("/bin/sleep", scratch.file(name)) == 0)
        let child = try Helper([scratch.file(name), "60"])
        #expect(eventually { ProcFS.stat(child.pid).map { $0.comm == Array(name.utf8) } ?? false })
        let stat = try #require(ProcFS.stat(child.pid))
        #expect(stat.ppid == getpid())
        #expect(stat.session == child.pid)
    }

    @Test func aReapedProcessIsNotThere() throws {
        let child = try Helper(["true"])
        waitpid(child.pid, nil, 0)
        #expect(ProcFS.stat(child.pid) == nil)
        #expect(ProcFS.stat(0) == nil)
        #expect(ProcFS.children(of: child.pid) == [])
        #expect(ProcFS.descendants(of: child.pid) == [])
    }

    @Test func aZombieIsAChildButNoDescendant() throws {
        let child = try Helper(["true"])
        child.waitExited()
        let stat = try #require(ProcFS.stat(child.pid))
        #expect(stat.state == "Z")
        #expect(stat.isDead)
        #expect(ProcFS.children(of: getpid()).contains(child.pid))
        #expect(!ProcFS.descendants(of: getpid()).contains(child.pid))
        #expect(!ProcFS.descendants(of: 0, alsoSession: child.pid).contains(child.pid))
    }

    /// Its main thread has called pthread_exit(3): such a process shows Z and runs on.
    @Test func aMainThreadThatHasEndedIsNoZombie() throws {
        let tail = "7 7 0 -1 4194304 1 0 0 0 12 3 0 0 20 0 2 0 991 0 55 0"
        #expect(try #require(ProcStat(parsing: Array("7 (x) Z 1 \(tail)".utf8))).isDead == false)
        let dead = tail.replacingThreads(with: "1")
        #expect(try #require(ProcStat(parsing: Array("7 (x) Z 1 \(dead)".utf8))).isDead)
        for text in ["", "7", "7 (x", "7 x) Z", ") (", "7 (x) Z 1 2 3", "seven (x) Z 1 \(tail)"] {
            #expect(ProcStat(parsing: Array(text.utf8)) == nil)
        }
    }

    @Test func stoppedIsAState() throws {
        let child = try Helper(["sleep", "60"])
        kill(child.pid, SIGSTOP)
        #expect(eventually { ProcFS.stat(child.pid)?.state == "T" })
    }

    @Test func descendantsAreNearestFirst() throws {
        let child = try Helper(["sh", "-c", "sh -c 'sleep 60 & sleep 61 & wait' & wait"])
        #expect(eventually { ProcFS.descendants(of: child.pid).count == 3 })
        let found = ProcFS.descendants(of: child.pid)
        #expect(ProcFS.children(of: child.pid) == [found[0]])
        #expect(ProcFS.children(of: found[0]) == Array(found[1...]))
        #expect(ProcFS.descendants(of: getpid()).contains(found[2]))
        #expect(!ProcFS.descendants(of: getpid()).contains(getpid()))
    }

    /// The sleep whose parent is gone is found by its session, what left the session by its parent.
    @Test func orphansAreFoundBySession() throws {
        let child = try Helper(["sh", "-c", "(sleep 60 &); setsid sleep 62 & exec sleep 61"])
        #expect(eventually { ProcFS.descendants(of: child.pid, alsoSession: child.pid).count == 2 })
        #expect(eventually { ProcFS.descendants(of: child.pid).count == 1 })
        let below = ProcFS.descendants(of: child.pid)
        #expect(eventually { ProcFS.stat(below[0])?.session == below[0] })
        let tree = ProcFS.descendants(of: child.pid, alsoSession: child.pid)
        let orphan = try #require(tree.first { $0 != below[0] })
        #expect(ProcFS.stat(orphan)?.session == child.pid)
        #expect(ProcFS.stat(orphan)?.ppid != child.pid)
        kill(below[0], SIGKILL)
    }

    @Test func ownSessionNeverGivesThisProcess() {
        #expect(!ProcFS.descendants(of: 0, alsoSession: getsid(0)).contains(getpid()))
        #expect(!ProcFS.descendants(of: getppid(), alsoSession: nil).contains(getpid()))
    }

    @Test func childrenFilesAreJoined() throws {
        let scratch = try Scratch()
        for (task, text) in [("10", "11 12 "), ("13", ""), ("14", "15 ")] {
            mkdir(scratch.file(task), 0o700)
            try scratch.write(text, to: "\(task)/children")
        }
        #expect(ProcFS.children(listedIn: scratch.path).sorted() == [11, 12, 15])
        #expect(ProcFS.children(listedIn: scratch.file("none")) == [])
    }

    /// Other tests and the runtime open some meanwhile: the numbers are large, their bounds wide.
    @Test func ownDescriptorsAreCountedAndWalksLeaveNone() {
        func opened(since before: Int) -> Int { ProcFS.ownDescriptorCount() - before }
        let before = ProcFS.ownDescriptorCount()
        let numbers = (0..<300).map { _ in open("/dev/null", O_RDONLY | O_CLOEXEC) }
        #expect((200...400).contains(opened(since: before)))
        numbers.forEach { close($0) }
        for _ in 0..<100 {
            _ = ProcFS.children(of: getpid())
            _ = ProcFS.holders(pipe: 1)
        }
        #expect((-100...100).contains(opened(since: before)))
    }
}

extension String {
    fileprivate func replacingThreads(with count: String) -> String {
        var fields = split(separator: " ").map(String.init)
        fields[15] = count
        return fields.joined(separator: " ")
    }
}
