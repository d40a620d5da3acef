// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// What a program would have inherited from us, had we started it ourselves.
enum Caller {
    /// umask(2) can only be read by setting it.
    static func umask() -> mode_t {
        let mask = Glibc.umask(0o077)
        _ = Glibc.umask(mask)
        return mask
    }

    /// A handle on a directory for SCM_RIGHTS: it means the same whatever the server's namespaces and root are, and
    /// the program needs no more rights than to enter it.
    static func directory(_ path: [UInt8]) throws(Failure) -> CInt {
        // O_PATH of fcntl-linux.h, which Glibc's module does not show.
        let pathOnly: CInt = 0o10000000
        let raw = CString.with(path) { open($0, pathOnly | O_DIRECTORY | O_CLOEXEC) }
        guard raw >= 0 else { throw Failure("cannot enter \(Escaped.text(path))", Errno(rawValue: errno)) }
        return raw
    }

    /// The signals that are ignored here, as nohup(1) and `command &` in scripts have it.
    static func ignoredSignals() -> [Int32] {
        (1...SignalName.maximum).filter { isIgnored($0) }
    }

    static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The signals that are blocked here. To be asked before any are blocked for our own needs.
    static func blockedSignals() -> [Int32] {
        var mask = sigset_t()
        sigprocmask(SIG_BLOCK, nil, &mask)
        return (1...SignalName.maximum).filter { sigismember(&mask, $0) == 1 }
    }
}
