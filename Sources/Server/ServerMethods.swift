// SPDX-License-Identifier: Apache-2.0
import CSchema
import Glibc
import JSON
import JSONRPC
import Kernel
import Logging
import ProcessControl

/// `ping`, `info`, `shutdown`, `rpc.discover`: the server itself.
extension Server {
    /// This program's version.
    public static let version = "0.1.0"

    var serverMethods: [Method] {
        let pong: JSONValue = ["instance": .string(supervisor.instance)]
        return [
            Method("ping") { call, _ in call.succeed(pong) },
            Method("info") { [unowned self] call, _ in call.succeed(info()) },
            Method("shutdown") { [unowned self] call, _ in
                log.info("shutdown asked for", metadata: ["peer": "\(call.peer.pid)"])
                call.succeed(["stopping": .integer(shutDown())])
            },
            Method("rpc.discover") { [unowned self] call, _ in call.succeed(try document()) },
        ]
    }

    /// The OpenRPC document, as it was compiled in.
    private func document() throws -> JSONValue {
        if let parsedDocument { return parsedDocument }
        let document = try JSONValue.parse(
            UnsafeRawBufferPointer(start: procctl_schema_start(), count: procctl_schema_length))
        parsedDocument = document
        return document
    }

    private func info() -> JSONValue {
        let counts = supervisor.counts()
        let facts = supervisor.kernelFacts()
        func count(_ state: ProcessState) -> JSONValue { .integer(counts[state] ?? 0) }
        return [
            "name": "procctld",
            "version": .string(Self.version),
            "instance": .string(supervisor.instance),
            "pid": .integer(Int(getpid())),
            "uid": .integer(Int(geteuid())),
            "started_at": .integer(startedAt),
            "socket": listener.path.map { JSONValue.bytes(Array($0.utf8)) } ?? .null,
            "limits": limitsInForce(),
            "kernel": [
                "release": .string(facts.release), "machine": .string(facts.machine),
                "clone3": .boolean(facts.clone3), "clone_into_cgroup": .boolean(facts.cloneIntoCgroup),
                "cgroup_kill": .boolean(facts.cgroupKill),
                "close_range_unshare": .boolean(facts.closeRangeUnshare),
                "in_place_exec": .boolean(facts.inPlaceExec),
            ],
            "containment": .string(supervisor.containment.rawValue),
            "counts": [
                "processes": .integer(counts.filter { $0.key != .starting }.values.reduce(0, +)),
                "held": count(.held), "running": count(.running), "stopped": count(.stopped),
                "exited": count(.exited), "connections": .integer(connectionCount),
            ],
        ]
    }

    private func limitsInForce() -> JSONValue {
        let domain = supervisor.limits
        return [
            "message_bytes": .integer(limits.messageBytes),
            "nesting": .integer(limits.nesting),
            "batch_members": .integer(limits.batch),
            "requests_pending": .integer(limits.pendingRequests),
            "descriptors": .integer(DescriptorArrivals.most),
            "connections": .integer(limits.connections),
            "send_queue_bytes": .integer(limits.sendQueue),
            "read_bytes": .integer(limits.readMost),
            "subscriptions": .integer(limits.subscriptions),
            "output_queue_bytes": .integer(limits.outputQueue),
            "stall_ms": .integer(limits.stall),
            "input_queue_bytes": .integer(domain.inputQueue),
            "input_waiting_bytes": .integer(domain.inputWaiting),
            "events_waiting": .integer(limits.eventsWaiting),
            "processes": .integer(domain.processes),
            "output_bytes_default": .integer(domain.outputDefault),
            "output_bytes": .integer(domain.outputMost),
            "exited_records": .integer(domain.exitedRecords),
            "retained_output_bytes": .integer(domain.retainedOutput),
            "retained_record_bytes": .integer(domain.retainedRecords),
            "labels": .integer(domain.labels),
            "label_bytes": .integer(domain.labelBytes),
            "start_timeout_ms": .integer(domain.startTimeoutMost),
        ]
    }
}
