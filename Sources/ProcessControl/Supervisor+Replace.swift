// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// What `exec-replace` may change; nil leaves a thing as the program before had it.
public struct Replacement {
    public var arguments: [[UInt8]]?
    public var file: ProgramSpec.File?
    public var environment: [(name: [UInt8], value: [UInt8]?)] = []
    public var environmentBase = ProgramSpec.EnvironmentBase.keep
    public var directory: ProgramSpec.Directory?
    /// Nil: a held process keeps what it was created with, in place of a program that runs the new one starts fresh.
    public var signals: Signals?
    /// In ms.
    public var timeout: Int64?
    public init() {}

    public enum Signals {
        case setup(ProgramSpec.SignalSetup)
        /// As execve(2) leaves them.
        case inherit
    }
}

/// An exec-replace that is not decided yet.
final class ReplaceOrder {
    let program: ProgramSpec
    let environment: Environment
    let signals: Replacement.Signals?
    let timeout: Int64
    private var completion: ((Result<ManagedProcess, Refusal>) -> Void)?
    var timer: Kernel.Timer?
    /// In a process that ran: the new program is in the place of the old one.
    var hasTakenPlace = false

    init(
        _ program: ProgramSpec, environment: Environment, signals: Replacement.Signals?, timeout: Int64,
        completion: @escaping (Result<ManagedProcess, Refusal>) -> Void
    ) {
        self.program = program
        self.environment = environment
        self.signals = signals
        self.timeout = timeout
        self.completion = completion
    }

    /// Answers, once.
    func complete(_ result: Result<ManagedProcess, Refusal>) {
        let tell = completion
        completion = nil
        tell?(result)
    }
}

/// exec-replace: the process stays, another program runs in it.
extension Supervisor {
    /// Starts a held process, or puts another program in the place of one that runs. When that fails everything is as
    /// it was before.
    public func replace(
        _ process: ManagedProcess, with replacement: Replacement,
        completion: @escaping (Result<ManagedProcess, Refusal>) -> Void
    ) {
        do throws(Refusal) {
            if shutdown != nil {
                throw .wrongState(reason: "shutting_down", process: process.id, state: process.state)
            }
            if let reason = process.lifecycle.refusal(of: .execReplace) {
                throw .wrongState(reason: reason, process: process.id, state: process.state)
            }
            if process.replacing != nil {
                throw .wrongState(reason: "busy", process: process.id, state: process.state)
            }
            let order = order(process, replacement, completion)
            if process.state == .held {
                try startHeld(process, order)
            } else {
                try replaceInPlace(process, order)
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
        return ReplaceOrder(
            program, environment: environment, signals: replacement.signals,
            timeout: replacement.timeout ?? process.spec.startTimeout, completion: completion)
    }

    /// The new program runs, and is what the record speaks of from now on.
    func tookPlace(_ order: ReplaceOrder, in process: ManagedProcess) {
        process.spec.program.arguments = order.program.arguments
        process.spec.program.file = order.program.file
        process.arguments = order.program.arguments
        process.environment = order.environment
    }

    /// - Parameter path: nil: the name of what failed, as the caller gave it.
    func refusal(_ failure: LaunchFailure, _ process: ManagedProcess, _ order: ReplaceOrder) -> Refusal {
        let path: [UInt8]? =
            switch failure.stage {
            case .exec: PathSearch.asked(order.program, candidate: failure.index)
            case .cwd: if case .path(let path) = order.program.directory { path } else { nil }
            default: nil
            }
        return .execFailed(failure, path: path, process: process.id)
    }
}
