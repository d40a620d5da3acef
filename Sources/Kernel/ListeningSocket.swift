// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage

/// Why there is no listening socket.
public enum ListeningSocketError: Error, Equatable, CustomStringConvertible {
    case path(SocketPathError)
    /// Something other than a socket has that name.
    case occupied(String)
    /// Somebody listens there who does not hold the lock.
    case inUse(String)
    /// A descriptor passed by the service manager is not fit.
    case unfit(String)
    case failed(String, reason: String)

    public var description: String {
        switch self {
        case .path(let error): error.description
        case .occupied(let path): "\(path) exists and is not a socket"
        case .inUse(let path): "another program listens on \(path)"
        case .unfit(let reason): "the socket passed by the service manager cannot be used: \(reason)"
        case .failed(let call, let reason): "\(call): \(reason)"
        }
    }
}

/// The socket that clients connect to: nonblocking, close-on-exec, 0600 from birth.
public final class ListeningSocket: Sendable {
    public let descriptor: Descriptor
    /// Where it is bound; nil for one passed by the service manager, whose path is not ours to remove.
    public let path: String?

    /// The file that bind(2) made: another server's socket of the same name is not removed.
    private let device: UInt
    private let inode: UInt

    private init(_ descriptor: consuming Descriptor, path: String?, device: UInt, inode: UInt) {
        self.descriptor = descriptor
        self.path = path
        self.device = device
        self.inode = inode
    }

    /// Binds and listens at `path`. The lock says that no other server is there: a socket that nobody listens on any
    /// more is replaced, anything else is not.
    public static func bind(_ path: String, under lock: ServerLock) throws(ListeningSocketError)
        -> ListeningSocket
    {
        do throws(SocketPathError) { try SocketPath.check(path) } catch { throw .path(error) }
        try removeStale(path)
        do throws(Errno) {
            let descriptor = try makeSocket(SOCK_STREAM)
            let number = descriptor.raw
            // Linux gives the new file this mode, less the umask: no moment at which others could connect, and the
            // process's umask, which threads share, is left alone.
            try systemCall { fchmod(number, 0o600) }
            try SocketPath.withAddress(path) { (address, length) throws(Errno) in
                _ = try systemCall { Glibc.bind(number, address, length) }
            }
            var info = stat()
            try systemCall { lstat(path, &info) }
            // The kernel cuts it down to net.core.somaxconn.
            try systemCall { listen(number, backlog) }
            return ListeningSocket(descriptor, path: path, device: info.st_dev, inode: info.st_ino)
        } catch {
            throw .failed("cannot listen on \(path)", reason: error.text)
        }
    }

    /// Takes over a socket that a service manager listens on already (sd_listen_fds(3)): checked to be a Unix stream
    /// socket that listens.
    public static func adopt(_ descriptor: consuming Descriptor) throws(ListeningSocketError) -> ListeningSocket {
        do throws(Errno) {
            guard try option(descriptor, SO_DOMAIN) == AF_UNIX else { throw .addressFamilyNotSupported }
            guard try option(descriptor, SO_TYPE) == SOCK_STREAM.rawValue else { throw .protocolWrongTypeForSocket }
            guard try option(descriptor, SO_ACCEPTCONN) == 1 else { throw .socketNotConnected }
            let number = descriptor.raw
            try systemCall { fcntl(number, F_SETFD, FD_CLOEXEC) }
            try descriptor.setNonblocking(true)
        } catch {
            switch error {
            case .addressFamilyNotSupported: throw .unfit("it is not a Unix socket")
            case .protocolWrongTypeForSocket: throw .unfit("it is not a stream socket")
            case .socketNotConnected: throw .unfit("it does not listen")
            default: throw .unfit(error.text)
            }
        }
        return ListeningSocket(descriptor, path: nil, device: 0, inode: 0)
    }

    /// Removes the socket's file, if it is still the one made here. Clients in the queue can still be accepted.
    public func unlink() {
        guard let path else { return }
        var info = stat()
        if lstat(path, &info) == 0, info.st_dev == device, info.st_ino == inode { _ = Glibc.unlink(path) }
    }

    private static let backlog: CInt = 4096

    /// Removes a socket that refuses connections: its server has died.
    private static func removeStale(_ path: String) throws(ListeningSocketError) {
        var info = stat()
        guard lstat(path, &info) == 0 else { return }
        guard info.st_mode & S_IFMT == S_IFSOCK else { throw .occupied(path) }
        do throws(Errno) {
            let probe = try makeSocket(SOCK_STREAM)
            let number = probe.raw
            let result = SocketPath.withAddress(path) { connect(number, $0, $1) == 0 ? 0 : errno }
            // EPROTOTYPE is somebody's datagram socket, EAGAIN a full queue: somebody is there.
            guard result == ECONNREFUSED else { throw Errno(rawValue: result) }
            try systemCall { Glibc.unlink(path) }
        } catch {
            switch error.rawValue {
            case 0, EAGAIN, EPROTOTYPE: throw .inUse(path)
            case ENOENT: return
            default: throw .failed("cannot replace \(path)", reason: error.text)
            }
        }
    }

    private static func option(_ socket: borrowing Descriptor, _ name: CInt) throws(Errno) -> CInt {
        let number = socket.raw
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        try systemCall { getsockopt(number, SOL_SOCKET, name, &value, &length) }
        return value
    }
}

/// A new Unix socket, close-on-exec and nonblocking.
func makeSocket(_ type: __socket_type) throws(Errno) -> Descriptor {
    let flags = CInt(type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    return Descriptor(taking: try systemCall { socket(AF_UNIX, flags, 0) })
}

extension ListeningSocket {
    /// The path that clients use, by getsockname(2): also of a socket that was passed. Nil for an abstract one.
    public var address: String? {
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let number = descriptor.raw
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        guard result == 0 else { return nil }
        let path = withUnsafeBytes(of: &address.sun_path) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return path.isEmpty ? nil : path
    }

    /// Whether somebody listens at a path and takes connections.
    public static func answers(at path: String) -> Bool {
        guard let probe = try? makeSocket(SOCK_STREAM) else { return false }
        let number = probe.raw
        return SocketPath.withAddress(path) { connect(number, $0, $1) == 0 }
    }
}
