// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl

/// `list`, `get`, `update`, `release`: what is known of processes.
extension Server {
    var recordMethods: [Method] {
        [
            Method("list", Member.optional("processes", "state", "name", "labels")) {
                [unowned self] in try list($0, $1)
            },
            Method("get", [.required("process", "a process")] + Member.optional("members", "holders")) {
                [unowned self] in try get($0, $1)
            },
            Method(
                "update",
                [.required("process", "a process")]
                    + Member.optional("name", "labels", "lifetime", "timeout_ms", "stop")
            ) { [unowned self] in try update($0, $1) },
            Method("release", [.required("processes", "processes")]) { [unowned self] in try release($0, $1) },
        ]
    }

    private func list(_ call: Call, _ parameters: JSONCursor) throws {
        let selector = try parameters.ifPresent("processes") { try $0.selector() }
        let states = try parameters.ifPresent("state") { try self.states($0) }
        let name = try parameters.ifPresent("name") { try $0.string() }
        let labels = try parameters.ifPresent("labels") { try $0.labels() }
        let processes = try supervisor.select(selector ?? .all, for: call.peer.uid).filter { process in
            (states?.contains(process.state) ?? true) && (name.map { $0 == process.name } ?? true)
                && process.hasLabels(labels ?? [])
        }
        call.names(processes, by: selector ?? .all)
        call.succeed { $0.object { $0.member("processes") { $0.array(processes, write) } } }
    }

    /// One state, or a list of them.
    private func states(_ cursor: JSONCursor) throws(JSONMismatch) -> Set<ProcessState> {
        let shown = ProcessState.allCases.filter { $0 != .starting }
        var states: Set<ProcessState> = []
        for element in cursor.value.kind == .array ? try cursor.elements() : [cursor] {
            let word = try element.oneOf(shown.map(\.rawValue))
            if let state = ProcessState(rawValue: word) { states.insert(state) }
        }
        return states
    }

    private func get(_ call: Call, _ parameters: JSONCursor) throws {
        let reference = try parameters.need("process").process()
        let wantsMembers = try parameters.ifPresent("members") { try $0.boolean() }
        let wantsHolders = try parameters.ifPresent("holders") { try $0.boolean() }
        let process = try supervisor.find(reference, for: call.peer.uid)
        call.names([process])
        call.succeed { reply in
            reply.object { record in
                RecordEncoding.writeMembers(process, instance: supervisor.instance, into: &record)
                if wantsMembers == true {
                    record.member("members") { $0.array(supervisor.treeMembers(of: process), Self.write) }
                }
                guard wantsHolders == true else { return }
                record.member("holders") { holders in
                    holders.object { members in
                        for (name, pids) in supervisor.streamHolders(of: process) {
                            members.member(named: name) { $0.array(pids) { $0.value(Int64($1)) } }
                        }
                    }
                }
            }
        }
    }

    private static func write(_ writer: inout JSONWriter, _ member: ProcStat) {
        writer.object {
            $0.member("pid", member.pid)
            $0.member("ppid", member.ppid)
            $0.member("command", bytes: member.comm)
            $0.member("state", String(member.state))
            $0.member("cpu_us", Int64(member.cpuMicroseconds))
            $0.member("rss_kib", Int64(member.residentKiB))
        }
    }

    private func update(_ call: Call, _ parameters: JSONCursor) throws {
        let reference = try parameters.need("process").process()
        var changes = Supervisor.Changes()
        changes.name = try parameters.ifPresent("name") { try $0.processName() }
        changes.labels = try parameters.ifPresent("labels") { [limits = supervisor.limits] in
            try $0.labels(limits: limits)
        }
        changes.lifetime = try parameters.ifPresent("lifetime") { try $0.lifetime() }
        let stop = try parameters.ifPresent("stop") { try $0.stopRule() }
        if let cursor = parameters.member("timeout_ms") {
            if cursor.value.kind == .string {
                _ = try cursor.oneOf(["none"])
                changes.timeout = .some(nil)
            } else {
                changes.timeout = try cursor.duration(1...ServerLimits.longest)
            }
        }
        let process = try supervisor.find(reference, for: call.peer.uid)
        changes.stop = stop.map { process.stop.changed($0) }
        try supervisor.update(process, changes, connection: call.connection.token)
        call.names([process])
        call.succeed { write(&$0, process) }
    }

    private func release(_ call: Call, _ parameters: JSONCursor) throws {
        let selector = try parameters.need("processes").selector()
        var processes = try supervisor.select(selector, for: call.peer.uid)
        // Who names one means it; "all" and labels mean those that can be released.
        if case .these = selector {} else { processes = processes.filter(\.isExited) }
        let released = try supervisor.release(processes)
        call.succeed(["released": .array(released.map { .integer($0) })])
    }
}
