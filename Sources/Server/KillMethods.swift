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
            call.succeed { $0.object { $0.member("processes") { $0.array(reports, Self.write) } } }
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

    private static func write(_ writer: inout JSONWriter, _ report: KillReport) {
        writer.object {
            $0.member("process", report.process.id)
            $0.member("already_exited", report.alreadyExited)
            $0.member("exit") { RecordEncoding.write(report.process.exit, into: &$0) }
            $0.member("signal", report.signal)
            $0.member("signal_name", SignalName.name(of: report.signal))
            $0.member("signalled") { $0.array(report.signalled) { $0.value(Int64($1)) } }
            $0.member("survivors") { survivors in
                guard let pids = report.survivors else { return survivors.value(.null) }
                survivors.array(pids) { $0.value(Int64($1)) }
            }
            $0.member("method", report.method.rawValue)
            $0.member("exact", report.isExact)
        }
    }
}
