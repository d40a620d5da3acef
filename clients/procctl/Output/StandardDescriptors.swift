// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Descriptors 0, 1 and 2 of this process.
enum StandardDescriptors {
    /// Bit n: descriptor n was closed when this process started. Written once, before anything else runs.
    nonisolated(unsafe) private static var closedAtStart: UInt8 = 0

    /// Fills the closed ones with the null device, lest a socket becomes somebody's standard output.
    static func fillHoles() {
        for number in CInt(0)...2 where fcntl(number, F_GETFD) == -1 {
            closedAtStart |= 1 << UInt8(number)
            // open(2) takes the lowest free number, which is this one.
            _ = open("/dev/null", number == 0 ? O_RDONLY : O_WRONLY)
        }
    }

    static func wasOpen(_ number: CInt) -> Bool {
        closedAtStart & 1 << UInt8(number) == 0
    }

    /// Lets go of 0 and 1, which belong to a program now: it alone shall decide when they end.
    static func giveAway() {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { return }
        dup2(null, STDIN_FILENO)
        dup2(null, STDOUT_FILENO)
        close(null)
    }
}
