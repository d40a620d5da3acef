// SPDX-License-Identifier: Apache-2.0
import Kernel

/// What ends a process without a request: its deadline, its connection, its lease.
extension Supervisor {
    /// The process is in the world: from now on its lifetime counts.
    func joinLifetime(_ process: ManagedProcess) {
        switch process.lifetime {
        case .detached: break
        case .connection:
            if let connection = process.connection, !connection.hasEnded {
                connection.processes[process.id] = process
            } else {
                // It ended while the start was under way.
                stop([process], because: .connection)
            }
        case .lease: renewLease(process)
        }
    }

    /// It has ended, or gets another lifetime.
    func leaveLifetime(_ process: ManagedProcess) {
        process.connection?.processes[process.id] = nil
        loop.cancel(process.leaseTimer)
        process.leaseTimer = nil
        if process.isExited {
            loop.cancel(process.deadlineTimer)
            process.deadlineTimer = nil
        }
    }

    /// A connection has ended: its processes go.
    public func connectionEnded(_ connection: ConnectionToken) {
        connection.hasEnded = true
        let processes = connection.processes.values.sorted { $0.id < $1.id }
        connection.processes = [:]
        stop(processes, because: .connection)
    }

    // MARK: Leases

    /// A request that names the process has come: its lease runs anew when the request is through.
    public func holdLease(_ process: ManagedProcess) {
        process.leaseHolds += 1
        loop.cancel(process.leaseTimer)
        process.leaseTimer = nil
    }

    public func letLeaseRun(_ process: ManagedProcess) {
        process.leaseHolds -= 1
        renewLease(process)
    }

    private func renewLease(_ process: ManagedProcess) {
        loop.cancel(process.leaseTimer)
        process.leaseTimer = nil
        guard case .lease(let length) = process.lifetime, process.leaseHolds == 0, !process.isExited else { return }
        process.leaseTimer = loop.after(length) { [weak self] in self?.stop([process], because: .lease) }
    }

    // MARK: Deadlines

    /// The stop rule runs this many ms from now.
    func setDeadline(_ process: ManagedProcess, after timeout: Int64?) {
        loop.cancel(process.deadlineTimer)
        process.deadlineTimer = nil
        process.deadlineAt = nil
        guard let timeout else { return }
        let (at, overflow) = Self.wallClock().addingReportingOverflow(timeout)
        process.deadlineAt = overflow ? .max : at
        process.deadlineTimer = loop.after(timeout) { [weak self] in self?.stop([process], because: .deadline) }
    }

    // MARK: Update

    /// What `update` changes; nil leaves a thing as it is.
    public struct Changes {
        public var name: String?
        public var labels: [(String, String)]?
        public var lifetime: Lifetime?
        public var stop: StopRule?
        /// `.some(nil)` removes the deadline.
        public var timeout: Int64??
        public init() {}
    }

    /// - Parameter connection: the one that a lifetime `connection` means.
    public func update(
        _ process: ManagedProcess, _ changes: Changes, connection: ConnectionToken
    ) throws(Refusal) {
        if let reason = process.lifecycle.refusal(of: .update) {
            throw .wrongState(reason: reason, process: process.id, state: process.state)
        }
        let ofTheLiving = changes.lifetime != nil || changes.timeout != nil || changes.stop != nil
        if process.isExited, ofTheLiving {
            throw .wrongState(reason: "exited", process: process.id, state: .exited)
        }
        if let name = changes.name, name != process.name {
            if let holder = table.holder(of: name, uid: process.owner.uid), holder !== process {
                throw .nameTaken(name: name, process: holder.id)
            }
            table.rename(process, to: name)
        }
        if let labels = changes.labels {
            process.labels = labels
            memory.charge(process)
        }
        if let stop = changes.stop { process.stop = stop }
        if let timeout = changes.timeout {
            if process.state == .held {
                process.timeoutFromStart = timeout
            } else {
                setDeadline(process, after: timeout)
            }
        }
        if let lifetime = changes.lifetime {
            leaveLifetime(process)
            process.lifetime = lifetime
            process.connection = lifetime == .connection ? connection : nil
            joinLifetime(process)
        }
    }
}
