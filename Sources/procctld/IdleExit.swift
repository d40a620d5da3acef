// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import ProcessControl
import Server

/// Ends a server that nobody needs: no connection, no living process, no unreleased record younger than an hour, for
/// as long as was asked.
final class IdleExit {
    private let loop: EventLoop
    private let server: Server
    private let supervisor: Supervisor
    private let patience: Int64
    private let ended: () -> Void
    /// Binds again, after a client came at the last moment.
    private let rebind: () -> Bool
    private var timer: Kernel.Timer?
    private static let youngRecord: Int64 = 3_600_000

    init(
        loop: EventLoop, server: Server, supervisor: Supervisor, patience: Int64, rebind: @escaping () -> Bool,
        ended: @escaping () -> Void
    ) {
        self.loop = loop
        self.server = server
        self.supervisor = supervisor
        self.patience = patience
        self.rebind = rebind
        self.ended = ended
        server.activityChanged = { [weak self] in self?.changed() }
        changed()
    }

    private var isIdle: Bool { server.connectionCount == 0 && !supervisor.hasLiving }

    /// How long until the youngest record is old.
    private var recordsAge: Int64 {
        guard let last = supervisor.lastExit else { return 0 }
        return max(0, last + Self.youngRecord - Supervisor.wallClock())
    }

    private func changed() {
        loop.cancel(timer)
        timer = nil
        guard isIdle else { return }
        timer = loop.after(max(patience, recordsAge)) { [weak self] in self?.leave() }
    }

    private func leave() {
        guard isIdle else { return }
        if recordsAge > 0 { return changed() }
        // First nobody can come any more, then whoever has come is looked for.
        server.closeDoor()
        if server.acceptNow() {
            if server.hasDoor, !rebind() { ended() }
            return
        }
        ended()
    }
}
