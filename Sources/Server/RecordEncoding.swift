// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl

/// The record of a process as the wire has it: the same members everywhere, null where something is not known.
enum RecordEncoding {
    static func write(_ process: ManagedProcess, instance: String, into writer: inout JSONWriter) {
        writer.object { writeMembers(process, instance: instance, into: &$0) }
    }

    static func writeMembers(_ process: ManagedProcess, instance: String, into record: inout JSONWriter) {
        record.member("id", process.id)
        record.member("instance", instance)
        record.member("name", process.name)
        record.member("state", process.state.rawValue)
        record.member("pid", process.pid)
        record.member("argv") { $0.array(process.arguments) { $0.value(bytes: $1) } }
        record.member("cwd", bytes: process.directory)
        record.member("labels") { labels in
            labels.object { for (key, value) in process.labels { $0.member(named: key) { $0.value(value) } } }
        }
        record.member("owner") { owner in
            owner.object {
                $0.member("uid", process.owner.uid)
                $0.member("gid", process.owner.gid)
            }
        }
        record.member("session", process.session)
        record.member("started_at", process.startedAt)
        record.member("replaced_at", process.replacedAt)
        record.member("exited_at", process.exitedAt)
        record.member("drained_at", process.drainedAt)
        record.member("exit") { write(process.exit, into: &$0) }
        record.member("reason", process.reason?.rawValue)
        record.member("usage") { write(process.usage, into: &$0) }
        record.member("streams") { $0.object { writeStreams(process, into: &$0) } }
        record.member("lifetime") { write(process.lifetime, into: &$0) }
        record.member("deadline_at", process.deadlineAt)
        record.member("generation", process.generation)
        record.member("containment", process.containment.rawValue)
    }

    static func write(_ exit: ExitStatus?, into writer: inout JSONWriter) {
        switch exit {
        case nil: writer.value(.null)
        case .code(let code): writer.object { $0.member("code", code) }
        case .signal(let number, let core):
            writer.object {
                $0.member("signal", number)
                $0.member("signal_name", SignalName.name(of: number))
                $0.member("core", core)
            }
        }
    }

    private static func write(_ usage: ChildExit?, into writer: inout JSONWriter) {
        guard let usage else { return writer.value(.null) }
        func pair(_ first: StaticString, _ one: Int64, _ second: StaticString, _ other: Int64, _ pair: inout JSONWriter)
        {
            pair.object {
                $0.member(first, one)
                $0.member(second, other)
            }
        }
        writer.object {
            $0.member("user_us", usage.userMicroseconds)
            $0.member("system_us", usage.systemMicroseconds)
            $0.member("max_rss_kib", usage.maxResidentKiB)
            $0.member("faults") { pair("minor", usage.faults.minor, "major", usage.faults.major, &$0) }
            $0.member("switches") {
                pair("voluntary", usage.switches.voluntary, "involuntary", usage.switches.involuntary, &$0)
            }
            $0.member("blocks") { pair("input", usage.blocks.input, "output", usage.blocks.output, &$0) }
        }
    }

    private static func writeStreams(_ process: ManagedProcess, into streams: inout JSONWriter) {
        streams.member("stdin") { stdin in
            stdin.object {
                $0.member("kind", process.stdinKind)
                guard let state = process.input?.state else { return }
                $0.member("accepted", state.accepted)
                $0.member("written", state.written)
                $0.member("closed", state.closed)
            }
        }
        streams.member("stdout") { $0.object { write(process.stdoutKind, process.stdout, into: &$0) } }
        streams.member("stderr") { $0.object { write(process.stderrKind, process.stderr, into: &$0) } }
        streams.member("terminal") { terminal in
            guard let stream = process.terminal, let size = process.terminalSize else { return terminal.value(.null) }
            terminal.object {
                write("pty", stream, into: &$0)
                $0.member("rows", Int(size.rows))
                $0.member("cols", Int(size.columns))
            }
        }
    }

    private static func write(_ kind: String, _ stream: CapturedStream?, into writer: inout JSONWriter) {
        writer.member("kind", kind)
        guard let stream else { return }
        writer.member("start", stream.start)
        writer.member("end", stream.end)
        writer.member("open", stream.isOpen)
    }

    private static func write(_ lifetime: Lifetime, into writer: inout JSONWriter) {
        switch lifetime {
        case .detached: writer.value("detached" as String)
        case .connection: writer.value("connection" as String)
        case .lease(let length): writer.object { $0.member("lease_ms", length) }
        }
    }
}
