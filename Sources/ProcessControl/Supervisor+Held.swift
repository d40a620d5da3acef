// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// The start of a held process: its gate opens.
extension Supervisor {
    /// With the program it was created with or another one. If that cannot be started it stays held.
    func startHeld(_ process: ManagedProcess, _ order: ReplaceOrder) throws(Refusal) {
        guard let gate = process.child?.gate else {
            throw .wrongState(reason: "exited", process: process.id, state: process.state)
        }
        do throws(Errno) {
            try open(gate, of: process, order)
        } catch {
            let failure = LaunchFailure(stage: error == .argListTooLong ? .exec : .gate, error: error)
            throw .execFailed(failure, path: nil, process: process.id)
        }
        process.replacing = order
        order.timer = loop.after(order.timeout) { [weak self] in self?.replaceTimedOut(process, order) }
    }

    private func open(_ gate: Gate, of process: ManagedProcess, _ order: ReplaceOrder) throws(Errno) {
        var directory: SharedDescriptor?
        if case .descriptor(let descriptor) = order.program.directory { directory = descriptor }
        // To inherit is to have what it was created with, which its gate has.
        var signals: (ignored: UInt64, blocked: UInt64)?
        if case .setup(let setup) = order.signals { signals = (setup.ignored, setup.blocked) }
        try gate.open(
            image: try programImage(order.program, environment: order.environment), directory: directory,
            signals: signals
        ) { [weak self] failure in self?.replaceDecided(process, order, failure: failure) }
    }

    private func replaceDecided(_ process: ManagedProcess, _ order: ReplaceOrder, failure: LaunchFailure?) {
        loop.cancel(order.timer)
        process.replacing = nil
        if let failure {
            order.complete(.failure(refusal(failure, process, order)))
            return
        }
        tookPlace(order, in: process)
        if order.program.directory != nil { process.directory = shownDirectory(order.program) }
        begun(process)
        order.complete(.success(process))
        tellStarted(process)
    }

    /// The child hangs in its execve(2). It cannot be called back: it is killed.
    private func replaceTimedOut(_ process: ManagedProcess, _ order: ReplaceOrder) {
        guard let child = process.child, let gate = child.gate else { return }
        let failure = LaunchFailure(stage: gate.stage, error: .timedOut)
        process.replacing = nil
        gate.forgetOrder()
        try? ChildProcess.signal(child.pidfd, SIGKILL)
        order.complete(.failure(refusal(failure, process, order)))
    }

    /// A held child has become its program, or has died.
    func leftGate(_ process: ManagedProcess) {
        process.child?.launch.standsOnItsStackNoMore()
    }
}
