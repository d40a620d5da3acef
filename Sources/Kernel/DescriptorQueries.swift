// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// Questions about a descriptor that another object owns.
extension Descriptor {
    /// Reads into `buffer`: -1 with errno set, as read(2); for `systemCall`.
    public static func read(_ raw: CInt, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        Glibc.read(raw, buffer.baseAddress, buffer.count)
    }

    /// Bytes that a read would give now (FIONREAD, pipe(7)).
    public static func bytesWaiting(in raw: CInt) -> Int {
        var count: CInt = 0
        return ioctl(raw, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    /// Whether the last writer has gone (POLLHUP, poll(2)).
    public static func hasHungUp(_ raw: CInt) -> Bool {
        var query = pollfd(fd: raw, events: 0, revents: 0)
        return poll(&query, 1, 0) > 0 && query.revents & Int16(POLLHUP) != 0
    }

    /// Whether a read would not block: there is something, or the end (poll(2)).
    public static func isReadable(_ raw: CInt) -> Bool {
        var query = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
        return poll(&query, 1, 0) > 0
    }

    /// The file's number (fstat(2)); for pipes and sockets of ours, of which it cannot block.
    public static func inode(of raw: CInt) -> UInt64? {
        var status = stat()
        return fstat(raw, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    /// The path that /proc shows for an open file; nil if it is longer than PATH_MAX.
    public static func path(of raw: CInt) -> [UInt8]? { ProcFS.target(ofLink: "/proc/self/fd/\(raw)") }
}

extension Descriptor {
    /// This process's working directory (getcwd(2)); nil when it has been removed.
    public static func currentDirectory() -> [UInt8]? {
        var buffer = [CChar](repeating: 0, count: 4096)
        guard getcwd(&buffer, buffer.count) != nil else { return nil }
        return buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    }
}

extension Descriptor {
    /// A second number for an open file description that another object owns, among those that stay.
    public static func duplicate(_ raw: CInt) throws(Errno) -> Descriptor {
        Descriptor(taking: try systemCall { fcntl(raw, F_DUPFD_CLOEXEC, 3) }).lifted()
    }

    /// Writes `bytes`: -1 with errno set, as write(2); for `systemCall`.
    public static func write(_ raw: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
        Glibc.write(raw, bytes.baseAddress, bytes.count)
    }
}
