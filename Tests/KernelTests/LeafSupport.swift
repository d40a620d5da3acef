// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import SystemPackage
import Testing

@testable import Kernel

/// A directory of the test's own, 0700, removed with all that is in it.
final class Scratch: Sendable {
    let path: String

    init() throws {
        // Short, so that a socket's path fits.
        var template = Array("/tmp/pkXXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { Self.removeAll(path) }

    private static func removeAll(_ path: String) {
        if let directory = try? Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
            try? directory.forEachEntry { (name, _) in removeAll("\(path)/\(name)") }
        }
        remove(path)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        let file = try Descriptor.open(file(name), O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        #expect(try file.write(text) == text.utf8.count)
        return self.file(name)
    }
}

/// A child in a session of its own; with its session it is killed and reaped at the end.
final class Helper: Sendable {
    let pid: pid_t

    /// Runs `argv` (posix_spawnp(3)) with the given descriptors as its 0, 1, …
    init(_ argv: [String], descriptors: [CInt: CInt] = [:]) throws {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // POSIX_SPAWN_SETSID, which Swift does not import (spawn.h).
        posix_spawnattr_setflags(&attributes, 0x80)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, source) in descriptors { posix_spawn_file_actions_adddup2(&actions, source, target) }
        var words = argv.map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, argv[0], &actions, &attributes, &words, environ)
        try #require(result == 0, "cannot start \(argv): \(Errno(rawValue: result))")
        self.pid = pid
    }

    deinit {
        for other in ProcFS.all() where other.session == pid { kill(other.pid, SIGKILL) }
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// Waits for the exit without reaping.
    func waitExited() {
        var info = siginfo_t()
        waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT)
    }
}

/// Waits up to 10 s for a condition.
func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<5000 {
        if condition() { return true }
        usleep(2000)
    }
    return condition()
}

/// The inode of an open file.
func inode(of descriptor: CInt) throws -> UInt64 {
    var info = stat()
    try #require(fstat(descriptor, &info) == 0)
    return UInt64(info.st_ino)
}

/// A pipe, both ends close-on-exec.
struct TestPipe: ~Copyable {
    let reading: Descriptor
    let writing: Descriptor
}

func makePipe() throws -> TestPipe {
    var (reading, writing): (CInt, CInt) = (-1, -1)
    try kernelResult(pk_pipe(&reading, &writing))
    return TestPipe(reading: Descriptor(taking: reading), writing: Descriptor(taking: writing))
}

extension Descriptor {
    /// Writes a text in one write(2).
    borrowing func write(_ text: String) throws -> Int {
        let number = raw
        return try systemCall { Glibc.write(number, text, text.utf8.count) }
    }
}
