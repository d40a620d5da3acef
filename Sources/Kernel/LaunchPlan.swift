// SPDX-License-Identifier: Apache-2.0
import CKernel
public import SystemPackage

/// The steps of a start, by the names that clients see as `stage`. `pk_stage` in launch.h.
public enum LaunchStage: String, Sendable, CaseIterable {
    case none, pipe, clone, cgroup, signals, session, umask, nice, rlimits, groups, gid, uid, cwd, stdin, stdout
    case stderr, fds, terminal
    case noNewPrivileges = "no_new_privileges"
    case gate, exec

    init(number: Int32) {
        let index = Int(number)
        self = Self.allCases.indices.contains(index) ? Self.allCases[index] : .none
    }

    var number: Int32 { Int32(Self.allCases.firstIndex(of: self) ?? 0) }
}

/// Why a program did not start.
public struct LaunchFailure: Error, Equatable {
    public var stage: LaunchStage
    public var error: Errno
    /// Which of the plan's candidates, mappings or limits it was.
    public var index: Int

    public init(stage: LaunchStage, error: Errno, index: Int = 0) {
        self.stage = stage
        self.error = error
        self.index = index
    }
}

/// Everything a child does before its execve(2), as values.
public struct LaunchPlan {
    /// A descriptor of the program.
    public struct Mapping {
        public enum Source {
            case descriptor(SharedDescriptor)
            /// Opened by the child, in its directory and with its ids. open(2).
            case file(path: [UInt8], flags: CInt, mode: UInt32)
            /// A copy of another target, mapped before.
            case target(CInt)
        }
        public var target: CInt
        public var source: Source
        public var stage: LaunchStage

        public init(target: CInt, source: Source, stage: LaunchStage) {
            self.target = target
            self.source = source
            self.stage = stage
        }
    }

    /// setrlimit(2); nil leaves a half as it is. RLIM_INFINITY is `UInt64.max`.
    public struct Limit: Equatable, Sendable {
        public var resource: UInt32
        public var soft: UInt64?
        public var hard: UInt64?

        public init(resource: UInt32, soft: UInt64?, hard: UInt64?) {
            self.resource = resource
            self.soft = soft
            self.hard = hard
        }
    }

    /// Session and process group. setsid(2), setpgid(2).
    public enum Session: Equatable, Sendable {
        case new, group, inherit
        /// A group of its own that it does not lead: it may still make a session for itself.
        case apart
        /// This group, which must be one of the server's session.
        case join(Int32)

        var number: Int32 {
            let session =
                switch self {
                case .new: PK_SESSION_NEW
                case .group: PK_SESSION_GROUP
                case .inherit: PK_SESSION_INHERIT
                case .apart: PK_SESSION_APART
                case .join: PK_SESSION_JOIN
                }
            return Int32(session.rawValue)
        }
    }

    public var image: ProgramImage
    /// Instead of the image's directory.
    public var directory: SharedDescriptor?
    public var mappings: [Mapping] = []
    public var limits: [Limit] = []
    public var groups: [UInt32]?
    public var user: UInt32?
    public var group: UInt32?
    public var session = Session.new
    /// The program's descriptor that becomes its controlling terminal; it takes a new session.
    public var controllingTerminal: CInt?
    public var umask: Int32?
    public var nice: Int32?
    public var noNewPrivileges = false
    /// Bit n-1 is signal n.
    public var ignored: UInt64 = 0
    public var blocked: UInt64 = 0
    /// Directory of the cgroup to be born in. It must stay open until `launch` returns.
    public var cgroup: CInt?

    public init(image: ProgramImage) { self.image = image }
}
