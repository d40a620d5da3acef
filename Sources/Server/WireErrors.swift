// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import ProcessControl
import SystemPackage

/// The errors of this server on the wire: positive, stable codes. The one table from domain to wire.
nonisolated enum WireErrorCode: Int, CaseIterable {
    case noSuchProcess = 1
    case alreadyExited, spawnFailed, execFailed, notPermitted, wrongState, nameTaken, limitReached, notSupported
    case streamClosed

    /// What stands in `data.kind`.
    var kind: String {
        switch self {
        case .noSuchProcess: "no_such_process"
        case .alreadyExited: "already_exited"
        case .spawnFailed: "spawn_failed"
        case .execFailed: "exec_failed"
        case .notPermitted: "not_permitted"
        case .wrongState: "wrong_state"
        case .nameTaken: "name_taken"
        case .limitReached: "limit_reached"
        case .notSupported: "not_supported"
        case .streamClosed: "stream_closed"
        }
    }

    func error(_ message: String, _ data: KeyValuePairs<String, JSONValue?> = [:]) -> RPCError {
        var members: [(String, JSONValue)] = [("kind", .string(kind))]
        for (name, value) in data {
            if let value { members.append((name, value)) }
        }
        return RPCError(code: rawValue, message: message, data: .object(members: members))
    }
}

nonisolated extension RPCError {
    /// What a handler threw.
    init(_ error: any Error) {
        switch error {
        case let error as RPCError: self = error
        case let mismatch as JSONMismatch: self = .invalidParams(mismatch)
        case let refusal as Refusal: self = RPCError(refusal)
        default: self = .internalError("\(error)")
        }
    }

    init(_ refusal: Refusal) {
        switch refusal {
        case .noSuchProcess(let reference, let forgotten):
            self = WireErrorCode.noSuchProcess.error(
                "there is no process \(reference.shown)" + (forgotten ? " any more" : ""),
                ["process": reference.json, "reason": forgotten ? "forgotten" : nil])
        case .spawnFailed(let failure, let path):
            self = WireErrorCode.spawnFailed.start("cannot start", failure.stage.rawValue, failure.error, path)
        case .execFailed(let failure, let path, let process):
            self = WireErrorCode.execFailed.start(
                "cannot exec", failure.stage.rawValue, failure.error, path, process: process)
        case .replaceFailed(let stage, let error, let path, let process, let hasDied):
            self = WireErrorCode.execFailed.start(
                "cannot exec", stage.rawValue, error, path, process: process, reason: hasDied ? "died" : nil)
        case .notReplaceable(let reason, let process, let state):
            self = RPCError(reason, process: process, state: state)
        case .wrongState(let reason, let process, let state):
            let about = process.map { "process \($0)" } ?? "the request"
            self = WireErrorCode.wrongState.error(
                "\(about) is in the wrong state: \(reason)",
                [
                    "reason": .string(reason), "process": process.map(JSONValue.integer),
                    "state": state.map { .string($0.rawValue) },
                ])
        case .nameTaken(let name, let process):
            self = WireErrorCode.nameTaken.error(
                "the name \"\(name)\" is taken by process \(process)",
                ["name": .string(name), "process": .integer(process)])
        case .limitReached(let name, let maximum):
            self = .limitReached(name, maximum: maximum)
        case .streamClosed(let process, let stream):
            self = WireErrorCode.streamClosed.error(
                "\(stream) of process \(process) is closed",
                ["process": .integer(process), "stream": .string(stream)])
        }
    }
}

nonisolated extension WireErrorCode {
    fileprivate func start(
        _ what: String, _ stage: String, _ failure: Errno, _ path: [UInt8]?, process: Int? = nil, reason: String? = nil
    ) -> RPCError {
        let subject = path.map { " \"\(String(decoding: $0, as: UTF8.self))\"" } ?? ""
        let end = reason == nil ? "" : ": the old program was gone already, and the process has died"
        return error(
            "\(what)\(subject): \(failure.text) (\(stage))\(end)",
            [
                "stage": .string(stage), "errno": .integer(Int(failure.rawValue)), "errno_name": .string(failure.name),
                "path": path.map { JSONValue.bytes($0) }, "process": process.map(JSONValue.integer),
                "reason": reason.map(JSONValue.string),
            ])
    }
}

nonisolated extension ProcessReference {
    var json: JSONValue {
        switch self {
        case .id(let id): .integer(id)
        case .name(let name): .string(name)
        }
    }

    var shown: String {
        switch self {
        case .id(let id): "\(id)"
        case .name(let name): "\"\(name)\""
        }
    }
}
