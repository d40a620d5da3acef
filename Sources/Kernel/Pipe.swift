// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// A pipe (pipe(7)) between us and a child.
///
/// The two ends are open file descriptions of their own: making ours non-blocking does not show in the child.
@MainActor
public struct Pipe {
    public enum Direction { case fromChild, toChild }

    /// Non-blocking, and where it may stay, unless it is in passing.
    public let ours: SharedDescriptor
    public let theirs: SharedDescriptor

    /// - Parameter inPassing: our end is closed soon, and only read when there is something.
    /// - Throws: EMFILE, ENFILE (pipe2(2)).
    public init(_ direction: Direction, inPassing: Bool = false) throws(Errno) {
        var (reading, writing): (CInt, CInt) = (-1, -1)
        try kernelResult(pk_pipe(&reading, &writing))
        let (our, their) = direction == .fromChild ? (reading, writing) : (writing, reading)
        theirs = SharedDescriptor(Descriptor(taking: their))
        if inPassing {
            ours = SharedDescriptor(Descriptor(taking: our))
            return
        }
        let end = Descriptor(taking: our).lifted()
        // A new pipe has no other flags to keep (fcntl(2), F_SETFL).
        let number = end.raw
        try systemCall { fcntl(number, F_SETFL, O_NONBLOCK) }
        ours = SharedDescriptor(end)
    }
}

/// A connected pair of Unix sockets that keeps message boundaries (socketpair(2), SOCK_SEQPACKET).
@MainActor
struct SocketPair: ~Copyable {
    let ours: Descriptor
    let theirs: SharedDescriptor

    init() throws(Errno) {
        var ends: (CInt, CInt) = (-1, -1)
        let type = CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        try withUnsafeMutablePointer(to: &ends) { pair throws(Errno) in
            try pair.withMemoryRebound(to: CInt.self, capacity: 2) { ends throws(Errno) in
                _ = try systemCall("socketpair") { socketpair(AF_UNIX, type, 0, ends) }
            }
        }
        ours = Descriptor(taking: ends.0)
        theirs = SharedDescriptor(Descriptor(taking: ends.1))
    }

    consuming func intoOurs() -> Descriptor { ours }
}
