// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import Logging
import ProcessControl
import SystemPackage

/// `spawn` and `exec-replace`.
extension Server {
    /// The members that `spawn` and the connection form of `exec-replace` share, in the order of both.
    private static let attributes = [
        "user", "group", "groups", "umask", "nice", "rlimits", "no_new_privileges",
    ]

    var spawnMethods: [Method] {
        let spawnMembers =
            [Member.required("argv", "the program and its arguments")]
            + SpawnDecoding.programMembers.flatMap { Member.optional($0) }
            + SpawnDecoding.streamMembers.flatMap { Member.optional($0) }
            + Self.attributes.flatMap { Member.optional($0) }
            + Member.optional(
                "signals", "name", "labels", "timeout_ms", "stop", "lifetime", "output", "hold", "session",
                "start_timeout_ms", "pty")
        let replaceMembers =
            Member.optional("process", "argv") + SpawnDecoding.programMembers.flatMap { Member.optional($0) }
            + Member.optional("signals", "start_timeout_ms", "from_inside", "connection")
            + SpawnDecoding.streamMembers.flatMap { Member.optional($0) }
            + Self.attributes.flatMap { Member.optional($0) }
            + Member.optional(
                "name", "labels", "timeout_ms", "stop", "lifetime", "session")
        return [
            Method("spawn", spawnMembers, delaysOthers: true) { [unowned self] in try spawn($0, $1) },
            Method("exec-replace", replaceMembers, delaysOthers: true) { [unowned self] in try replace($0, $1) },
        ]
    }

    private func decoding(_ call: Call) -> SpawnDecoding {
        SpawnDecoding(program: ProgramDecoding(descriptors: call.descriptors), limits: supervisor.limits)
    }

    private func owner(of call: Call) -> Owner { Owner(uid: call.peer.uid, gid: call.peer.gid) }

    // MARK: spawn

    private func spawn(_ call: Call, _ parameters: JSONCursor) throws {
        let spec = try decoding(call).decode(parameters)
        supervisor.spawn(spec, owner: owner(of: call), connection: call.connection.token) { [self] result in
            answer(call, result)
        }
    }

    private func answer(_ call: Call, _ result: Result<ManagedProcess, Refusal>, as done: Logger.Message = "started") {
        switch result {
        case .success(let process):
            log.info(
                done,
                metadata: [
                    "process": "\(process.id)", "pid": "\(process.pid ?? 0)", "peer": "\(call.peer.pid)",
                    "state": "\(process.state.rawValue)",
                ])
            call.spawned(process)
            call.succeed { write(&$0, process) }
        case .failure(let refusal):
            let error = RPCError(refusal)
            log.info("not \(done)", metadata: ["error": "\(error.message)", "peer": "\(call.peer.pid)"])
            call.fail(error)
        }
    }

    // MARK: exec-replace

    private func replace(_ call: Call, _ parameters: JSONCursor) throws {
        let ofConnection = try parameters.ifPresent("connection") { try $0.boolean() }
        if ofConnection == true { return try replaceConnection(call, parameters) }
        let fromInside = try parameters.ifPresent("from_inside") { try $0.boolean() } ?? false
        if parameters.member("process") == nil, !fromInside {
            throw parameters.mismatch(
                expected: "\"process\", \"from_inside\": true, or \"connection\": true", found: "none of them")
        }
        for name in SpawnDecoding.streamMembers + Self.attributes + Self.managementOfConnection {
            guard let cursor = parameters.member(name) else { continue }
            throw cursor.mismatch(expected: "only with \"connection\": true", found: cursor.value.kind.rawValue)
        }
        let decoding = ProgramDecoding(descriptors: call.descriptors)
        let replacement = try replacement(parameters, decoding)
        let named = try parameters.ifPresent("process") { try supervisor.find(try $0.process(), for: call.peer.uid) }
        let living = fromInside ? supervisor.process(pid: call.peer.pid, for: call.peer.uid) : nil
        let own = living.flatMap { call.connection.isOf($0) ? $0 : nil }
        guard let process = named ?? own, !fromInside || process === own else {
            throw Refusal.wrongState(reason: "not_inside", process: named?.id, state: named?.state)
        }
        call.names([process])
        supervisor.replace(process, with: replacement) { [self] result in answer(call, result, as: "replaced") }
    }

