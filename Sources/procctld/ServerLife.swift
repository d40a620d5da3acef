// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import Kernel
import Logging
import ProcessControl
import Server
import SystemPackage

/// From the lock to the last line of the log.
final class ServerLife {
    private let options: Options
    private let environment: [String: String]
    private let loop: EventLoop
    private let lock: ServerLock?
    private var listener: ListeningSocket
    private let supervisor: Supervisor
    private let server: Server
    private let log: Logger
    private var signalSource: SignalSource?
    private var idleExit: IdleExit?

    init(_ options: Options) throws(StartFailure) {
        self.options = options
        let entries = Self.environmentEntries()
        environment = Self.dictionary(entries)
        pk_reset_signals()
        // Before anybody can connect: a signal that comes now waits until it is looked for.
        SignalSource.block(Self.signals)
        var log = Logger(label: "procctld") { _ in LineLogHandler(descriptor: 2) }
        log.logLevel = options.logLevel
        self.log = log
        let descriptorLimit = Self.raiseDescriptorLimit()
        let door = try Self.findDoor(options, environment)
        let instance = Self.newInstance()
        // Before anybody can connect: the child that tries it would keep the socket of a server killed meanwhile.
        let cgroups = Self.findCgroups(instance, log)
        (listener, lock) = try door.open()
        do throws(Errno) {
            loop = try EventLoop()
            var settings = Supervisor.Settings(
                instance: instance, environment: entries, socketPath: listener.address.map { Array($0.utf8) },
                descriptorLimit: descriptorLimit, cgroups: cgroups)
            settings.limits = options.limits
            supervisor = try Supervisor(loop: loop, settings: settings)
            server = try Server(loop: loop, supervisor: supervisor, listener: listener, log: log) { [loop] in
                loop.stop()
            }
        } catch {
            throw StartFailure(message: "cannot start: \(error.text)")
        }
    }

    // MARK: Running

