// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import ProcessControl
import SystemPackage
import Testing

@testable import Server

/// What callers see of each refusal.
@Suite struct WireErrorTests {
    private func expect(
        _ refusal: Refusal, _ code: Int, _ message: String, _ data: JSONValue,
        _ place: SourceLocation = #_sourceLocation
    ) {
        let error = RPCError(refusal)
        #expect(error.code == code, sourceLocation: place)
        #expect(error.message == message, sourceLocation: place)
        #expect(error.data == data, sourceLocation: place)
    }

    @Test func noSuchProcess() {
        expect(
            .noSuchProcess(.id(7), forgotten: false), 1, "there is no process 7",
            ["kind": "no_such_process", "process": 7])
        expect(
            .noSuchProcess(.id(7), forgotten: true), 1, "there is no process 7 any more",
            ["kind": "no_such_process", "process": 7, "reason": "forgotten"])
        expect(
            .noSuchProcess(.name("web"), forgotten: false), 1, "there is no process \"web\"",
            ["kind": "no_such_process", "process": "web"])
    }

    @Test func spawnFailed() {
        expect(
            .spawnFailed(LaunchFailure(stage: .exec, error: .noSuchFileOrDirectory), path: Array("nosuch".utf8)), 3,
            "cannot start \"nosuch\": No such file or directory (exec)",
            ["kind": "spawn_failed", "stage": "exec", "errno": 2, "errno_name": "ENOENT", "path": "nosuch"])
        expect(
            .spawnFailed(LaunchFailure(stage: .noNewPrivileges, error: .timedOut), path: nil), 3,
            "cannot start: Connection timed out (no_new_privileges)",
            ["kind": "spawn_failed", "stage": "no_new_privileges", "errno": 110, "errno_name": "ETIMEDOUT"])
        let bytes = RPCError(.spawnFailed(LaunchFailure(stage: .cwd, error: .permissionDenied), path: [0xFF]))
        #expect(bytes.data?["path"] == ["base64": "/w=="])
    }

    @Test func execFailed() {
        expect(
            .execFailed(LaunchFailure(stage: .exec, error: .permissionDenied), path: Array("/x".utf8), process: 3), 4,
            "cannot exec \"/x\": Permission denied (exec)",
            [
                "kind": "exec_failed", "stage": "exec", "errno": 13, "errno_name": "EACCES", "path": "/x",
                "process": 3,
            ])
        expect(
            .execFailed(LaunchFailure(stage: .gate, error: .tooManyOpenFiles), path: nil, process: nil), 4,
            "cannot exec: Too many open files (gate)",
            ["kind": "exec_failed", "stage": "gate", "errno": 24, "errno_name": "EMFILE"])
    }

    @Test func replaceFailed() {
        expect(
            .replaceFailed(.cwd, .noSuchFileOrDirectory, path: Array("/x".utf8), process: 3, hasDied: false), 4,
            "cannot exec \"/x\": No such file or directory (cwd)",
            ["kind": "exec_failed", "stage": "cwd", "errno": 2, "errno_name": "ENOENT", "path": "/x", "process": 3])
        expect(
            .replaceFailed(.exec, .noMemory, path: Array("true".utf8), process: 3, hasDied: true), 4,
            "cannot exec \"true\": Cannot allocate memory (exec): the old program was gone already, and the process has died",
            [
                "kind": "exec_failed", "stage": "exec", "errno": 12, "errno_name": "ENOMEM", "path": "true",
                "process": 3, "reason": "died",
            ])
    }

    /// Each reason under the name and the code that clients tell it by.
    @Test(arguments: ReplaceRefusal.allCases) func notReplaceable(_ reason: ReplaceRefusal) throws {
        let codes: [(Int, [ReplaceRefusal])] = [
            (5, [.seccomp, .yama, .credentials, .notDumpable, .noPermission, .setuidTarget, .unreadableTarget]),
            (6, [.traced, .vfork, .uninterruptible, .frozen]),
            (9, [.notSupported]),
        ]
        let error = RPCError(.notReplaceable(reason, process: 3, state: .stopped))
        #expect(error.code == codes.first { $0.1.contains(reason) }?.0)
        #expect(error.message.hasPrefix("the program of process 3 cannot be replaced: "))
        let data = try #require(error.data)
        #expect(data["reason"] == .string(reason.rawValue) && data["process"] == 3)
        #expect(data["state"] == (error.code == 6 ? "stopped" : nil))
        #expect(data["what"] == (error.code == 9 ? "exec-replace of this program" : nil))
    }

    @Test func theOthers() {
        expect(
            .wrongState(reason: "living", process: 3, state: .running), 6,
            "process 3 is in the wrong state: living",
            ["kind": "wrong_state", "reason": "living", "process": 3, "state": "running"])
        expect(
            .wrongState(reason: "shutting_down", process: nil, state: nil), 6,
            "the request is in the wrong state: shutting_down", ["kind": "wrong_state", "reason": "shutting_down"])
        expect(
            .nameTaken(name: "web", process: 3), 7, "the name \"web\" is taken by process 3",
            ["kind": "name_taken", "name": "web", "process": 3])
        expect(
            .limitReached(name: "processes", maximum: 5), 8, "limit reached: processes is at most 5",
            ["kind": "limit_reached", "limit": "processes", "maximum": 5])
        expect(
            .streamClosed(process: 3, stream: "stdin"), 10, "stdin of process 3 is closed",
            ["kind": "stream_closed", "process": 3, "stream": "stdin"])
    }

    @Test func codesAndKindsAreStable() {
        let kinds = [
            "no_such_process", "already_exited", "spawn_failed", "exec_failed", "not_permitted", "wrong_state",
            "name_taken", "limit_reached", "not_supported", "stream_closed",
        ]
        #expect(WireErrorCode.allCases.map(\.rawValue) == Array(1...10))
        #expect(WireErrorCode.allCases.map(\.kind) == kinds)
        let error = WireErrorCode.alreadyExited.error("gone", ["process": 3, "reason": nil, "exit": .null])
        #expect(
            error
                == RPCError(
                    code: 2, message: "gone", data: ["kind": "already_exited", "process": 3, "exit": nil]))
    }

    /// Every stage of a start has the name that the schema gives it.
    @Test func stagesAreWords() {
        for stage in LaunchStage.allCases {
            let error = RPCError(.spawnFailed(LaunchFailure(stage: stage, error: .ioError), path: nil))
            #expect(error.data?["stage"]?.string == stage.rawValue)
        }
        #expect(LaunchStage.allCases.count == 21)
    }

    // MARK: What a handler throws

    @Test func whatAHandlerThrows() throws {
        struct Other: Error {}
        let own = RPCError.methodNotFound("x")
        #expect(RPCError(own as any Error) == own)
        let refusal: any Error = Refusal.notReplaceable(.notSupported, process: 3, state: .running)
        #expect(RPCError(refusal).code == 9)
        let other = RPCError(Other() as any Error)
        #expect(other.code == -32603)
        #expect(other.data == ["kind": "internal_error"])
        let mismatch = JSONCursor("x", path: .root.appending("env").appending("PATH")).mismatch(expected: "an integer")
        let invalid = RPCError(mismatch as any Error)
        #expect(invalid.code == -32602)
        #expect(
            invalid.data == [
                "kind": "invalid_params", "path": "env.PATH", "expected": "an integer", "found": "string",
            ])
    }
}
