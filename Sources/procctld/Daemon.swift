// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import Kernel
import SystemPackage

/// Going to the background: two forks, a session of its own, `/` as directory, nothing inherited. The command that was
/// typed waits until the server says that it listens, or why it does not.
struct Daemon {
    /// Where the caller listens; closed by what is said.
    private let report: CInt

    /// Returns in the server-to-be. The process that called it ends in here.
    static func detach(logFile: String?) throws(Errno) -> Daemon {
        var (reading, writing): (CInt, CInt) = (-1, -1)
        try kernelResult(pk_pipe(&reading, &writing))
        let first = try kernelResult(pk_fork())
        if first > 0 {
            close(writing)
            tell(reading, child: first)
        }
        close(reading)
        setsid()
        // Not a session leader, so that no terminal it opens can become its own (setsid(2)).
        let second = pk_fork()
        if second != 0 { _exit(second < 0 ? 1 : 0) }
        _ = chdir("/")
        let null = try Descriptor.open("/dev/null", O_RDWR)
        let log = try logFile.map { path throws(Errno) in
            CInt(try Descriptor.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, mode: 0o600).release())
        }
        dup2(null.raw, 0)
        dup2(log ?? null.raw, 1)
        dup2(log ?? null.raw, 2)
        _ = null.release()
        // Whatever else the caller had open is not the server's: `writing` moves to 3, all above goes.
        if writing != 3 { dup2(writing, 3) }
        _ = fcntl(3, F_SETFD, FD_CLOEXEC)
        pk_close_from(4)
        return Daemon(report: 3)
    }

    /// The caller's last act: says what the server said, and ends with it.
    private static func tell(_ reading: CInt, child: pid_t) -> Never {
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        var said: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while true {
            let count = read(reading, &buffer, buffer.count)
            if count > 0 { said += buffer.prefix(count) } else if count == 0 || errno != EINTR { break }
        }
        if said == ready { exit(0) }
        if said.isEmpty { said = Array("procctld: the server ended while it was starting\n".utf8) }
        _ = write(2, said, said.count)
        exit(1)
    }

    private static let ready: [UInt8] = [0]

    func listens() { say(Self.ready) }

    func failed(_ message: String) { say(Array("procctld: \(message)\n".utf8)) }

    private func say(_ bytes: [UInt8]) {
        _ = write(report, bytes, bytes.count)
        close(report)
    }
}
