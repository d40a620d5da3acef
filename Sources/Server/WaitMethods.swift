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
            call.succeedWhenThereIsRoom { [self] in
                [
                    "done": .array(outcome.done.map(record)),
                    "pending": .array(outcome.pending.map { .integer($0.id) }),
                    "timed_out": .boolean(outcome.timedOut),
                ]
            }
        }
        // Cancelling a wait never touches the processes.
        if let waiter { call.wait { [self] in supervisor.cancel(waiter) } }
    }

    func record(_ process: ManagedProcess) -> JSONValue {
        RecordEncoding.record(process, instance: supervisor.instance)
    }
}
