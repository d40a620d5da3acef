// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import Kernel
import SystemPackage

/// Standard output and standard error, whatever they are: a terminal, a slow pipe, a non-blocking one, nothing.
enum Output {
    /// Writes all of it. A reader that has gone ends the command quietly, as SIGPIPE would.
    static func write(_ bytes: some Sequence<UInt8>, to descriptor: CInt = STDOUT_FILENO) throws(Failure) {
        let data = Array(bytes)
        let error = data.withUnsafeBytes { writeAll($0, to: descriptor) }
        guard let error else { return }
        if error == .brokenPipe { exit(Status.brokenPipe) }
        throw Failure("cannot write", error)
    }

    /// One line for people.
    static func line(_ text: String) throws(Failure) {
        try write(text.utf8 + [UInt8(ascii: "\n")])
    }

    /// One document: for eyes on a terminal, else in one line.
    static func json(_ value: JSONValue) throws(Failure) {
        if isatty(STDOUT_FILENO) == 1 {
            try line(value.pretty())
        } else {
            try write(value.serialized + [UInt8(ascii: "\n")])
        }
    }

    /// One line on standard error, control characters made visible; nothing can be done if that fails.
    static func complain(_ text: String) {
        let line = Escaped.text(text.utf8) + "\n"
        Array(line.utf8).withUnsafeBytes { _ = writeAll($0, to: STDERR_FILENO) }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: CInt) -> Errno? {
        var offset = 0
        while offset < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: offset), bytes.count - offset)
            if count >= 0 {
                offset += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                // Somebody made the open file non-blocking; it is shared, so it is not ours to change.
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&waiting, 1, -1)
            default: return Errno(rawValue: errno)
            }
        }
        return nil
    }
}
