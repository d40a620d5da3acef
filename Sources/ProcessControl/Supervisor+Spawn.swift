// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// A start that is not decided yet.
final class Start {
    let completion: (Result<ManagedProcess, Refusal>) -> Void
    var timer: Kernel.Timer?
    var failure: LaunchFailure?
    /// It ended before its start was decided.
    var exit: ChildExit?
    var isDecided = false
    /// Took too long: killed and answered, but not reaped yet.
    var isAbandoned = false

    init(completion: @escaping (Result<ManagedProcess, Refusal>) -> Void) { self.completion = completion }
}

extension Supervisor {
    /// Starts a program, or creates it held. `completion` is called once, when every step up to its execve(2) has
    /// succeeded (held: up to its gate), or one has failed.
    public func spawn(
        _ spec: SpawnSpec, owner: Owner, connection: ConnectionToken?,
        completion: @escaping (Result<ManagedProcess, Refusal>) -> Void
    ) {
        do throws(Refusal) {
            try admit(spec, owner: owner)
            let id = table.newID()
            let environment = programEnvironment(
                spec.program, process: id, terminal: spec.terminal, kept: nil)
            let process = ManagedProcess(id: id, spec: spec, owner: owner, environment: environment)
            process.connection = connection
            let start = Start(completion: completion)
            try launch(process, start)
            table.insert(process)
            populationChanged?()
        } catch {
            completion(.failure(error))
        }
    }

    private func admit(_ spec: SpawnSpec, owner: Owner) throws(Refusal) {
        if shutdown != nil { throw .wrongState(reason: "shutting_down", process: nil, state: nil) }
        if table.count - memory.count >= limits.processes {
            throw .limitReached(name: "processes", maximum: limits.processes)
        }
        if let name = spec.name, let holder = table.holder(of: name, uid: owner.uid) {
            throw .nameTaken(name: name, process: holder.id)
        }
    }

    /// The environment a program gets. A process finds the server and itself in it, unless it is to be empty.
    func programEnvironment(
        _ program: ProgramSpec, process: Int, terminal: TerminalSpec?, kept: Environment?
    ) -> Environment {
        var environment: Environment
        switch program.environmentBase {
        case .empty: environment = Environment()
        case .keep: environment = kept ?? inheritedEnvironment
        case .inherit:
            environment = inheritedEnvironment
            environment.set(Environment.processName, to: Array(String(process).utf8))
        }
        if let terminal, program.environmentBase != .keep { environment.set(Array("TERM".utf8), to: terminal.kind) }
        for (name, value) in program.environment { environment.set(name, to: value) }
        return environment
    }

    func programImage(_ program: ProgramSpec, environment: Environment) throws(Errno) -> ProgramImage {
        var directory: [UInt8]?
        if case .path(let path) = program.directory { directory = path }
        guard let candidates = PathSearch.candidates(for: program, environment: environment) else {
            throw .argListTooLong
        }
        return ProgramImage(
            candidates: candidates,
            arguments: program.arguments, environment: environment.entries, directory: directory)
    }

    /// The directory as records show it.
    func shownDirectory(_ program: ProgramSpec) -> [UInt8]? {
        switch program.directory {
        case .path(let path): path
        case .descriptor(let descriptor): Descriptor.path(of: descriptor.raw)
        case nil: homeDirectory
        }
    }

    // MARK: Launching

    private func launch(_ process: ManagedProcess, _ start: Start) throws(Refusal) {
        let spec = process.spec
        let image: ProgramImage
        do throws(Errno) {
            image = try programImage(spec.program, environment: process.environment)
        } catch {
            let failure = LaunchFailure(stage: .exec, error: error)
            throw .spawnFailed(failure, path: path(of: failure, in: spec))
        }
        var plan = LaunchPlan(image: image)
        if case .descriptor(let directory) = spec.program.directory { plan.directory = directory }
        do throws(LaunchFailure) {
            var ends = ServerEnds()
            plan.mappings = try mappings(of: spec, &ends)
            plan.controllingTerminal = controllingTerminal(of: spec)
            fillIn(&plan, from: spec)
            (process.cgroup, plan.cgroup) = takeCgroup()
            process.startsNow = start
            let child = try launcher.launch(plan, held: spec.hold) { [weak self] failure in
                self?.startDecided(process, start, failure: failure)
            }
            adopt(child, as: process, ends, start)
        } catch {
            process.startsNow = nil
            if let cgroup = process.cgroup { containers?.giveBack(cgroup) }
            throw .spawnFailed(error, path: path(of: error, in: spec))
        }
    }

