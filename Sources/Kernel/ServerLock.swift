// SPDX-License-Identifier: Apache-2.0
public import Glibc
import SystemPackage

/// Why the lock beside a socket was not got.
public enum ServerLockError: Error, Equatable, CustomStringConvertible {
    /// Another server has it; its pid, if it has been written yet.
    case held(by: pid_t?)
    /// The lock file is a link, another user's, or no plain file.
    case notOurs(String)
    case failed(String, reason: String)

    public var description: String {
        switch self {
        case .held(let pid?): "another server (pid \(pid)) is running on this socket"
        case .held(nil): "another server is running on this socket"
        case .notOurs(let path): "\(path) is not a lock file of this user; remove it"
        case .failed(let path, let reason): "cannot lock \(path): \(reason)"
        }
    }
}

/// The right to listen at a socket path: flock(2) on `SOCKET.lock`, held until the process ends.
///
/// The file stays where it is: were it removed, one server could wait for the lock on the old file while another takes
/// it on a new one. The lock belongs to the open file description, which no program inherits (O_CLOEXEC).
public final class ServerLock: Sendable {
    public let path: String
    private let file: Descriptor

    private init(path: String, file: consuming Descriptor) {
        self.path = path
        self.file = file
    }

    /// Takes the lock without waiting, and writes this process's pid into the file for people.
    public static func acquire(beside socketPath: String) throws(ServerLockError) -> ServerLock {
        let path = socketPath + ".lock"
        do throws(Errno) {
            while true {
                // O_NONBLOCK: a FIFO or a device of that name must not stop the start.
                let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, mode: 0o600)
                let number = file.raw
                var info = stat()
                try systemCall { fstat(number, &info) }
                guard info.st_mode & S_IFMT == S_IFREG, info.st_uid == geteuid() || info.st_uid == 0 else {
                    throw .tooManySymbolicLinkLevels
                }
                try systemCall { flock(number, LOCK_EX | LOCK_NB) }
                // Somebody may have removed the file in the meantime.
                var present = stat()
                guard lstat(path, &present) == 0, present.st_ino == info.st_ino, present.st_dev == info.st_dev else {
                    continue
                }
                try systemCall { ftruncate(number, 0) }
                let text = "\(getpid())\n"
                try systemCall { pwrite(number, text, text.utf8.count, 0) }
                return ServerLock(path: path, file: file)
            }
        } catch {
            switch error {
            case .wouldBlock: throw .held(by: holder(path))
            // ELOOP: a symbolic link (open(2), O_NOFOLLOW). ENXIO: a FIFO or a socket. EISDIR: a directory.
            case .tooManySymbolicLinkLevels, .noSuchAddressOrDevice, .isDirectory: throw .notOurs(path)
            default: throw .failed(path, reason: error.text)
            }
        }
    }

    /// The pid that a lock file names.
    private static func holder(_ path: String) -> pid_t? {
        ProcFS.contents(of: path).flatMap { pid_t(String(decoding: $0.prefix { $0 != 0x0A }, as: UTF8.self)) }
    }
}
