// SPDX-License-Identifier: Apache-2.0
import Glibc
public import SystemPackage

/// An owned file descriptor: closed when its owner goes, moved but never copied.
///
/// Every descriptor is born close-on-exec; `raw` lends the number for the length of a call.
public struct Descriptor: ~Copyable, Sendable {
    /// The number, valid as long as this value lives.
    public let raw: CInt

    /// Takes over a number that nobody else will close.
    public init(taking raw: CInt) {
        precondition(raw >= 0, "not a descriptor")
        self.raw = raw
    }

    deinit {
        // close(2): the number is free even after EINTR on Linux; trying again could close another's.
        _ = close(raw)
    }

    /// Gives the number away; the caller closes it.
    public consuming func release() -> CInt {
        let number = raw
        discard self
        return number
    }

    /// Opens `path` (open(2)) with O_CLOEXEC added.
    public static func open(_ path: String, _ flags: CInt, mode: UInt32 = 0) throws(Errno) -> Descriptor {
        Descriptor(taking: try systemCall { Glibc.open(path, flags | O_CLOEXEC, mode) })
    }

    /// Opens `path` relative to this directory (openat(2)) with O_CLOEXEC added.
    public borrowing func open(_ path: String, _ flags: CInt, mode: UInt32 = 0) throws(Errno) -> Descriptor {
        let directory = raw
        return Descriptor(taking: try systemCall { Glibc.openat(directory, path, flags | O_CLOEXEC, mode) })
    }

    /// A second number for the same open file description (fcntl(2), F_DUPFD_CLOEXEC), `minimum` or above.
    public borrowing func duplicate(minimum: CInt = 3) throws(Errno) -> Descriptor {
        let number = raw
        return Descriptor(taking: try systemCall { fcntl(number, F_DUPFD_CLOEXEC, minimum) })
    }

    /// Sets or clears O_NONBLOCK on the open file description, which every holder of it shares (fcntl(2)).
    public borrowing func setNonblocking(_ on: Bool) throws(Errno) {
        try Self.setNonblocking(raw, on)
    }

    /// The same of a descriptor that another object owns.
    static func setNonblocking(_ number: CInt, _ on: Bool) throws(Errno) {
        let flags = try systemCall { fcntl(number, F_GETFL) }
        let wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
        if wanted != flags { try systemCall { fcntl(number, F_SETFL, wanted) } }
    }

    /// Reads into `buffer` (read(2)); 0 is the end of input.
    public borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        let number = raw
        return try systemCall { Glibc.read(number, buffer.baseAddress, buffer.count) }
    }

    /// Writes what the kernel takes of `bytes` (write(2)).
    public borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
        let number = raw
        return try systemCall { Glibc.write(number, bytes.baseAddress, bytes.count) }
    }
}