    /// A cgroup for a tree to be born in, and the descriptor it is named by.
    private func takeCgroup() -> (Cgroup?, CInt?) {
        guard let cgroup = containers?.take() else { return (nil, nil) }
        if let directory = try? cgroup.directoryNumber() { return (cgroup, directory) }
        containers?.giveBack(cgroup)
        return (nil, nil)
    }

    private func fillIn(_ plan: inout LaunchPlan, from spec: SpawnSpec) {
        plan.limits = spec.limits
        if !spec.limits.contains(where: { $0.resource == programDescriptorLimit.resource }) {
            // The server raised its own; programs do not see that.
            plan.limits.append(programDescriptorLimit)
        }
        plan.groups = spec.groups
        plan.group = spec.group
        plan.user = spec.user
        plan.session = spec.session
        plan.umask = spec.umask
        plan.nice = spec.nice
        plan.noNewPrivileges = spec.noNewPrivileges
        plan.ignored = spec.program.signals?.ignored ?? 0
        plan.blocked = spec.program.signals?.blocked ?? 0
    }

    /// The child exists. From here on it is reaped, whatever happens.
    private func adopt(
        _ child: LaunchedChild, as process: ManagedProcess, _ ends: ServerEnds, _ start: Start
    ) {
        let spec = process.spec
        process.child = child
        process.pid = child.pid
        process.arguments = spec.program.arguments
        process.directory = shownDirectory(spec.program)
        process.hadCgroup = process.cgroup != nil && !child.cgroupRefused
        if child.cgroupRefused, let cgroup = process.cgroup {
            // Something has been done to it. Another one may do.
            _ = cgroup.remove()
            process.cgroup = nil
        }
        process.session = spec.session == .new ? child.pid : getsid(0)
        process.processGroup =
            switch spec.session {
            case .new, .group: child.pid
            case .inherit, .apart: nil
            // The server's own is nobody's to signal as a whole.
            case .join(let group): group == getpgrp() ? nil : group
            }
        table.setPid(child.pid, of: process)
        do throws(Errno) {
            try loop.add(child.pidfd.raw, [.readable, .edge]) { [weak self] _ in self?.reap(process) }
            process.stdout = try ends.stdout.map { pipe throws(Errno) in try stream(pipe, of: process) }
            process.stderr = try ends.stderr.map { pipe throws(Errno) in try stream(pipe, of: process) }
            try takeInput(ends, of: process)
            try child.gate?.watch { [weak self] in self?.leftGate(process) }
        } catch {
            // No more watches (epoll(7), max_user_watches): it is ended and reaped by SIGCHLD.
            start.failure = LaunchFailure(stage: .pipe, error: error)
            try? ChildProcess.signal(child.pidfd, SIGKILL)
        }
        process.spec.letGoOfWhatWasPassed()
        start.timer = loop.after(spec.startTimeout) { [weak self] in self?.startTimedOut(process, start) }
    }

    private func stream(
        _ pipe: SharedDescriptor, of process: ManagedProcess, slave: SharedDescriptor? = nil
    ) throws(Errno) -> CapturedStream {
        let stream = try CapturedStream(
            loop: loop, pipe: pipe, limit: process.spec.outputLimit, whenFull: process.spec.whenFull,
            order: process.arrivalOrder, slave: slave)
        stream.ended = { [weak self] in self?.checkDrained(process) }
        return stream
    }

