// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The settings of the user's terminal as they were found, and the way back to them from everywhere: a return, exit(3),
/// a signal that kills, a crash. Only SIGKILL leaves a terminal as it is; interactive shells mend that.
enum TerminalGuard {
    /// What ends a process by default and is not taken by signalfd(2).
    private static let deadly = [
        SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU,
        SIGXFSZ, SIGIO, SIGPWR, SIGSTKFLT,
    ]

    // All of it is only changed while no handler can look at it, or by one assignment that cannot be seen half done.
    nonisolated(unsafe) private static var terminal: CInt = -1
    nonisolated(unsafe) private static var found = termios()
    nonisolated(unsafe) private static var isRaw = false
    nonisolated(unsafe) private static let previous = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)

    /// Raw mode (cfmakeraw(3)): keys come one by one and mean nothing here. False when the terminal refuses.
    ///
    /// What is found is looked at each time: while we were stopped, the shell's user may have changed it. Once more while
    /// it is raw: somebody may have taken that back (a shell does from a job that SIGSTOP stopped).
    static func enter(_ descriptor: CInt) -> Bool {
        if !isRaw { guard tcgetattr(descriptor, &found) == 0 else { return false } }
        if terminal < 0 {
            terminal = descriptor
            install()
        }
        var raw = found
        cfmakeraw(&raw)
        guard tcsetattr(terminal, TCSANOW, &raw) == 0 else { return false }
        isRaw = true
        return true
    }

    /// Back to what was found. Nothing is done from the background: there the terminal is somebody else's.
    static func leave() {
        guard isRaw else { return }
        isRaw = false
        if tcgetpgrp(terminal) == getpgrp() { tcsetattr(terminal, TCSANOW, &found) }
    }

    private static func install() {
        atexit { TerminalGuard.leave() }
        for number in deadly {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                TerminalGuard.leave()
                // What it would have done: the default, or the runtime's report of a crash.
                sigaction(number, TerminalGuard.previous + Int(number), nil)
                raise(number)
            }
            sigemptyset(&action.sa_mask)
            sigaction(number, nil, previous + Int(number))
            if !Caller.isIgnored(number) { sigaction(number, &action, nil) }
        }
    }
}