    /// USR1, USR2 and PIPE end a process by default; ours has no use for them and stays.
    private static let signals = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE]

    func run() {
        do throws(Errno) {
            try watchSignals()
            if let patience = options.idleExit { idleExit = makeIdleExit(patience) }
            notify("READY=1")
            log.notice(
                "listening",
                metadata: [
                    "socket": "\(listener.address ?? "-")", "pid": "\(getpid())", "version": "\(Server.version)",
                    "containment": "\(supervisor.containment.rawValue)",
                ])
            // What only a start needs, most of the code so far, does not stay in memory.
            pk_code_give_back()
            try loop.run()
        } catch {
            log.critical("the loop has failed", metadata: ["errno": "\(error.name)"])
            listener.unlink()
            exit(1)
        }
        listener.unlink()
        exit(0)
    }

    private func watchSignals() throws(Errno) {
        signalSource = try SignalSource(
            loop: loop, signals: Self.signals
        ) { [weak self] signal, sender in
            guard let self else { return }
            log.info("signal", metadata: ["signal": "\(SignalName.name(of: signal))", "sender": "\(sender)"])
            guard [SIGTERM, SIGINT, SIGHUP].contains(signal) else { return }
            notify("STOPPING=1", patience: 0)
            server.shutDown()
        }
    }

    private func makeIdleExit(_ patience: Int64) -> IdleExit {
        IdleExit(
            loop: loop, server: server, supervisor: supervisor, patience: patience,
            rebind: { [weak self] in self?.rebind() ?? false },
            ended: { [weak self] in
                self?.log.notice("idle, ending")
                self?.server.shutDown()
            })
    }

    private func rebind() -> Bool {
        guard let lock, let path = listener.path, let again = try? ListeningSocket.bind(path, under: lock) else {
            return false
        }
        listener = again
        server.openDoor(again)
        return true
    }

    private func notify(_ state: String, patience: Int = 5) {
        do throws(Errno) { try ServiceManager.notify(state, environment: environment, patience: patience) } catch {
            log.warning("the service manager was not told, ignoring", metadata: ["errno": "\(error.name)"])
        }
    }

    // MARK: Starting

    /// Where clients will come in: the socket of the service manager, or a path that we have the lock of.
    private enum Door {
        case passed(ListeningSocket)
        case locked(String, ServerLock)

        func open() throws(StartFailure) -> (ListeningSocket, ServerLock?) {
            switch self {
            case .passed(let socket): return (socket, nil)
            case .locked(let path, let lock):
                do {
                    return (try ListeningSocket.bind(path, under: lock), lock)
                } catch {
                    throw StartFailure(message: "\(error)")
                }
            }
        }
    }

    private static func findDoor(
        _ options: Options, _ environment: [String: String]
    ) throws(StartFailure) -> Door {
        do {
            if let passed = try passedSocket(environment) { return .passed(passed) }
            let path = SocketPath.resolve(option: options.socket, environment: environment, uid: geteuid())
            try SocketPath.check(path)
            try SocketPath.prepareDirectory(of: path)
            return .locked(path, try takeLock(path, patient: options.daemon))
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure(message: "\(error)")
        }
    }

    private static func passedSocket(_ environment: [String: String]) throws -> ListeningSocket? {
        guard let descriptor = try ServiceManager.passedSocket(environment: environment) else { return nil }
        return try ListeningSocket.adopt(descriptor)
    }

    /// - Parameter patient: a server that is just ending, or just starting, is waited for.
    private static func takeLock(_ path: String, patient: Bool) throws -> ServerLock {
        for _ in 0..<500 {
            do throws(ServerLockError) {
                return try ServerLock.acquire(beside: path)
            } catch {
                guard case .held(let pid) = error else { throw StartFailure(message: error.description) }
                let holder = pid.map { " (pid \($0))" } ?? ""
                if patient, ListeningSocket.answers(at: path) { throw StartFailure(message: "", isServed: true) }
                if !patient { throw StartFailure(message: "another server has \(path)\(holder)") }
                usleep(10_000)
            }
        }
        throw StartFailure(message: "another server has \(path) and does not listen")
    }

    /// Programs get the limit as it was; the server needs many descriptors.
    private static func raiseDescriptorLimit() -> rlimit {
        var before = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
        var raised = before
        raised.rlim_cur = raised.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised)
        return before
    }

    private static func findCgroups(_ instance: String, _ log: Logger) -> CgroupHierarchy? {
        do throws(CgroupUnavailable) {
            let hierarchy = try CgroupHierarchy.find(instance: instance)
            if CgroupPool.childrenCanBeBorn(in: hierarchy) { return hierarchy }
            _ = hierarchy.removeAll()
            log.notice("trees are killed by best effort: no child can be born in a cgroup here")
            return nil
        } catch {
            log.notice("trees are killed by best effort: no cgroup", metadata: ["reason": "\(error.reason)"])
            return nil
        }
    }

    /// 64 random bits in hexadecimal.
    private static func newInstance() -> String {
        // SystemRandomNumberGenerator reads getrandom(2).
        let text = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    private static func environmentEntries() -> [[UInt8]] {
        var entries: [[UInt8]] = []
        var next = environ
        while let entry = next.pointee {
            entries.append(Array(UnsafeRawBufferPointer(start: entry, count: strlen(entry))))
            next += 1
        }
        return entries
    }

    private static func dictionary(_ entries: [[UInt8]]) -> [String: String] {
        Dictionary(
            entries.compactMap { entry in
                let parts = entry.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2 else { return nil }
                return (String(decoding: parts[0], as: UTF8.self), String(decoding: parts[1], as: UTF8.self))
            }, uniquingKeysWith: { first, _ in first })
    }
}

extension Options {
    /// A daemon changes to `/`, and programs find the socket in their environment: neither may depend on where we are.
    mutating func makePathsAbsolute() {
        guard let here = Descriptor.currentDirectory() else { return }
        func absolute(_ path: String) -> String {
            path.hasPrefix("/") ? path : String(decoding: here, as: UTF8.self) + "/" + path
        }
        let given = socket ?? getenv("PROCCTL_SOCKET").map { String(cString: $0) }
        socket = given.flatMap { $0.isEmpty ? nil : absolute($0) }
        logFile = logFile.map(absolute)
    }
}