    /// What goes into the program: its terminal, or the pipe that is its stdin.
    private func takeInput(_ ends: ServerEnds, of process: ManagedProcess) throws(Errno) {
        if let terminal = ends.terminal {
            // A number of its own, out of the way of those that starts copy.
            let slave = SharedDescriptor(try Descriptor.duplicate(terminal.slave.raw))
            process.terminal = try stream(terminal.master, of: process, slave: slave)
            process.terminalMaster = terminal.master
            process.terminal?.ended = { [weak self, weak process] in
                guard let process else { return }
                process.terminalMaster = nil
                process.input?.close()
                self?.checkDrained(process)
            }
        }
        var input = ends.input
        if input == nil, let terminal = ends.terminal {
            // A number of its own: the master's is watched for output.
            input = SharedDescriptor(try Descriptor.duplicate(terminal.master.raw))
        }
        if let input {
            process.input = InputQueue(
                loop: loop, descriptor: input, isTerminal: ends.input == nil, bound: limits.inputQueue)
        }
    }

    // MARK: The outcome

    private func startDecided(_ process: ManagedProcess, _ start: Start, failure: LaunchFailure?) {
        start.isDecided = true
        if start.isAbandoned { return }
        start.failure = start.failure ?? failure
        guard start.failure == nil else {
            // Answered when it is reaped: an answered failure leaves nothing behind.
            if let exit = start.exit { startFailed(process, start, exit: exit) }
            return
        }
        loop.cancel(start.timer)
        process.startsNow = nil
        if let group = process.child?.launch.groupApart { process.processGroup = group }
        table.markLiving(process)
        if let cgroup = process.cgroup { containers?.bornIn(cgroup, living: table.living.count) }
        announce(process)
        if process.spec.hold {
            _ = process.lifecycle.take(.heldReady)
        } else {
            begun(process)
        }
        joinLifetime(process)
        start.completion(.success(process))
        if !process.spec.hold { tellStarted(process) }
        if let exit = start.exit { ended(process, exit) }
    }

    /// Subscribers learn of a start after whoever asked for it.
    func tellStarted(_ process: ManagedProcess) {
        tell(.started, of: process)
        if process.state == .stopped { tell(.stopped(signal: process.stopSignal), of: process) }
    }

    /// Its program runs: what counts from the start of the program.
    func begun(_ process: ManagedProcess) {
        // It may have gone on meanwhile, which nobody has asked for yet.
        if process.lifecycle.startsStopped { takeStops(of: process) }
        _ = process.lifecycle.take(.started)
        process.startedAt = Self.wallClock()
        if let timeout = process.timeoutFromStart { setDeadline(process, after: timeout) }
    }

    /// The child of a start that failed has been reaped.
    func startFailed(_ process: ManagedProcess, _ start: Start, exit: ChildExit) {
        loop.cancel(start.timer)
        forgetChild(of: process)
        guard !start.isAbandoned else { return }
        table.remove(process)
        populationChanged?()
        let failure = start.failure ?? LaunchFailure(stage: .exec, error: .ioError)
        start.completion(.failure(.spawnFailed(failure, path: path(of: failure, in: process.spec))))
    }

    private func startTimedOut(_ process: ManagedProcess, _ start: Start) {
        let stage = process.child?.launch.stage ?? .clone
        let failure = LaunchFailure(stage: stage, error: .timedOut)
        abandon(process, .spawnFailed(failure, path: path(of: failure, in: process.spec)))
    }

    /// Gives a start up: it is killed and answered, and reaped when that is possible.
    func abandon(_ process: ManagedProcess, _ refusal: Refusal) {
        guard let start = process.startsNow, let child = process.child, !start.isAbandoned else { return }
        start.isAbandoned = true
        start.failure = LaunchFailure(stage: child.launch.stage, error: .timedOut)
        loop.cancel(start.timer)
        if start.exit == nil { try? ChildProcess.signal(child.pidfd, SIGKILL) } else { forgetChild(of: process) }
        table.remove(process)
        populationChanged?()
        start.completion(.failure(refusal))
    }

    /// What the failing step was about, by the name the caller gave it.
    private func path(of failure: LaunchFailure, in spec: SpawnSpec) -> [UInt8]? {
        switch failure.stage {
        case .exec: PathSearch.asked(spec.program, candidate: failure.index)
        case .cwd: if case .path(let path) = spec.program.directory { path } else { nil }
        case .stdin: if case .file(let path, _) = spec.stdin { path } else { nil }
        case .stdout: if case .file(let path, _) = spec.stdout { path } else { nil }
        case .stderr: if case .file(let path, _) = spec.stderr { path } else { nil }
        default: nil
        }
    }
}
