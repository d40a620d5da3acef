// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// Standard input.
enum Input {
    /// What has come, waiting for it; nil at the end.
    static func next() throws(Failure) -> [UInt8]? {
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(STDIN_FILENO, &chunk, chunk.count)
            if count == 0 { return nil }
            if count > 0 { return Array(chunk[..<count]) }
            if errno == EAGAIN {
                var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                poll(&waiting, 1, -1)
            } else if errno != EINTR {
                throw Failure("cannot read standard input", Errno(rawValue: errno))
            }
        }
    }

    /// All of it, however slowly it comes.
    static func all() throws(Failure) -> [UInt8] {
        var result: [UInt8] = []
        while let bytes = try next() { result += bytes }
        return result
    }
}
