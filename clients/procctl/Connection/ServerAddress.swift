// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import Kernel
import SystemPackage

/// Where the server is, and the one way to get a connection to it that may be trusted.
struct ServerAddress {
    let path: String
    let autostart: Bool

    init(option: String?, autostart: Bool) throws(Failure) {
        path = SocketPath.resolve(option: option, environment: Environment.socketVariables(), uid: getuid())
        do {
            try SocketPath.check(path)
        } catch {
            throw Failure("\(error)", status: Status.usage)
        }
        self.autostart = autostart && Environment.value("PROCCTL_NO_AUTOSTART").map { $0.isEmpty || $0 == "0" } ?? true
    }

    /// Connects, starting the server when none listens and that is allowed. Nothing has been sent yet.
    func connect() throws(Failure) -> Descriptor {
        switch try attempt() {
        case .connected(let raw): return Descriptor(taking: raw)
        case .nobody(let errno):
            guard autostart else {
                throw Failure(
                    "no server listens at \(path): \(errno.text)", hint: "start one with \"procctl serve\"",
                    status: Status.noServer)
            }
        }
        // Absolute: a server of that kind leaves our directory.
        try Autostart.run(path: path.hasPrefix("/") ? path : try currentDirectory() + "/" + path)
        var backOff = BackOff()
        while true {
            if case .connected(let raw) = try attempt() { return Descriptor(taking: raw) }
            guard backOff.pause() else {
                throw Failure("the server was started and does not listen at \(path)", status: Status.noServer)
            }
        }
    }

    private enum Attempt {
        case connected(CInt)
        case nobody(Errno)
    }

    private func attempt() throws(Failure) -> Attempt {
        let raw = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw Failure("cannot make a socket", Errno(rawValue: errno)) }
        let descriptor = Descriptor(taking: raw)
        switch connectSocket(raw) {
        case nil: break
        case .noSuchFileOrDirectory?: return .nobody(.noSuchFileOrDirectory)
        case .connectionRefused?: return .nobody(.connectionRefused)
        case let error?: throw Failure("cannot connect to \(path)", error, status: Status.noServer)
        }
        try check(raw)
        return .connected(descriptor.release())
    }

    private func connectSocket(_ raw: CInt) -> Errno? {
        let result = SocketPath.withAddress(path) { Glibc.connect(raw, $0, $1) }
        return result == 0 ? nil : Errno(rawValue: errno)
    }

    /// Whoever listens is about to be told our environment: the directory and the server must be ours or root's.
    private func check(_ raw: CInt) throws(Failure) {
        do {
            try SocketPath.checkDirectory(of: path)
        } catch {
            throw Failure("not trusted: \(error)", status: Status.noServer)
        }
        var (pid, uid, gid): (pid_t, uid_t, gid_t) = (0, 0, 0)
        let result = pk_peer_credentials(raw, &pid, &uid, &gid)
        guard result == 0 else { throw Failure("cannot tell who serves \(path)", Errno(rawValue: -result)) }
        if uid != geteuid(), uid != 0 {
            throw Failure("not trusted: the server at \(path) runs as uid \(uid)", status: Status.noServer)
        }
    }
}

/// Pauses that grow, 5 ms to 320 ms, for five seconds in all.
struct BackOff {
    private let end = Clock.milliseconds() + 5000
    private var pauseLength: Int32 = 5

    /// False once the five seconds are over.
    mutating func pause() -> Bool {
        guard Clock.milliseconds() < end else { return false }
        poll(nil, 0, pauseLength)
        pauseLength = min(pauseLength * 2, 320)
        return true
    }
}

private func currentDirectory() throws(Failure) -> String {
    guard let text = getcwd(nil, 0) else { throw Failure("cannot tell the current directory", Errno(rawValue: errno)) }
    defer { free(text) }
    return String(cString: text)
}
