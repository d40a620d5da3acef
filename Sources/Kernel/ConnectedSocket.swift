// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// Who is at the other end of a Unix socket, as of its connect(2) (SO_PEERCRED, unix(7)).
public struct Peer: Hashable, Sendable {
    public let pid: Int32
    public let uid: UInt32
    public let gid: UInt32
}

/// A connected Unix stream socket, non-blocking: bytes and descriptors.
@MainActor
public struct ConnectedSocket {
    /// Its owners; the last of them closes it.
    public private(set) var descriptor: SharedDescriptor
    public var raw: CInt { descriptor.raw }

    init(_ descriptor: consuming Descriptor) { self.descriptor = SharedDescriptor(descriptor.lifted()) }

    /// What one receive gave.
    public struct Input {
        public let count: Int
        public let descriptors: [SharedDescriptor]
        /// The kernel could not pass all descriptors on: too many for us, or the peer's own limit.
        public let isTruncated: Bool
    }

    /// Takes the next connection of a listening socket; nil when nobody waits.
    ///
    /// - Throws: EMFILE and ENFILE leave the peer waiting; errors of the connection itself (ECONNABORTED) are as
    ///   if nobody waited. accept(2).
    public static func accept(from listener: CInt) throws(Errno) -> (ConnectedSocket, Peer)? {
        let number = pk_accept(listener)
        guard number >= 0 else {
            let error = Errno(rawValue: -number)
            if error == .tooManyOpenFiles || error == .tooManyOpenFilesInSystem || error == .noMemory { throw error }
            return nil
        }
        let socket = ConnectedSocket(Descriptor(taking: number))
        var (pid, uid, gid): (pid_t, uid_t, gid_t) = (0, 0, 0)
        try kernelResult(pk_peer_credentials(socket.raw, &pid, &uid, &gid))
        return (socket, Peer(pid: pid, uid: uid, gid: gid))
    }

    /// Whether the peer's pid is still its own. Whoever holds its end of the connection by then may be another.
    public var peerLives: Bool { pk_peer_lives(raw) }

    /// Looks at what has arrived without taking it; descriptors stay with it. 0 is the end of input.
    public func peek(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        let number = raw
        return try systemCall { recv(number, buffer.baseAddress, buffer.count, CInt(MSG_PEEK)) }
    }

    /// Takes bytes and the descriptors that came with them. A count of 0 is the end of input.
    public func receive(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Input {
        var numbers = InlineArray<256, CInt>(repeating: -1)
        var found = 0
        var truncated = false
        let number = raw
        let count = withUnsafeMutableBytes(of: &numbers) { room in
            pk_receive_descriptors(
                number, buffer.baseAddress, buffer.count, room.bindMemory(to: CInt.self).baseAddress, &found,
                &truncated)
        }
        try kernelResult(count)
        var descriptors: [SharedDescriptor] = []
        for index in 0..<found { descriptors.append(SharedDescriptor(received: numbers[index])) }
        return Input(count: count, descriptors: descriptors, isTruncated: truncated)
    }

    /// Sends what the kernel takes.
    public func send(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
        let number = raw
        return try systemCall { Glibc.send(number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL)) }
    }

    /// For a program that gets the socket: O_NONBLOCK belongs to the open file description, which it shares.
    public func setNonblocking(_ on: Bool) throws(Errno) {
        try Descriptor.setNonblocking(raw, on)
    }
}
