// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// The steps of a replacement, by the names that clients see as `stage`. `pk_inject_stage` in inject.h.
public enum ReplaceStage: String, Sendable, CaseIterable {
    case attach, stop, credentials, memory, cwd, fds, exec, signals

    init(number: Int32) {
        let index = Int(number)
        self = Self.allCases.indices.contains(index) ? Self.allCases[index] : .attach
    }
}

/// Why a replacement was not tried, by the names that clients see as `reason`. `pk_inject_refusal` in inject.h.
public enum ReplaceRefusal: String, Sendable, CaseIterable {
    case traced, vfork, uninterruptible, frozen, seccomp, yama, credentials
    case notDumpable = "not_dumpable"
    case noPermission = "no_permission"
    case notSupported = "not_supported"
    case setuidTarget = "setuid_target"
    case unreadableTarget = "unreadable_target"

    /// Nil: it was tried.
    init?(number: Int32) {
        let index = Int(number) - 1
        guard Self.allCases.indices.contains(index) else { return nil }
        self = Self.allCases[index]
    }
}

/// What a process was started with. One that has more now is not its owner's any more: a set-uid program, say.
public struct ProcessCredentials: Sendable, Equatable {
    public var user: UInt32
    public var group: UInt32
    public var groups: [UInt32]
    /// Those it could have had; capabilities(7).
    public var capabilities: UInt64

    /// What a child has that is started with these: this process's own where nothing is said.
    public init(user: UInt32?, group: UInt32?, groups: [UInt32]?) {
        self.user = user ?? geteuid()
        self.group = group ?? getegid()
        self.groups = groups ?? Self.ownGroups()
        capabilities = pk_capabilities_of_child(self.user)
    }

    private static func ownGroups() -> [UInt32] {
        var groups = [gid_t](repeating: 0, count: Int(max(getgroups(0, nil), 0)))
        let count = getgroups(CInt(groups.count), &groups)
        return Array(groups.prefix(Int(max(count, 0))))
    }
}

/// What to replace a running program by.
public struct ReplacePlan {
    public var image: ProgramImage
    /// Instead of the image's directory.
    public var directory: SharedDescriptor?
    /// Ignored and blocked ones, bit n-1 is signal n, for a program as fresh as a spawned one; nil leaves signals,
    /// timers and the modes of 0, 1, 2 as execve(2) does.
    public var signals: (ignored: UInt64, blocked: UInt64)? = (0, 0)
    public var started: ProcessCredentials
    /// Milliseconds for all of it.
    public var deadline: Int64

    public init(image: ProgramImage, started: ProcessCredentials, deadline: Int64 = 10_000) {
        self.image = image
        self.started = started
        self.deadline = deadline
    }
}

/// How a replacement ended.
public enum ReplaceOutcome: Equatable, Sendable {
    /// The new program runs; `unclean` says what kept it from being as fresh as asked.
    case replaced(unclean: Errno?)
    /// Not tried. The old program goes on as if nothing had happened.
    case refused(ReplaceRefusal, ReplaceStage, Errno)
    /// Tried in vain; `index` is the candidate it failed with. The old program goes on as if nothing had happened.
    case failed(ReplaceStage, Errno, index: Int)
    /// It failed where nothing could be put back any more: the process has died, as it does after execvp(3).
    case lost
    /// The process ended or was killed meanwhile.
    case ended

    init(_ outcome: pk_inject_outcome) {
        let error = Errno(rawValue: outcome.error)
        let stage = ReplaceStage(number: outcome.stage)
        switch pk_inject_result(rawValue: UInt32(outcome.result)) {
        case PK_INJECT_REPLACED:
            self = .replaced(unclean: outcome.unclean == 0 ? nil : Errno(rawValue: outcome.unclean))
        case PK_INJECT_REFUSED:
            self = .refused(ReplaceRefusal(number: outcome.refusal) ?? .noPermission, stage, error)
        case PK_INJECT_LOST: self = .lost
        case PK_INJECT_ENDED: self = .ended
        default: self = .failed(stage, error, index: Int(outcome.index))
        }
    }
}
