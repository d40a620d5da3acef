// SPDX-License-Identifier: Apache-2.0
import Kernel

/// How far a signal reaches.
public enum KillScope: String, CaseIterable, Sendable {
    /// The process and all it started, wherever that has gone.
    case tree
    /// Its process group.
    case group
    case process
}

/// What a kill of one process did.
public struct KillReport {
    public let process: ManagedProcess
    public let signal: Int32
    /// There was nothing left to signal.
    public var alreadyExited = false
    public var signalled: [Int32] = []
    /// Who was alive at the answer; nil if the caller did not wait.
    public var survivors: [Int32]?
    public var method: Method
    /// Nothing that belongs to the scope can have been missed.
    public var isExact: Bool

    public enum Method: String, Sendable {
        case cgroup, descendants, group, process
    }
}

/// A kill under way: a signal, SIGKILL if that was not enough, and the answer when nothing is left or time is up.
///
/// The states are data; the supervisor does what `take` tells it to.
final class KillPlan {
    enum Event {
        /// Nothing is left in the scope.
        case emptied
        case escalationDue
        case boundPassed
        /// Somebody is left some time after SIGKILL: a fork that was under way, or one that cannot die.
        case lookAgain
    }

    enum Action: Equatable {
        case none
        /// Send SIGKILL to whatever is left, then look again later.
        case kill
        /// Answer; the plan goes on.
        case answer
        /// Answer if that has not been done; the plan is over.
        case finish
    }

    private enum Phase { case signalled, escalated, over }

    let process: ManagedProcess
    let scope: KillScope
    let escalateAfter: Int64?
    var report: KillReport
    private var phase = Phase.signalled
    private var completion: ((KillReport) -> Void)?
    /// The caller waits until nothing is left; else the plan is only there to escalate.
    let waits: Bool
    var timers: [Kernel.Timer] = []

    init(
        _ report: KillReport, scope: KillScope, escalateAfter: Int64?, waits: Bool,
        completion: @escaping (KillReport) -> Void
    ) {
        self.report = report
        process = report.process
        self.scope = scope
        self.escalateAfter = escalateAfter
        self.waits = waits
        self.completion = completion
        if report.signal == 9 { phase = .escalated }
    }

    var isOver: Bool { phase == .over }
    var isAnswered: Bool { completion == nil }
    /// SIGKILL has been sent: who is left is killed again when somebody looks.
    var isKilling: Bool { phase == .escalated }

    func take(_ event: Event) -> Action {
        switch (phase, event) {
        case (.over, _): return .none
        case (_, .emptied):
            phase = .over
            return .finish
        case (.signalled, .escalationDue):
            phase = .escalated
            return .kill
        case (.escalated, .escalationDue): return .none
        case (.signalled, .lookAgain): return .none
        case (.escalated, .lookAgain): return .kill
        case (_, .boundPassed):
            // An escalation still to come goes on without its caller.
            if escalateAfter != nil { return .answer }
            phase = .over
            return .finish
        }
    }

    /// Tells the caller, once.
    func answer(survivors: [Int32]?) {
        report.survivors = survivors
        let tell = completion
        completion = nil
        tell?(report)
    }

    /// The caller does not want the answer any more; the plan goes on.
    func forgetCaller() { completion = nil }
}
