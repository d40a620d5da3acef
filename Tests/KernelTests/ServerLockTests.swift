// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Kernel

@Suite struct ServerLockTests {
    let scratch: Scratch
    let path: String

    init() throws {
        scratch = try Scratch()
        path = scratch.file("s")
    }

    @Test func onlyOneHasIt() throws {
        do {
            let lock = try ServerLock.acquire(beside: path)
            #expect(lock.path == path + ".lock")
            #expect(ProcFS.contents(of: lock.path) == Array("\(getpid())\n".utf8))
            #expect(throws: ServerLockError.held(by: getpid())) { try ServerLock.acquire(beside: path) }
            var info = stat()
            try #require(lstat(lock.path, &info) == 0)
            #expect(info.st_mode & 0o7777 == 0o600)
            #expect(ServerLockError.held(by: 7).description.contains("pid 7"))
        }
        #expect(access(path + ".lock", F_OK) == 0, "the file stays")
        // Another test's child may hold a copy between its fork and its exec.
        #expect(eventually { (try? ServerLock.acquire(beside: path)) != nil })
    }

    @Test func anotherProcessHasIt() throws {
        let holder = try Helper(["flock", path + ".lock", "sleep", "60"])
        #expect(eventually { (try? ServerLock.acquire(beside: path)) == nil })
        try scratch.write("123456\nnoise", to: "s.lock")
        #expect(throws: ServerLockError.held(by: 123456)) { try ServerLock.acquire(beside: path) }
        kill(-holder.pid, SIGKILL)
        #expect(eventually { (try? ServerLock.acquire(beside: path)) != nil })
        #expect(ProcFS.contents(of: path + ".lock") == Array("\(getpid())\n".utf8))
    }

    @Test func onlyAPlainFileWillDo() throws {
        let lock = path + ".lock"
        let target = try scratch.write("precious", to: "target")
        symlink(target, lock)
        #expect(throws: ServerLockError.notOurs(lock)) { try ServerLock.acquire(beside: path) }
        #expect(ProcFS.contents(of: target) == Array("precious".utf8))
        unlink(lock)
        mkfifo(lock, 0o600)
        #expect(throws: ServerLockError.notOurs(lock)) { try ServerLock.acquire(beside: path) }
        unlink(lock)
        mkdir(lock, 0o700)
        #expect(throws: ServerLockError.notOurs(lock)) { try ServerLock.acquire(beside: path) }
    }

    /// Who may give a file away finds another's; a plain user one that he may not write.
    @Test func aForeignFileIsRefused() throws {
        try scratch.write("", to: "s.lock")
        if chown(path + ".lock", 4242, 4242) == 0 {
            #expect(throws: ServerLockError.notOurs(path + ".lock")) { try ServerLock.acquire(beside: path) }
        } else {
            chmod(path + ".lock", 0)
            if access(path + ".lock", W_OK) != 0 {
                let error = ServerLockError.failed(path + ".lock", reason: "Permission denied")
                #expect(throws: error) { try ServerLock.acquire(beside: path) }
            } else {
                _ = try ServerLock.acquire(beside: path)
            }
        }
        let missing = ServerLockError.failed(path + "/s.lock", reason: "No such file or directory")
        #expect(throws: missing) { try ServerLock.acquire(beside: path + "/s") }
    }
}
