// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import Testing

@testable import Kernel

@Suite struct ListeningSocketTests {
    let scratch: Scratch
    let path: String
    let lock: ServerLock

    init() throws {
        scratch = try Scratch()
        path = scratch.file("s")
        lock = try ServerLock.acquire(beside: path)
    }

    /// 0 or the errno of a connection.
    private func connection() throws -> CInt {
        let client = try makeSocket(SOCK_STREAM)
        return SocketPath.withAddress(path) { connect(client.raw, $0, $1) == 0 ? 0 : errno }
    }

    @Test func itListensAndIsItsUsersOnly() async throws {
        let listening = try ListeningSocket.bind(path, under: lock)
        var info = stat()
        try #require(lstat(path, &info) == 0)
        #expect(info.st_mode == S_IFSOCK | 0o600)
        #expect(fcntl(listening.descriptor.raw, F_GETFD) == FD_CLOEXEC)
        #expect(fcntl(listening.descriptor.raw, F_GETFL) & O_NONBLOCK != 0)
        #expect(accept(listening.descriptor.raw, nil, nil) == -1 && errno == EAGAIN)
        #expect(try connection() == 0)
        let accepted = accept(listening.descriptor.raw, nil, nil)
        #expect(accepted >= 0)
        close(accepted)
    }

    @Test func theModeDoesNotHangOnTheUmask() async {
        await #expect(processExitsWith: .success) {
            umask(0)
            let scratch = try Scratch()
            let lock = try ServerLock.acquire(beside: scratch.file("s"))
            let listening = try ListeningSocket.bind(scratch.file("s"), under: lock)
            var info = stat()
            #expect(lstat(try #require(listening.path), &info) == 0)
            #expect(info.st_mode == S_IFSOCK | 0o600)
            #expect(umask(0) == 0)
        }
    }

    @Test func aStaleSocketIsReplaced() throws {
        do { _ = try ListeningSocket.bind(path, under: lock) }
        #expect(eventually { (try? connection()) == ECONNREFUSED })
        let next = try ListeningSocket.bind(path, under: lock)
        #expect(try connection() == 0)
        next.unlink()
        #expect(access(path, F_OK) != 0)
    }

    @Test func aSocketInUseStays() throws {
        let other = try ListeningSocket.bind(path, under: lock)
        #expect(throws: ListeningSocketError.inUse(path)) { try ListeningSocket.bind(path, under: lock) }
        #expect(try connection() == 0)
        withExtendedLifetime(other) {}
    }

    @Test func anythingElseStays() throws {
        try scratch.write("precious", to: "s")
        #expect(throws: ListeningSocketError.occupied(path)) { try ListeningSocket.bind(path, under: lock) }
        #expect(ProcFS.contents(of: path) == Array("precious".utf8))
        unlink(path)
        symlink("nowhere", path)
        #expect(throws: ListeningSocketError.occupied(path)) { try ListeningSocket.bind(path, under: lock) }
    }

    @Test func aDatagramSocketIsSomebodys() throws {
        let other = try makeSocket(SOCK_DGRAM)
        try #require(SocketPath.withAddress(path) { Glibc.bind(other.raw, $0, $1) } == 0)
        #expect(throws: ListeningSocketError.inUse(path)) { try ListeningSocket.bind(path, under: lock) }
    }

    @Test func whatCannotBeBoundIsSaid() throws {
        let long = scratch.file(String(repeating: "x", count: 120))
        let bytes = long.utf8.count
        #expect(throws: ListeningSocketError.path(.tooLong(long, bytes: bytes))) {
            try ListeningSocket.bind(long, under: lock)
        }
        let missing = scratch.file("none/s")
        let failure = ListeningSocketError.failed("cannot listen on \(missing)", reason: "No such file or directory")
        #expect(throws: failure) { try ListeningSocket.bind(missing, under: lock) }
    }

    /// Idle exit: away with the name, then who has come is still served.
    @Test func unlinkLeavesTheQueueAndWhatOthersMade() throws {
        let first = try ListeningSocket.bind(path, under: lock)
        #expect(try connection() == 0)
        first.unlink()
        #expect(try connection() == ENOENT)
        let waiting = accept(first.descriptor.raw, nil, nil)
        #expect(waiting >= 0)
        close(waiting)
        let second = try ListeningSocket.bind(path, under: lock)
        first.unlink()
        #expect(try connection() == 0, "the other's socket is still there")
        withExtendedLifetime(second) {}
    }

    @Test func aPassedSocketIsChecked() throws {
        let listening = try ListeningSocket.bind(path, under: lock)
        let passed = try listening.descriptor.duplicate()
        try passed.setNonblocking(false)
        try #require(fcntl(passed.raw, F_SETFD, 0) == 0)
        let adopted = try ListeningSocket.adopt(passed)
        #expect(adopted.path == nil)
        #expect(fcntl(adopted.descriptor.raw, F_GETFD) == FD_CLOEXEC)
        #expect(fcntl(adopted.descriptor.raw, F_GETFL) & O_NONBLOCK != 0)
        adopted.unlink()
        #expect(access(path, F_OK) == 0)
    }

    @Test func whatIsNoListeningUnixSocketIsRefused() throws {
        #expect(throws: ListeningSocketError.unfit("it does not listen")) {
            try ListeningSocket.adopt(makeSocket(SOCK_STREAM))
        }
        #expect(throws: ListeningSocketError.unfit("it is not a stream socket")) {
            try ListeningSocket.adopt(makeSocket(SOCK_DGRAM))
        }
        #expect(throws: ListeningSocketError.unfit("it is not a Unix socket")) {
            let number = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            return try ListeningSocket.adopt(Descriptor(taking: number))
        }
        #expect(throws: ListeningSocketError.unfit("Socket operation on non-socket")) {
            try ListeningSocket.adopt(Descriptor.open("/dev/null", O_RDONLY))
        }
    }
}
