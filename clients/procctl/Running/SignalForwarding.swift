// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import Kernel
import SystemPackage

/// The signals of this process that are meant for the program (signalfd(2)).
struct SignalForwarding: ~Copyable {
    /// What a signal asks for.
    enum Order: Equatable {
        /// Send it on, to the whole group of the program as a terminal or `kill %1` would, or to it alone.
        case forward(Int32, scope: String)
        /// Stop the program, then ourselves.
        case stop
    }

    private static let toGroup: Set<Int32> = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH, SIGCONT]

    private let source: Descriptor

    /// Blocks them, but for those that are ignored here: the program ignores them as well.
    init() throws(Failure) {
        let signals = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT].filter {
            !Caller.isIgnored($0)
        }
        let result = pk_signal_descriptor(signals, signals.count)
        guard result >= 0 else { throw Failure("cannot receive signals", Errno(rawValue: -result)) }
        source = Descriptor(taking: result)
    }

    /// Stops this process as SIGTSTP would have, had it not been taken. False when the kernel ignored it; else a
    /// SIGCONT has come since, which is told like any other.
    static func stopOurselves() -> Bool {
        var stop = sigset_t()
        sigemptyset(&stop)
        sigaddset(&stop, SIGTSTP)
        raise(SIGTSTP)
        sigprocmask(SIG_UNBLOCK, &stop, nil)
        sigprocmask(SIG_BLOCK, &stop, nil)
        var pending = sigset_t()
        sigpending(&pending)
        return sigismember(&pending, SIGCONT) == 1
    }

    /// For poll(2).
    var descriptor: CInt { source.raw }

    /// What has come, in order.
    func pending() -> [Order] {
        var orders: [Order] = []
        var signal = pk_signal()
        while pk_take_signals(source.raw, &signal, 1) > 0 {
            switch signal.number {
            case SIGTSTP: orders.append(.stop)
            case let number where Self.toGroup.contains(number): orders.append(.forward(number, scope: "group"))
            case let number: orders.append(.forward(number, scope: "process"))
            }
        }
        return orders
    }
}
