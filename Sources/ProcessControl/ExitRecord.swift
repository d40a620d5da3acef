// SPDX-License-Identifier: Apache-2.0
import Kernel

/// How a process ended. waitid(2).
public enum ExitStatus: Equatable, Sendable {
    case code(Int32)
    case signal(Int32, core: Bool)

    init(_ exit: ChildExit) {
        self = exit.bySignal ? .signal(exit.status, core: exit.core) : .code(exit.status)
    }

    /// Neither code 0 nor a signal: what `first-failure` does not wait for.
    public var isSuccess: Bool { self == .code(0) }
}

/// Why it ended.
public enum ExitReason: String, CaseIterable, Sendable {
    /// By itself, with a code.
    case exited
    /// By a signal that the server did not send.
    case signalled
    /// By the signal of a request.
    case killed
    case deadline, lease, connection, shutdown
}

extension ExitReason {
    /// - Parameters:
    ///   - rule: a rule of the server's that was stopping it, which counts whichever way it ended.
    ///   - sent: the signals that requests have sent, bit n-1 for signal n.
    init(_ status: ExitStatus, rule: ExitReason?, sent: UInt64) {
        if let rule {
            self = rule
        } else if case .signal(let number, _) = status {
            self = sent >> UInt64(number - 1) & 1 == 1 ? .killed : .signalled
        } else {
            self = .exited
        }
    }
}
