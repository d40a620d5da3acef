// SPDX-License-Identifier: Apache-2.0
public import Glibc
public import Kernel
public import SystemPackage

/// The one that has all processes: commands come in here, and what the kernel tells of children.
///
/// Its parts, a file each: spawning, replacing, held processes, exits, waiting, killing, lifetimes, memory, shutdown.
public final class Supervisor {
    let loop: EventLoop
    let launcher: Launcher
    let replacer: Replacer
    public let limits: Limits
    /// This server among all that ever ran; ids of processes are unique within it.
    public let instance: String
    /// The environment that programs inherit, with a place for each one's id.
    let inheritedEnvironment: Environment
    let serverUID: UInt32
    let serverGID: UInt32
    let homeDirectory: [UInt8]?
    let programDescriptorLimit: LaunchPlan.Limit
    let nullDevice: SharedDescriptor
    var containers: CgroupPool?
    /// Whether running programs can be replaced here: tried when somebody asks, until it has worked once. What is in
    /// the way may pass: no descriptors left, no room for one more process.
    private var inPlaceExecHasWorked = false
    var inPlaceExec: Bool {
        if !inPlaceExecHasWorked { inPlaceExecHasWorked = InPlaceExec.obstacle() == nil }
        return inPlaceExecHasWorked
    }

    var table = ProcessTable()
    var memory = ExitMemory()
    var shutdown: Shutdown?
    var watchers: [ObjectIdentifier: Watcher] = [:]
    /// Tells the server that a process has come or gone, for its idle exit.
    public var populationChanged: (() -> Void)?
    /// Tells the server that a new program runs, but not with signals as fresh as asked.
    public var replacedUncleanly: ((ManagedProcess, Errno) -> Void)?
    private var childSignals: SignalSource?
    private var unmuting: Kernel.Timer?
    private var changesDue = false
    /// Kill plans whose end nobody tells, and the next look for them.
    var lookedFor: [ObjectIdentifier: KillPlan] = [:]
    var lookDue = false
    /// Exited processes without a cgroup of whose trees something may live. What is not here any more is gone for good:
    /// its numbers may come to mean others.
    var remains: [Int: ManagedProcess] = [:]
    var remainsChanged = false
    var lookPause: Int64 = 50
    /// Processes whose pidfd says that they have ended while a tracer still holds them.
    var heldByTracers: [Int: ManagedProcess] = [:]

    /// What the server found at its start and programs get unless they say otherwise.
    public struct Settings {
        public var instance: String
        public var environment: [[UInt8]]
        /// As programs find it in PROCCTL_SOCKET.
        public var socketPath: [UInt8]?
        public var limits = Limits()
        /// RLIMIT_NOFILE before the server raised its own.
        public var descriptorLimit: rlimit
        public var cgroups: CgroupHierarchy?

        public init(
            instance: String, environment: [[UInt8]], socketPath: [UInt8]?, descriptorLimit: rlimit,
            cgroups: CgroupHierarchy?
        ) {
            self.instance = instance
            self.environment = environment
            self.socketPath = socketPath
            self.descriptorLimit = descriptorLimit
            self.cgroups = cgroups
        }
    }

    public init(loop: EventLoop, settings: Settings) throws(Errno) {
        self.loop = loop
        launcher = Launcher(loop: loop)
        replacer = Replacer(loop: loop)
        limits = settings.limits
        instance = settings.instance
        inheritedEnvironment = Environment(inheritedFrom: settings.environment, socketPath: settings.socketPath)
        serverUID = geteuid()
        serverGID = getegid()
        homeDirectory = Descriptor.currentDirectory()
        programDescriptorLimit = LaunchPlan.Limit(
            resource: UInt32(RLIMIT_NOFILE.rawValue), soft: UInt64(settings.descriptorLimit.rlim_cur),
            hard: UInt64(settings.descriptorLimit.rlim_max))
        nullDevice = SharedDescriptor(try Descriptor.open("/dev/null", O_RDWR))
        containers = settings.cgroups.map { CgroupPool($0, loop: loop) }
        try ChildProcess.becomeSubreaper()
        childSignals = try SignalSource(loop: loop, signals: [SIGCHLD]) { [weak self] _, _ in
            self?.childrenChanged()
        }
    }

    /// How trees are held together here.
    public var containment: Containment { containers == nil ? .descendants : .cgroup }

