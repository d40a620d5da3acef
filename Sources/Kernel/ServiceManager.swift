// SPDX-License-Identifier: Apache-2.0
public import Glibc
public import SystemPackage

/// Why the descriptors of socket activation cannot be used.
public enum ServiceManagerError: Error, Equatable, CustomStringConvertible {
    /// LISTEN_FDS is not a number, or not 1.
    case notOneSocket(String)
    /// The descriptor is not open.
    case missing(CInt)

    public var description: String {
        switch self {
        case .notOneSocket(let count): "the service manager must pass exactly one socket (LISTEN_FDS=\(count))"
        case .missing(let number): "the service manager passed descriptor \(number), which is not open"
        }
    }
}

/// The two interfaces of systemd, without its library: socket activation and readiness.
public enum ServiceManager {
    /// The socket passed by the service manager (sd_listen_fds(3)), now close-on-exec; nil if LISTEN_PID does not name
    /// this process. To be called once, as the descriptor changes its owner. `first` is SD_LISTEN_FDS_START.
    public static func passedSocket(
        environment: [String: String], pid: pid_t = getpid(), first: CInt = 3
    ) throws(ServiceManagerError) -> Descriptor? {
        guard let listener = environment["LISTEN_PID"], pid_t(listener) == pid, let count = environment["LISTEN_FDS"]
        else { return nil }
        guard count == "1" else { throw .notOneSocket(count) }
        // Not by way of `systemCall`: that this number may be none is not a mistake of ours.
        guard fcntl(first, F_SETFD, FD_CLOEXEC) == 0 else { throw .missing(first) }
        return Descriptor(taking: first)
    }

    /// Tells the service manager a state such as "READY=1" or "STOPPING=1" (sd_notify(3)); false if none is listening.
    ///
    /// A manager that does not read is waited for so long, then EAGAIN is thrown.
    @discardableResult
    public static func notify(
        _ state: String, environment: [String: String], patience seconds: Int = 5
    ) throws(Errno) -> Bool {
        guard let name = environment["NOTIFY_SOCKET"], !name.isEmpty else { return false }
        var bytes = Array(name.utf8)
        switch bytes[0] {
        case UInt8(ascii: "/"): bytes.append(0)
        case UInt8(ascii: "@"): bytes[0] = 0
        default: throw .addressFamilyNotSupported  // "vsock:…", for virtual machines
        }
        guard bytes.count <= SocketPath.maximumBytes + 1 else { throw .fileNameTooLong }
        let descriptor = try makeSocket(SOCK_DGRAM)
        // Without patience not at all: the server is serving.
        try descriptor.setNonblocking(seconds == 0)
        let number = descriptor.raw
        var patience = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        try systemCall { setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &patience, size) }
        try SocketPath.withAddress(bytes: bytes) { (address, length) throws(Errno) in
            _ = try systemCall { sendto(number, state, state.utf8.count, CInt(MSG_NOSIGNAL), address, length) }
        }
        return true
    }
}
