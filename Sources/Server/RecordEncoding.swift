// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl

/// The record of a process as the wire has it: the same members everywhere, null where something is not known.
enum RecordEncoding {
    static func record(_ process: ManagedProcess, instance: String) -> JSONValue {
        .object(members: members(process, instance: instance))
    }

    static func members(_ process: ManagedProcess, instance: String) -> [(String, JSONValue)] {
        [
            ("id", .integer(process.id)),
            ("instance", .string(instance)),
            ("name", process.name.map(JSONValue.string) ?? .null),
            ("state", .string(process.state.rawValue)),
            ("pid", process.pid.map { .integer(Int($0)) } ?? .null),
            ("argv", .array(process.arguments.map { JSONValue.bytes($0) })),
            ("cwd", process.directory.map { JSONValue.bytes($0) } ?? .null),
            ("labels", .object(members: process.labels.map { ($0.0, .string($0.1)) })),
            ("owner", ["uid": .integer(Int(process.owner.uid)), "gid": .integer(Int(process.owner.gid))]),
            ("session", process.session.map { .integer(Int($0)) } ?? .null),
            ("started_at", process.startedAt.map(JSONValue.integer) ?? .null),
            ("replaced_at", process.replacedAt.map(JSONValue.integer) ?? .null),
            ("exited_at", process.exitedAt.map(JSONValue.integer) ?? .null),
            ("drained_at", process.drainedAt.map(JSONValue.integer) ?? .null),
            ("exit", exit(process.exit)),
            ("reason", process.reason.map { .string($0.rawValue) } ?? .null),
            ("usage", process.usage.map(usage) ?? .null),
            ("streams", streams(process)),
            ("lifetime", lifetime(process.lifetime)),
            ("deadline_at", process.deadlineAt.map(JSONValue.integer) ?? .null),
            ("generation", .integer(process.generation)),
            ("containment", .string(process.containment.rawValue)),
        ]
    }

    static func exit(_ exit: ExitStatus?) -> JSONValue {
        switch exit {
        case nil: .null
        case .code(let code): ["code": .integer(Int(code))]
        case .signal(let number, let core):
            [
                "signal": .integer(Int(number)), "signal_name": .string(SignalName.name(of: number)),
                "core": .boolean(core),
            ]
        }
    }

    private static func usage(_ usage: ChildExit) -> JSONValue {
        [
            "user_us": .integer(usage.userMicroseconds),
            "system_us": .integer(usage.systemMicroseconds),
            "max_rss_kib": .integer(usage.maxResidentKiB),
            "faults": ["minor": .integer(usage.faults.minor), "major": .integer(usage.faults.major)],
            "switches": [
                "voluntary": .integer(usage.switches.voluntary), "involuntary": .integer(usage.switches.involuntary),
            ],
            "blocks": ["input": .integer(usage.blocks.input), "output": .integer(usage.blocks.output)],
        ]
    }

    private static func streams(_ process: ManagedProcess) -> JSONValue {
        [
            "stdin": input(process),
            "stdout": stream(process.stdoutKind, process.stdout),
            "stderr": stream(process.stderrKind, process.stderr),
            "terminal": terminal(process),
        ]
    }

    private static func stream(_ kind: String, _ stream: CapturedStream?) -> JSONValue {
        guard let stream else { return ["kind": .string(kind)] }
        return [
            "kind": .string(kind), "start": .integer(stream.start), "end": .integer(stream.end),
            "open": .boolean(stream.isOpen),
        ]
    }

    private static func input(_ process: ManagedProcess) -> JSONValue {
        guard let state = process.input?.state else { return ["kind": .string(process.stdinKind)] }
        return [
            "kind": .string(process.stdinKind), "accepted": .integer(state.accepted),
            "written": .integer(state.written), "closed": .boolean(state.closed),
        ]
    }

    private static func terminal(_ process: ManagedProcess) -> JSONValue {
        guard let terminal = process.terminal, let size = process.terminalSize else { return .null }
        return [
            "kind": "pty", "start": .integer(terminal.start), "end": .integer(terminal.end),
            "open": .boolean(terminal.isOpen), "rows": .integer(Int(size.rows)), "cols": .integer(Int(size.columns)),
        ]
    }

    private static func lifetime(_ lifetime: Lifetime) -> JSONValue {
        switch lifetime {
        case .detached: "detached"
        case .connection: "connection"
        case .lease(let length): ["lease_ms": .integer(length)]
        }
    }
}