    private static let managementOfConnection = ["name", "labels", "timeout_ms", "stop", "lifetime", "session"]

    private func replacement(_ parameters: JSONCursor, _ decoding: ProgramDecoding) throws -> Replacement {
        var replacement = Replacement()
        replacement.arguments = try parameters.ifPresent("argv") { try decoding.arguments($0) }
        replacement.file = try parameters.ifPresent("file") { try decoding.file($0) }
        replacement.environment = try parameters.ifPresent("env") { try decoding.environment($0) } ?? []
        replacement.environmentBase =
            try parameters.ifPresent("env_base") { try $0.choice(ProgramSpec.EnvironmentBase.self) } ?? .keep
        replacement.directory = try parameters.ifPresent("cwd") { try decoding.directory($0) }
        replacement.signals = try parameters.ifPresent("signals") { try decoding.replacementSignals($0) }
        replacement.timeout = try parameters.ifPresent("start_timeout_ms") {
            try $0.duration(1...supervisor.limits.startTimeoutMost)
        }
        return replacement
    }

    /// The program takes the place of the server at the other end of this connection. Success is silence.
    private func replaceConnection(_ call: Call, _ parameters: JSONCursor) throws {
        for name in ["process", "from_inside"] {
            guard let cursor = parameters.member(name) else { continue }
            throw cursor.mismatch(expected: "no \(name) beside \"connection\": true", found: cursor.value.kind.rawValue)
        }
        if parameters.member("argv") == nil {
            throw parameters.mismatch(expected: "\"argv\" beside \"connection\": true", found: "nothing")
        }
        if let lifetime = parameters.member("lifetime"), try lifetime.lifetime() == .connection {
            throw lifetime.mismatch(expected: "another lifetime: the connection ends here", found: "\"connection\"")
        }
        if let base = parameters.member("env_base"), try base.string() == "keep" {
            throw base.mismatch(expected: "\"inherit\" or \"empty\" beside \"connection\": true", found: "\"keep\"")
        }
        var spec = try decoding(call).decode(parameters)
        let connection = call.connection
        if let reason = reasonToKeepConnection(call) {
            throw Refusal.wrongState(reason: reason, process: nil, state: nil)
        }
        connection.beginHandingOver { [self] in
            do throws(Errno) {
                let socket = try connection.lendSocket()
                if parameters.member("stdin") == nil { spec.stdin = .descriptor(socket) }
                if parameters.member("stdout") == nil { spec.stdout = .descriptor(socket) }
            } catch {
                return call.fail(.internalError("the socket cannot be handed over: \(error.name)"))
            }
            supervisor.spawn(spec, owner: owner(of: call), connection: nil) { [self] result in
                switch result {
                case .success(let process):
                    log.info(
                        "took over a connection",
                        metadata: ["process": "\(process.id)", "peer": "\(call.peer.pid)"])
                    call.succeedSilently()
                    connection.giveSocketAway()
                case .failure(let refusal):
                    connection.takeSocketBack()
                    call.fail(RPCError(Self.asExec(refusal)))
                }
            }
        }
    }

    private static func asExec(_ refusal: Refusal) -> Refusal {
        guard case .spawnFailed(let failure, let path) = refusal else { return refusal }
        return .execFailed(failure, path: path, process: nil)
    }

    private func reasonToKeepConnection(_ call: Call) -> String? {
        if call.isPartOfBatch { return "in_a_batch" }
        if call.connection.dialogue.isBusy(besides: call) { return "requests_pending" }
        if !call.connection.subscriptions.isEmpty { return "subscriptions_open" }
        if call.connection.token.holdsProcesses { return "processes_of_this_connection" }
        if call.connection.hasBufferedInput { return "input_buffered" }
        return nil
    }
}
