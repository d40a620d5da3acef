// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// An exec-replace that is not decided yet.
final class ReplaceOrder {
    let program: ProgramSpec
    let environment: Environment
    let completion: (Result<ManagedProcess, Refusal>) -> Void
    var timer: Kernel.Timer?

    init(
        _ program: ProgramSpec, environment: Environment,
        completion: @escaping (Result<ManagedProcess, Refusal>) -> Void
    ) {
        self.program = program
        self.environment = environment
        self.completion = completion
    }
}

/// What `exec-replace` may change; nil leaves a thing as the process was created with.
public struct Replacement {
    public var arguments: [[UInt8]]?
    public var file: ProgramSpec.File?
    public var environment: [(name: [UInt8], value: [UInt8]?)] = []
    public var environmentBase = ProgramSpec.EnvironmentBase.keep
    public var directory: ProgramSpec.Directory?
    public var signals: ProgramSpec.SignalSetup?
    public init() {}
}

extension Supervisor {
    /// Starts a held process, with the program it was created with or another one. If that cannot be started it
    /// stays held.
    public func replace(
        _ process: ManagedProcess, with replacement: Replacement,
        completion: @escaping (Result<ManagedProcess, Refusal>) -> Void
    ) {
        do throws(Refusal) {
            if let reason = process.lifecycle.refusal(of: .execReplace) {
                throw .wrongState(reason: reason, process: process.id, state: process.state)
            }
            guard process.state == .held, let gate = process.child?.gate else {
                throw .notSupported(what: "exec-replace of a running process")
            }
            if process.replacing != nil {
                throw .wrongState(reason: "busy", process: process.id, state: process.state)
            }
            let order = order(process, replacement, completion)
            do throws(Errno) {
                try open(gate, of: process, order, signals: replacement.signals)
            } catch {
                let failure = LaunchFailure(stage: error == .argListTooLong ? .exec : .gate, error: error)
                throw .execFailed(failure, path: nil, process: process.id)
            }
            process.replacing = order
            order.timer = loop.after(process.spec.startTimeout) { [weak self] in
                self?.replaceTimedOut(process, order)
            }
        } catch {
            completion(.failure(error))
        }
    }

    private func order(
        _ process: ManagedProcess, _ replacement: Replacement,
        _ completion: @escaping (Result<ManagedProcess, Refusal>) -> Void
    ) -> ReplaceOrder {
        var program = process.spec.program
        if let arguments = replacement.arguments {
            program.arguments = arguments
            program.file = nil
        }
        if let file = replacement.file { program.file = file }
        program.directory = replacement.directory
        program.environment = replacement.environment
        program.environmentBase = replacement.environmentBase
        let environment = programEnvironment(
            program, process: process.id, terminal: process.spec.terminal, kept: process.environment)
        return ReplaceOrder(program, environment: environment, completion: completion)
    }

    private func open(
        _ gate: Gate, of process: ManagedProcess, _ order: ReplaceOrder, signals: ProgramSpec.SignalSetup?
    ) throws(Errno) {
        var directory: SharedDescriptor?
        if case .descriptor(let descriptor) = order.program.directory { directory = descriptor }
        try gate.open(
            image: try programImage(order.program, environment: order.environment), directory: directory,
            signals: signals.map { ($0.ignored, $0.blocked) }
        ) { [weak self] failure in self?.replaceDecided(process, order, failure: failure) }
    }

    private func replaceDecided(_ process: ManagedProcess, _ order: ReplaceOrder, failure: LaunchFailure?) {
        loop.cancel(order.timer)
        process.replacing = nil
        if let failure {
            order.completion(.failure(refusal(failure, process, order)))
            return
        }
        process.arguments = order.program.arguments
        process.environment = order.environment
        if order.program.directory != nil { process.directory = shownDirectory(order.program) }
        begun(process)
        order.completion(.success(process))
        tellStarted(process)
    }

    private func refusal(_ failure: LaunchFailure, _ process: ManagedProcess, _ order: ReplaceOrder) -> Refusal {
        let path: [UInt8]? =
            switch failure.stage {
            case .exec: PathSearch.asked(order.program, candidate: failure.index)
            case .cwd: if case .path(let path) = order.program.directory { path } else { nil }
            default: nil
            }
        return .execFailed(failure, path: path, process: process.id)
    }

    /// The child hangs in its execve(2). It cannot be called back: it is killed.
    private func replaceTimedOut(_ process: ManagedProcess, _ order: ReplaceOrder) {
        guard let child = process.child, let gate = child.gate else { return }
        let failure = LaunchFailure(stage: gate.stage, error: .timedOut)
        process.replacing = nil
        gate.forgetOrder()
        try? ChildProcess.signal(child.pidfd, SIGKILL)
        order.completion(.failure(refusal(failure, process, order)))
    }

    /// A held child has become its program, or has died.
    func leftGate(_ process: ManagedProcess) {
        process.child?.launch.standsOnItsStackNoMore()
    }
}
