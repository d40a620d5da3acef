// SPDX-License-Identifier: Apache-2.0
public import Kernel

/// What a caller may say about a program, checked and typed. Byte strings hold no NUL.
public struct ProgramSpec {
    /// At least one.
    public var arguments: [[UInt8]]
    /// The program, instead of `arguments[0]`.
    public var file: File?
    public var environment: [(name: [UInt8], value: [UInt8]?)] = []
    public var environmentBase = EnvironmentBase.inherit
    public var directory: Directory?
    public var signals: SignalSetup?

    /// A name is searched in PATH if it has no slash; candidates are tried as they are.
    public enum File {
        case name([UInt8])
        case candidates([[UInt8]])
    }

    /// `keep`: what the process was last started with.
    public enum EnvironmentBase: String, CaseIterable, Sendable { case inherit, empty, keep }

    public enum Directory {
        case path([UInt8])
        case descriptor(SharedDescriptor)
    }

    /// Signals that the program starts with ignored and blocked; bit n-1 is signal n. All others are at their
    /// default.
    public struct SignalSetup: Sendable {
        public var ignored: UInt64 = 0
        public var blocked: UInt64 = 0
        public init(ignored: UInt64 = 0, blocked: UInt64 = 0) {
            self.ignored = ignored
            self.blocked = blocked
        }
    }

    public init(arguments: [[UInt8]]) { self.arguments = arguments }
}

/// How long a process may live without its caller.
public enum Lifetime: Equatable {
    case detached
    /// Ends with the connection that spawned it.
    case connection
    /// Ends this many ms after its owner's last request that names it.
    case lease(Int64)
}

/// How a process is stopped: a signal to its tree, and SIGKILL to what is left when the grace has passed.
public struct StopRule: Equatable {
    public var signal: Int32
    public var grace: Int64
    public init(signal: Int32, grace: Int64) {
        self.signal = signal
        self.grace = grace
    }

    /// The same with the given halves replaced.
    public func changed(_ changes: (signal: Int32?, grace: Int64?)) -> StopRule {
        StopRule(signal: changes.signal ?? signal, grace: changes.grace ?? grace)
    }
}

/// Where a standard descriptor comes from or goes to.
public enum StreamSpec {
    case null
    /// Captured: a pipe into a ring.
    case pipe
    case file(path: [UInt8], mode: FileMode)
    case descriptor(SharedDescriptor)
    /// The program has it, and the server nothing to do with it any more.
    case handedOver
    /// stderr only: wherever stdout goes.
    case stdout
    /// The process's own terminal.
    case terminal

    public enum FileMode: String, CaseIterable, Sendable {
        case truncate, append
        case createNew = "create-new"
    }

    /// The kind as records name it.
    public var kind: String {
        switch self {
        case .null: "null"
        case .pipe: "pipe"
        case .file: "file"
        case .descriptor, .handedOver: "descriptor"
        case .stdout: "stdout"
        case .terminal: "terminal"
        }
    }
}

/// A terminal of the server's own.
public struct TerminalSpec {
    public var rows: UInt16
    public var columns: UInt16
    public var kind: [UInt8]
    public init(rows: UInt16 = 24, columns: UInt16 = 80, kind: [UInt8] = Array("xterm-256color".utf8)) {
        self.rows = rows
        self.columns = columns
        self.kind = kind
    }
}

/// What happens to captured output when its ring is full.
public enum WhenFull: String, CaseIterable, Sendable {
    case discardOldest = "discard-oldest"
    /// The program waits until somebody has read.
    case block
    /// The program waits for lossless subscribers, and for nobody else: with none, the oldest bytes go.
    case blockWhileFollowed = "block-while-followed"
}

/// A request to spawn.
public struct SpawnSpec {
    public var program: ProgramSpec
    public var stdin = StreamSpec.null
    /// A terminal for the program: its size, and what kind of one TERM says it is.
    public var terminal: TerminalSpec?
    public var stdout = StreamSpec.pipe
    public var stderr = StreamSpec.pipe
    /// Further descriptors, by target.
    public var descriptors: [(target: Int32, source: SharedDescriptor)] = []
    public var user: UInt32?
    public var group: UInt32?
    public var groups: [UInt32]?
    public var umask: Int32?
    public var nice: Int32?
    public var limits: [LaunchPlan.Limit] = []
    public var noNewPrivileges = false
    public var session = LaunchPlan.Session.new
    public var name: String?
    public var labels: [(String, String)] = []
    public var timeout: Int64?
    public var stop: StopRule
    public var lifetime = Lifetime.detached
    public var outputLimit: Int
    public var whenFull = WhenFull.discardOldest
    public var hold = false
    public var startTimeout: Int64

    /// The child has copies of what was passed for it: a pipe must end when the program closes it. And its environment is
    /// known by the whole that was made of these.
    mutating func letGoOfWhatWasPassed() {
        if case .descriptor = stdin { stdin = .handedOver }
        if case .descriptor = stdout { stdout = .handedOver }
        if case .descriptor = stderr { stderr = .handedOver }
        if case .descriptor = program.directory { program.directory = nil }
        descriptors = []
        program.environment = []
    }

    public init(program: ProgramSpec, limits: Limits) {
        self.program = program
        stop = StopRule(signal: 15, grace: limits.stopGrace)
        outputLimit = limits.outputDefault
        startTimeout = limits.startTimeout
    }
}