    /// Milliseconds since 1970: what `_at` members hold. clock_gettime(2), CLOCK_REALTIME.
    public static func wallClock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    // MARK: Who

    public func find(_ reference: ProcessReference, for viewer: UInt32) throws(Refusal) -> ManagedProcess {
        try table.find(reference, viewer: viewer, serverUID: serverUID)
    }

    public func select(_ selector: ProcessSelector, for viewer: UInt32) throws(Refusal) -> [ManagedProcess] {
        try table.select(selector, viewer: viewer, serverUID: serverUID)
    }

    /// The living process of this pid. As long as its pidfd is here, the number is no other's.
    public func process(pid: Int32, for viewer: UInt32) -> ManagedProcess? {
        guard let process = table.process(pid: pid), process.state != .starting else { return nil }
        return table.isVisible(process, to: viewer, serverUID: serverUID) ? process : nil
    }

    /// Which process has this pid now, if one of ours has it.
    public func id(ofPid pid: Int32) -> Int? { table.process(pid: pid)?.id }

    /// How many processes are in each state.
    public func counts() -> [ProcessState: Int] {
        table.all.reduce(into: [:]) { $0[$1.state, default: 0] += 1 }
    }

    /// Whether anything lives that an idle server would abandon.
    public var hasLiving: Bool { table.all.contains { !$0.isExited } }
    /// When the youngest unreleased record that somebody may ask for ended, in ms since 1970. A process that ended with
    /// its connection was that one's alone.
    public var lastExit: Int64? { table.all.lazy.filter { $0.reason != .connection }.compactMap(\.exitedAt).max() }

    // MARK: Children

    /// SIGCHLD: a hint that some child has stopped, gone on or ended; signals coalesce, so all are asked. With
    /// many children that walk is put off a little, for all that happens meanwhile to share it.
    func childrenChanged() {
        guard !changesDue else { return }
        changesDue = true
        // A tracer's stops are such signals too.
        if table.living.count > 256 || replacer.isAtWork {
            loop.after(5) { [weak self] in self?.takeChanges() }
        } else {
            // Behind the pidfds that tell of the same ends.
            loop.later { [weak self] in self?.takeChanges() }
        }
    }

    /// Each stop for a tracer is such a signal, a dozen in half a millisecond. Nobody listens until the replacement is
    /// through, or, if it takes longer, for a moment that the others' changes can wait.
    func muteChildren() {
        childSignals?.isMuted = true
        guard unmuting == nil else { return }
        unmuting = loop.after(5) { [weak self] in self?.hearChildren() }
    }

    func hearChildren() {
        loop.cancel(unmuting)
        unmuting = nil
        childSignals?.isMuted = false
    }

    private func takeChanges() {
        changesDue = false
        for process in heldByTracers.values { reap(process) }
        var last: Int32 = 0
        while let change = ChildProcess.nextChange() {
            // One that cannot be taken would be told again for ever.
            if change.pid == last { break }
            if replacer.isAtWork(on: change.pid) { return takeStopsOneByOne() }
            if let process = table.process(pid: change.pid) {
                takeStops(of: process)
                if change.ended { reap(process) }
                last = change.pid
            } else {
                ChildProcess.takeAdopted(change.pid)
                // Perhaps the last of some tree.
                if change.ended { lookAtRemains() }
            }
        }
    }

    /// A child that is being replaced stops for its tracer, which must find that stop, and stands before the others
    /// in the kernel's list. What is behind it is looked at when it is through.
    private func takeStopsOneByOne() {
        for process in table.living.values { takeStops(of: process) }
    }

    func takeStops(of process: ManagedProcess) {
        guard let child = process.child, !replacer.isAtWork(on: child.pid) else { return }
        while let event = try? ChildProcess.stopEvent(child.pidfd) {
            switch event {
            case .stopped(let signal):
                process.stopSignal = signal
                for (_, stream) in process.streams { stream.catchUp() }
                // The kernel keeps the last change only (waitid(2)): between two stops it has gone on.
                if process.state == .stopped { becameRunning(process) }
                if process.lifecycle.take(.stopped) { tell(.stopped(signal: signal), of: process) }
            case .continued: becameRunning(process)
            }
        }
    }

    private func becameRunning(_ process: ManagedProcess) {
        if process.lifecycle.take(.continued) { tell(.continued, of: process) }
    }
}
