// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import ProcessControl

/// Why the program of a running process is not replaced, each reason with its code and its words.
nonisolated extension RPCError {
    init(_ reason: ReplaceRefusal, process: Int, state: ProcessState) {
        self = reason.code.error(
            "the program of process \(process) cannot be replaced: \(reason.explanation)",
            [
                "reason": .string(reason.rawValue), "process": .integer(process),
                "state": reason.code == .wrongState ? .string(state.rawValue) : nil,
                "what": reason.code == .notSupported ? "exec-replace of this program" : nil,
            ])
    }
}

nonisolated extension ReplaceRefusal {
    /// What passes by itself is a state; what somebody has decided is a permission.
    fileprivate var code: WireErrorCode {
        switch self {
        case .traced, .vfork, .uninterruptible, .frozen: .wrongState
        case .seccomp, .yama, .credentials, .notDumpable, .noPermission, .setuidTarget, .unreadableTarget: .notPermitted
        case .notSupported: .notSupported
        }
    }

    fileprivate var explanation: String {
        switch self {
        case .traced: "somebody else traces it"
        case .vfork: "it waits for a child of vfork(2) to exec"
        case .uninterruptible: "it is in a call of the kernel that nothing interrupts"
        case .frozen: "its cgroup is frozen"
        case .seccomp: "it has seccomp filters of its own"
        case .yama: "kernel.yama.ptrace_scope does not allow it"
        case .credentials: "it has more rights than it was started with"
        case .notDumpable: "it may not be looked at: an unreadable program, or PR_SET_DUMPABLE of prctl(2)"
        case .noPermission: "the kernel, or a container's filter, does not allow ptrace(2)"
        case .setuidTarget: "the new program is set-uid, and would start without its rights"
        case .unreadableTarget: "the new program may be executed but not read"
        case .notSupported: "a 32-bit program, or a kernel without PTRACE_SEIZE"
        }
    }
}
