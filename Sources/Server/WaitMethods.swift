// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl

/// `wait`.
extension Server {
    var waitMethods: [Method] {
        [
            Method("wait", [.required("processes", "processes")] + Member.optional("mode", "until", "timeout_ms")) {
                [unowned self] in try wait($0, $1)
            }
        ]
    }

    private func wait(_ call: Call, _ parameters: JSONCursor) throws {
        let selector = try parameters.need("processes").selector()
        let mode = try parameters.ifPresent("mode") { try $0.choice(Waiter.Mode.self) }
        let until = try parameters.ifPresent("until") { try $0.choice(Waiter.Until.self) }
        let timeout = try parameters.ifPresent("timeout_ms") { try $0.duration() }
        let processes = try supervisor.select(selector, for: call.peer.uid)
        call.names(processes, by: selector)
        let waiter = supervisor.wait(
            for: processes, mode: mode ?? .all, until: until ?? .exited, timeout: timeout
        ) { [self] outcome in
            call.succeedWhenThereIsRoom { [self] reply in
                reply.object {
                    $0.member("done") { $0.array(outcome.done, write) }
                    $0.member("pending") { $0.array(outcome.pending) { $0.value(Int64($1.id)) } }
                    $0.member("timed_out", outcome.timedOut)
                }
            }
        }
        // Cancelling a wait never touches the processes.
        if let waiter { call.wait { [self] in supervisor.cancel(waiter) } }
    }

    /// A process's record.
    func write(_ writer: inout JSONWriter, _ process: ManagedProcess) {
        RecordEncoding.write(process, instance: supervisor.instance, into: &writer)
    }
}
