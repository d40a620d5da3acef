// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
public import Kernel
public import Logging
public import ProcessControl
public import SystemPackage

/// JSON-RPC in front of a supervisor: connections, methods, and the server's own life.
public final class Server {
    let loop: EventLoop
    let supervisor: Supervisor
    let log: Logger
    let limits: ServerLimits
    private(set) var listener: ListeningSocket
    let startedAt: Int64
    /// Where connections receive, one at a time.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    private(set) lazy var methods = Server.makeMethods(for: self)
    /// Parsed when somebody asks for it first.
    var parsedDocument: JSONValue?
    private var connections: [ObjectIdentifier: Connection] = [:]
    private let heap: HeapReturn
    private var isAccepting = false
    /// Called when a client, or a signal, has asked for the end and everything has been stopped.
    private let ended: () -> Void
    private var stopping = false
    /// Called when a connection or a process has come or gone.
    public var activityChanged: (() -> Void)?

    public init(
        loop: EventLoop, supervisor: Supervisor, listener: ListeningSocket, limits: ServerLimits = ServerLimits(),
        log: Logger, ended: @escaping () -> Void
    ) throws(Errno) {
        self.loop = loop
        self.supervisor = supervisor
        self.listener = listener
        self.limits = limits
        self.log = log
        self.ended = ended
        startedAt = Supervisor.wallClock()
        heap = HeapReturn(loop: loop)
        supervisor.populationChanged = { [weak self] in
            self?.heap.somethingEnded()
            self?.activityChanged?()
        }
        supervisor.replacedUncleanly = { process, error in
            log.warning(
                "replaced, but not as fresh as asked",
                metadata: ["process": "\(process.id)", "error": "\(error.name)"])
        }
        try listen()
    }

    public var connectionCount: Int { connections.count }

    // MARK: Connections

    private func listen() throws(Errno) {
        guard !isAccepting else { return }
        try loop.add(listener.descriptor.raw, .readable) { [weak self] _ in self?.accept() }
        isAccepting = true
    }

    private func pauseListening() {
        loop.remove(listener.descriptor.raw)
        isAccepting = false
    }

    /// Nobody can come any more: the socket's file is removed. Who is in the queue can still be accepted.
    public func closeDoor() {
        // A socket that was passed to us is not ours to remove: clients can always come.
        listener.unlink()
    }

    /// Whether the socket's file is ours.
    public var hasDoor: Bool { listener.path != nil }

    /// Goes on at a new socket.
    public func openDoor(_ listener: ListeningSocket) {
        pauseListening()
        self.listener = listener
        try? listen()
    }

    private func accept() {
        for _ in 0..<64 {
            if connections.count >= limits.connections {
                // The next ones wait in the kernel's queue until one of these ends.
                log.warning("too many connections", metadata: ["maximum": "\(limits.connections)"])
                return pauseListening()
            }
            do throws(Errno) {
                guard let (socket, peer) = try ConnectedSocket.accept(from: listener.descriptor.raw) else { return }
                guard peer.uid == 0 || peer.uid == geteuid() else {
                    log.warning(
                        "connection refused: not our uid", metadata: ["uid": "\(peer.uid)", "pid": "\(peer.pid)"])
                    continue
                }
                let connection = try Connection(server: self, socket: socket, peer: peer)
                connections[ObjectIdentifier(connection)] = connection
                log.debug("connected", metadata: ["pid": "\(peer.pid)", "uid": "\(peer.uid)"])
                activityChanged?()
            } catch {
                // Out of descriptors. The peer waits; accepting at once again would only spin.
                log.error("cannot accept", metadata: ["errno": "\(error.name)"])
                pauseListening()
                loop.after(100) { [weak self] in
                    if let self, !self.stopping { try? self.listen() }
                }
                return
            }
        }
    }

    func connectionEnded(_ connection: Connection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        log.debug("disconnected", metadata: ["pid": "\(connection.peer.pid)"])
        if !isAccepting, !stopping { try? listen() }
        heap.somethingEnded()
        activityChanged?()
    }

    /// Takes the connections that wait now; for the last look before an idle server ends.
    /// - Returns: whether there is any connection now.
    public func acceptNow() -> Bool {
        accept()
        return !connections.isEmpty
    }

    // MARK: The end

    /// Stops every process by its stop rule, then ends. A second call does not wait for stop rules.
    /// - Returns: how many processes are being stopped.
    @discardableResult
    public func shutDown() -> Int {
        if stopping {
            supervisor.killEverything()
            return 0
        }
        stopping = true
        log.info("shutting down")
        pauseListening()
        return supervisor.shutDown { [weak self] in
            // The answer to a `shutdown` leaves before the server does.
            self?.loop.after(0) { self?.finish() }
        }
    }

    private func finish() {
        for connection in Array(connections.values) { connection.finish() }
        log.info("ended")
        ended()
    }
}
