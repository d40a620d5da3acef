// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import Logging
import ProcessControl

/// `kill`.
extension Server {
    var killMethods: [Method] {
        [
            Method(
                "kill",
                [.required("processes", "processes")]
                    + Member.optional("signal", "scope", "escalate_after_ms", "wait", "timeout_ms")
            ) { [unowned self] in try kill($0, $1) }
        ]
    }

    private func kill(_ call: Call, _ parameters: JSONCursor) throws {
        let selector = try parameters.need("processes").selector()
        var request = KillRequest()
        request.signal = try parameters.ifPresent("signal") { try $0.signal() }
        if let scope = parameters.member("scope") { request.scope = try scope.choice(KillScope.self) }
        if let after = parameters.member("escalate_after_ms") { request.escalateAfter = try Self.escalation(after) }
        if let wait = parameters.member("wait") { request.wait = try wait.boolean() }
        if let timeout = parameters.member("timeout_ms") { request.timeout = try timeout.duration() }
        let processes = try supervisor.select(selector, for: call.peer.uid)
        call.names(processes, by: selector)
        let ticket = supervisor.kill(processes, request) { [self] reports in
            for report in reports where !report.alreadyExited {
                log.info(
                    "signalled",
                    metadata: [
                        "process": "\(report.process.id)", "signal": "\(report.signal)",
                        "scope": "\(request.scope.rawValue)", "pids": "\(report.signalled.count)",
                        "peer": "\(call.peer.pid)",
                    ])
            }
            call.succeed(["processes": .array(reports.map(Self.entry))])
        }
        // What was begun goes on when the caller does not want to hear of it any more.
        if let ticket { call.wait { [self] in supervisor.cancel(ticket) } }
    }

    /// A time in ms, or `"stop"`: by the process's stop rule.
    private static func escalation(_ cursor: JSONCursor) throws(JSONMismatch) -> KillRequest.Escalation {
        guard cursor.value.kind == .string else { return .after(try cursor.duration()) }
        _ = try cursor.oneOf(["stop"])
        return .byStopRule
    }

    private static func entry(_ report: KillReport) -> JSONValue {
        [
            "process": .integer(report.process.id),
            "already_exited": .boolean(report.alreadyExited),
            "exit": RecordEncoding.exit(report.process.exit),
            "signal": .integer(Int(report.signal)),
            "signal_name": .string(SignalName.name(of: report.signal)),
            "signalled": .array(report.signalled.map { .integer(Int($0)) }),
            "survivors": report.survivors.map { .array($0.map { .integer(Int($0)) }) } ?? .null,
            "method": .string(report.method.rawValue),
            "exact": .boolean(report.isExact),
        ]
    }
}
