// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import Kernel
import SystemPackage

/// Descriptors 0 to 2 of a server in the foreground, and those its starter left open by mistake.
enum StandardDescriptors {
    /// A closed one among the three would be taken by the next file opened, and then read or written as if it were
    /// the terminal.
    static func complete(logFile: String?) throws(StartFailure) {
        do throws(Errno) {
            var number: CInt = 0
            while number <= 2 { number = try systemCall { open("/dev/null", O_RDWR) } }
            close(number)
            if let logFile {
                let log = try Descriptor.open(logFile, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, mode: 0o600)
                dup2(log.raw, 2)
            }
            // No program may get what the server's starter had open.
            try kernelResult(pk_mark_close_on_exec_from(3))
        } catch .invalidArgument {
            // CLOSE_RANGE_CLOEXEC is younger (Linux 5.11) than what we need.
            for number in ProcFS.ownDescriptors() where number > 2 { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
        } catch {
            throw StartFailure(message: "cannot set up descriptors: \(error.text)")
        }
    }
}
