// SPDX-License-Identifier: Apache-2.0
public import Kernel

/// Whose a process is: the ids its spawner had when it connected.
public struct Owner: Hashable, Sendable {
    public var uid: UInt32
    public var gid: UInt32
    public init(uid: UInt32, gid: UInt32) {
        self.uid = uid
        self.gid = gid
    }
}

/// A connection, as far as processes care: something whose end may be theirs.
public final class ConnectionToken {
    /// Those whose lifetime is this connection.
    var processes: [Int: ManagedProcess] = [:]
    /// It is over; whoever still holds this must not wait for its end.
    var hasEnded = false
    public init() {}
    /// Whether processes would end with it.
    public var holdsProcesses: Bool { !processes.isEmpty }
}

/// A process under the server's care: all that is known of it, from its spawn to its release.
public final class ManagedProcess {
    public let id: Int
    public let owner: Owner
    public internal(set) var lifecycle = Lifecycle()
    public internal(set) var name: String?
    public internal(set) var labels: [(String, String)]
    public internal(set) var arguments: [[UInt8]]
    public internal(set) var directory: [UInt8]?
    public internal(set) var stop: StopRule
    public internal(set) var lifetime: Lifetime
    /// Which program this is: the first, or one that has taken the place of another that ran.
    public internal(set) var generation = 1
    var spec: SpawnSpec
    /// What it was last started with.
    var environment: Environment

    // The child.
    public internal(set) var pid: Int32?
    /// Session id, and process group if it leads one of its own.
    public internal(set) var session: Int32?
    var processGroup: Int32?
    var child: LaunchedChild?
    var cgroup: Cgroup?
    public var containment: Containment { hadCgroup ? .cgroup : .descendants }
    var hadCgroup = false

    // What happened. Instants in ms since 1970.
    public internal(set) var startedAt: Int64?
    public internal(set) var replacedAt: Int64?
    public internal(set) var exitedAt: Int64?
    public internal(set) var drainedAt: Int64?
    public internal(set) var exit: ExitStatus?
    public internal(set) var usage: ChildExit?
    public internal(set) var reason: ExitReason?
    public internal(set) var deadlineAt: Int64?
    /// The rule that is stopping it, and the signals that requests have sent.
    var stoppingRule: ExitReason?
    var signalsSent: UInt64 = 0
    /// What stopped it last.
    var stopSignal: Int32 = 0
    /// A waiter has been told of its exit.
    var exitSeen = false

    // Streams.
    public internal(set) var stdout: CapturedStream?
    public internal(set) var stderr: CapturedStream?
    let arrivalOrder = ArrivalOrder()
    /// What its terminal shows.
    public internal(set) var terminal: CapturedStream?
    var terminalMaster: SharedDescriptor?
    /// The way into its stdin, or its terminal.
    public internal(set) var input: InputQueue?

    // Who waits for what.
    var waiters: [ObjectIdentifier: Waiter] = [:]
    var feeds: [ObjectIdentifier: Feed] = [:]
    var killPlans: [ObjectIdentifier: KillPlan] = [:]
    /// What a held process's deadline will be, counted from the start of its program.
    var timeoutFromStart: Int64?
    var deadlineTimer: Kernel.Timer?
    var leaseTimer: Kernel.Timer?
    /// Requests under way that name it: its lease does not run meanwhile.
    var leaseHolds = 0
    weak var connection: ConnectionToken?
    /// Its start, until that is decided and, if it failed, reaped.
    var startsNow: Start?
    /// The exec-replace under way.
    var replacing: ReplaceOrder?

    init(id: Int, spec: SpawnSpec, owner: Owner, environment: Environment) {
        self.id = id
        self.owner = owner
        self.spec = spec
        self.environment = environment
        name = spec.name
        labels = spec.labels
        arguments = spec.program.arguments
        stop = spec.stop
        lifetime = spec.lifetime
        timeoutFromStart = spec.timeout
    }

    public var state: ProcessState { lifecycle.state }
    public var isExited: Bool { lifecycle.state == .exited }
    public var isDrained: Bool { drainedAt != nil }
    public var stdinKind: String { spec.stdin.kind }
    public var stdoutKind: String { spec.stdout.kind }
    public var stderrKind: String { spec.stderr.kind }

    /// The captured stream of this name, or nil if that is not captured.
    public func stream(_ name: String) -> CapturedStream? {
        switch name {
        case "stdout": stdout
        case "stderr": stderr
        case "terminal": terminal
        default: nil
        }
    }

    /// The captured ones, by the names that records use.
    public var streams: [(name: String, stream: CapturedStream)] {
        var streams: [(name: String, stream: CapturedStream)] = []
        if let stdout { streams.append(("stdout", stdout)) }
        if let stderr { streams.append(("stderr", stderr)) }
        if let terminal { streams.append(("terminal", terminal)) }
        return streams
    }

    var retainedBytes: Int { streams.reduce(0) { $0 + $1.stream.retained } }
    /// What its record holds that a caller may have made long.
    var recordBytes: Int {
        arguments.reduce(0) { $0 + $1.count } + labels.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count }
    }
    /// The terminal's size as last set.
    public var terminalSize: (rows: UInt16, columns: UInt16)? {
        spec.terminal.map { ($0.rows, $0.columns) }
    }

    /// Byte by byte: String's own == takes different spellings of a character for the same.
    public func hasLabels(_ wanted: [(String, String)]) -> Bool {
        wanted.allSatisfy { label in
            labels.contains { $0.0.utf8.elementsEqual(label.0.utf8) && $0.1.utf8.elementsEqual(label.1.utf8) }
        }
    }
}

/// How the tree of a process is held together, and so how exact a kill of it is.
public enum Containment: String, Sendable {
    /// A cgroup of its own: nothing escapes.
    case cgroup
    /// Its descendants, its session, and orphans that carry its mark: best effort.
    case descendants
}
