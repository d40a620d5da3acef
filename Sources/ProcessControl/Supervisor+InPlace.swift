// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// exec-replace of a program that runs, or is stopped: pid, streams and everything else of the process stay.
///
/// Two moments count. At the first the old program is gone and the new one has not begun: the streams are read up to
/// where the one ends, and subscribers are told. At the second the tracer has left, and whoever asked is answered.
/// Stops and the end of the process, which are news of the one program or the other, wait until then.
extension Supervisor {
    /// How much longer than its time a replacement may take before it counts as hanging: it has come to a call, its
    /// execve(2) or the way to its directory, that cannot be called back.
    private static let patience: Int64 = 1000

    func replaceInPlace(_ process: ManagedProcess, _ order: ReplaceOrder) throws(Refusal) {
        guard let child = process.child else {
            throw .wrongState(reason: "exited", process: process.id, state: process.state)
        }
        let image: ProgramImage
        do throws(Errno) {
            image = try programImage(order.program, environment: order.environment)
        } catch {
            throw refusal(LaunchFailure(stage: .exec, error: error), process, order)
        }
        let spec = process.spec
        let credentials = ProcessCredentials(user: spec.user, group: spec.group, groups: spec.groups)
        var plan = ReplacePlan(image: image, started: credentials, deadline: order.timeout)
        if case .descriptor(let directory) = order.program.directory { plan.directory = directory }
        switch order.signals {
        case .setup(let setup): plan.signals = (setup.ignored, setup.blocked)
        case .inherit: plan.signals = nil
        case nil: plan.signals = (0, 0)
        }
        process.replacing = order
        order.timer = loop.after(order.timeout + Self.patience) { [weak self] in self?.hangs(process, order) }
        muteChildren()
        replacer.replace(child, by: plan) { [weak self] in
            self?.programChanged(process, order)
        } completion: { [weak self] outcome in
            self?.replaced(process, order, outcome)
        }
    }

    /// The old program is gone, the new one has not begun.
    private func programChanged(_ process: ManagedProcess, _ order: ReplaceOrder) {
        let offsets = process.streams.map { ($0.name, $0.stream.boundary()) }
        tookPlace(order, in: process)
        process.directory = directory(of: process, order)
        process.generation += 1
        process.replacedAt = Self.wallClock()
        order.hasTakenPlace = true
        tell(.replaced(offsets: Dictionary(uniqueKeysWithValues: offsets)), of: process)
    }

    /// A path that counts from the directory the process was in says too little.
    private func directory(of process: ManagedProcess, _ order: ReplaceOrder) -> [UInt8]? {
        if case .path(let path) = order.program.directory, path.first == UInt8(ascii: "/") { return path }
        return process.child.flatMap { ProcFS.directory(of: $0.pid) }
    }

    private func replaced(_ process: ManagedProcess, _ order: ReplaceOrder, _ outcome: ReplaceOutcome) {
        loop.cancel(order.timer)
        process.replacing = nil
        takeStops(of: process)
        if case .replaced(let unclean?) = outcome { replacedUncleanly?(process, unclean) }
        order.complete(result(outcome, process, order))
        if let child = process.child, Descriptor.isReadable(child.pidfd.raw) { reap(process) }
        if !replacer.isAtWork { hearChildren() }
        // What its stops for the tracer have hidden.
        childrenChanged()
    }

    private func result(
        _ outcome: ReplaceOutcome, _ process: ManagedProcess, _ order: ReplaceOrder
    ) -> Result<ManagedProcess, Refusal> {
        // It may have been killed since.
        if order.hasTakenPlace { return .success(process) }
        switch outcome {
        case .replaced: return .success(process)
        case .refused(let reason, _, _):
            return .failure(.notReplaceable(reason, process: process.id, state: process.state))
        case .failed(let stage, let error, let index):
            return .failure(failed(stage, error, index: index, process, order))
        case .lost:
            // What kept execve(2) from coming back the kernel does not say; it ends the process by SIGSEGV.
            return .failure(
                .replaceFailed(
                    .exec, .noMemory, path: path(.exec, index: 0, order), process: process.id, hasDied: true))
        case .ended:
            return .failure(.wrongState(reason: "exited", process: process.id, state: .exited))
        }
    }

    private func failed(
        _ stage: ReplaceStage, _ error: Errno, index: Int, _ process: ManagedProcess, _ order: ReplaceOrder
    ) -> Refusal {
        .replaceFailed(
            stage, error, path: path(stage, index: index, order), process: process.id, hasDied: false)
    }

    /// What the failing step was about, by the name the caller gave it.
    private func path(_ stage: ReplaceStage, index: Int, _ order: ReplaceOrder) -> [UInt8]? {
        switch stage {
        case .exec: PathSearch.asked(order.program, candidate: index)
        case .cwd: if case .path(let path) = order.program.directory { path } else { nil }
        default: nil
        }
    }

    /// The process hangs in a call it was made to do, the execve(2) for one, on a dead file server perhaps. Whoever asked
    /// is told; if it goes on one day, with the one program or the other, subscribers learn that.
    private func hangs(_ process: ManagedProcess, _ order: ReplaceOrder) {
        let (stage, index) = process.child.flatMap { replacer.progress(of: $0.pid) } ?? (.attach, 0)
        order.complete(.failure(failed(stage, .timedOut, index: index, process, order)))
    }
}
