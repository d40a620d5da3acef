// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import SystemPackage
import Testing

@testable import Kernel

@MainActor @Suite(.serialized) struct ConnectedSocketTests {
    private let socket: ConnectedSocket
    private let peer: SharedDescriptor

    init() throws { (socket, peer) = try Self.pair() }

    nonisolated private static func numbers() throws -> (CInt, CInt) {
        var ends: [CInt] = [-1, -1]
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        try systemCall { socketpair(AF_UNIX, type, 0, &ends) }
        return (ends[0], ends[1])
    }

    private static func pair() throws -> (ConnectedSocket, SharedDescriptor) {
        let (ours, theirs) = try numbers()
        return (ConnectedSocket(Descriptor(taking: ours)), SharedDescriptor(Descriptor(taking: theirs)))
    }

    private func say(_ text: String, _ descriptors: [CInt] = []) {
        #expect(
            pk_send_descriptors(peer.raw, text, text.utf8.count, descriptors, descriptors.count) == text.utf8.count)
    }

    /// What one receive gives, of at most so many bytes.
    private func receive(_ capacity: Int = 100) throws -> (text: String, input: ConnectedSocket.Input) {
        var buffer = [UInt8](repeating: 0, count: capacity)
        let input = try buffer.withUnsafeMutableBytes { try socket.receive(into: $0) }
        return (String(decoding: buffer.prefix(input.count), as: UTF8.self), input)
    }

    private func peek(_ capacity: Int = 100) throws -> String {
        var buffer = [UInt8](repeating: 0, count: capacity)
        let count = try buffer.withUnsafeMutableBytes { try socket.peek(into: $0) }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    private func send(_ text: String) throws -> Int {
        try Array(text.utf8).withUnsafeBytes { try socket.send($0) }
    }

    // MARK: Bytes

    @Test func bytesComeAndGo() throws {
        #expect(throws: Errno.wouldBlock) { try receive() }
        #expect(throws: Errno.wouldBlock) { try peek() }
        say("hello")
        say(" world")
        #expect(try receive(7).text == "hello w")
        #expect(try receive().text == "orld")
        #expect(try send("answer") == 6)
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(read(peer.raw, &buffer, 10) == 6)
        #expect(socket.raw >= Descriptor.longLivedFloor, "it stays")
    }

    @Test func aPeekTakesNothing() throws {
        say("hello")
        #expect(try peek(3) == "hel")
        #expect(try peek() == "hello")
        #expect(try receive().text == "hello")
    }

    @Test func theEndOfInput() throws {
        say("last")
        shutdown(peer.raw, CInt(SHUT_WR))
        #expect(try receive().text == "last")
        #expect(try peek() == "")
        let end = try receive().input
        #expect(end.count == 0 && end.descriptors.isEmpty && !end.isTruncated)
        #expect(try send("still") == 5)
    }

    @Test func aPeerThatHasGoneIsAnErrorAndNoSignal() throws {
        shutdown(peer.raw, CInt(SHUT_RD))
        #expect(throws: Errno.brokenPipe) { try send("x") }
    }

    @Test func theKernelTakesNoMoreThanItHasRoomFor() throws {
        let text = String(repeating: "x", count: 1 << 20)
        var sent = 0
        #expect(throws: Errno.wouldBlock) { while true { sent += try send(text) } }
        #expect(sent > 0)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var taken = 0
        while taken < sent {
            let count = read(peer.raw, &buffer, buffer.count)
            try #require(count > 0)
            taken += count
        }
        #expect(taken == sent)
        #expect(try send("more") == 4)
    }

    @Test func itMayBeMadeBlocking() throws {
        try socket.setNonblocking(false)
        #expect(fcntl(socket.raw, F_GETFL) & O_NONBLOCK == 0)
        try socket.setNonblocking(true)
        #expect(fcntl(socket.raw, F_GETFL) & O_NONBLOCK != 0)
    }

    // MARK: Descriptors

    private func files(_ count: Int) throws -> [SharedDescriptor] {
        let pipes = try (0..<count).map { _ in try Pipe(.fromChild).ours }
        return pipes
    }

    private func inodes(_ descriptors: [SharedDescriptor]) -> [UInt64?] {
        descriptors.map { Descriptor.inode(of: $0.raw) }
    }

    @Test(arguments: [1, 2, 10]) func descriptorsComeInTheirOrder(_ count: Int) throws {
        let files = try files(count)
        say("take", files.map(\.raw))
        #expect(try peek() == "take", "a peek leaves them where they are")
        let (text, input) = try receive()
        #expect(text == "take")
        #expect(!input.isTruncated)
        #expect(inodes(input.descriptors) == inodes(files))
        #expect(input.descriptors.allSatisfy { fcntl($0.raw, F_GETFD) == FD_CLOEXEC })
        #expect(Set(input.descriptors.map(\.raw)).isDisjoint(with: files.map(\.raw)))
    }

    /// They come with the first byte that is taken, and those of two sends never together.
    @Test func eachSendKeepsItsOwn() throws {
        let files = try files(3)
        say("plain ")
        say("one", [files[0].raw])
        say("two", [files[1].raw, files[2].raw])
        say(" plain")
        var received: [(text: String, inodes: [UInt64?])] = []
        while let (text, input) = try? receive() { received.append((text, inodes(input.descriptors))) }
        #expect(received.map(\.text).joined() == "plain onetwo plain")
        let withSome = received.filter { !$0.inodes.isEmpty }
        #expect(withSome.map(\.inodes) == [inodes([files[0]]), inodes(Array(files[1...]))])
        #expect(withSome.first?.text.hasSuffix("one") == true)
        #expect(withSome.last?.text.hasPrefix("two") == true)
    }

    @Test func theyComeWithTheFirstPieceOfTheirMessage() throws {
        let files = try files(1)
        say("abc", [files[0].raw])
        #expect(try receive(1).input.descriptors.count == 1)
        let rest = try receive()
        #expect(rest.text == "bc" && rest.input.descriptors.isEmpty)
    }

    @Test func asManyAsAMessageMayHave() async {
        await #expect(processExitsWith: .success) {
            try await MainActor.run {
                let (ours, theirs) = try Self.numbers()
                let socket = ConnectedSocket(Descriptor(taking: ours))
                let files = try (0..<253).map { _ in try Pipe(.fromChild).ours }
                #expect(pk_send_descriptors(theirs, "x", 1, files.map(\.raw), files.count) == 1)
                var byte: UInt8 = 0
                let input = try withUnsafeMutableBytes(of: &byte) { try socket.receive(into: $0) }
                #expect(!input.isTruncated)
                let numbers = input.descriptors.map { Descriptor.inode(of: $0.raw) }
                #expect(numbers == files.map { Descriptor.inode(of: $0.raw) })
                #expect(Set(numbers).count == 253)
                #expect(pk_send_descriptors(theirs, "x", 1, [0], 254) == -Int(EINVAL))
            }
        }
    }

    @Test func moreThanWeMayHaveIsSaid() async {
        await #expect(processExitsWith: .success) {
            try await MainActor.run {
                let (ours, theirs) = try Self.numbers()
                let socket = ConnectedSocket(Descriptor(taking: ours))
                let sources = try (0..<10).map { _ in try Descriptor.open("/dev/null", O_RDONLY).release() }
                #expect(pk_send_descriptors(theirs, "x", 1, sources, sources.count) == 1)
                let lowest = try Descriptor.open("/dev/null", O_RDONLY).raw
                var limit = rlimit(rlim_cur: rlim_t(lowest) + 4, rlim_max: rlim_t(lowest) + 4)
                try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
                var byte: UInt8 = 0
                let input = try withUnsafeMutableBytes(of: &byte) { try socket.receive(into: $0) }
                #expect(input.count == 1 && byte == UInt8(ascii: "x"))
                #expect(input.isTruncated)
                #expect(input.descriptors.count <= 4)
                sources.forEach { _ = close($0) }
            }
        }
    }

    // MARK: Accepting

    @Test func acceptingTellsWhoItIs() throws {
        let scratch = try Scratch()
        let lock = try ServerLock.acquire(beside: scratch.file("s"))
        let listening = try ListeningSocket.bind(scratch.file("s"), under: lock)
        #expect(try ConnectedSocket.accept(from: listening.descriptor.raw) == nil)
        let client = try makeSocket(SOCK_STREAM)
        try #require(SocketPath.withAddress(scratch.file("s")) { connect(client.raw, $0, $1) } == 0)
        let (socket, peer) = try #require(try ConnectedSocket.accept(from: listening.descriptor.raw))
        #expect(peer == Peer(pid: getpid(), uid: geteuid(), gid: getegid()))
        #expect(fcntl(socket.raw, F_GETFD) == FD_CLOEXEC)
        #expect(fcntl(socket.raw, F_GETFL) & O_NONBLOCK != 0)
        #expect(socket.raw >= Descriptor.longLivedFloor)
        #expect(try ConnectedSocket.accept(from: listening.descriptor.raw) == nil)
    }
}
