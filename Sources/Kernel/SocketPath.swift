// SPDX-License-Identifier: Apache-2.0
public import Glibc
import SystemPackage

/// Why a socket's path or directory is not used; `description` says what to do.
public enum SocketPathError: Error, Equatable, CustomStringConvertible {
    case empty
    case containsNUL
    case notAFileName(String)
    case tooLong(String, bytes: Int)
    case noDirectory(String, reason: String)
    case symbolicLink(String)
    case notADirectory(String)
    case foreignDirectory(String, owner: uid_t)
    case shared(String)
    case writableByOthers(String)

    public var description: String {
        switch self {
        case .empty: "the socket path is empty"
        case .containsNUL: "the socket path contains a NUL byte"
        case .notAFileName(let path): "the socket path \(path) does not end in a file name"
        case .tooLong(let path, let bytes):
            "the socket path \(path) has \(bytes) bytes; the limit is \(SocketPath.maximumBytes)"
        case .noDirectory(let path, let reason): "the socket's directory \(path) cannot be used: \(reason)"
        case .symbolicLink(let path): "the socket's directory \(path) is a symbolic link; give the path it leads to"
        case .notADirectory(let path): "the socket's directory \(path) is not a directory"
        case .foreignDirectory(let path, let owner):
            "the directory \(path) belongs to uid \(owner), neither to this user nor to root"
        case .shared(let path):
            "the directory \(path) is shared by all users; put the socket into a directory of your own"
        case .writableByOthers(let path): "others may write to the directory \(path); use `chmod go-w` on it"
        }
    }
}

/// Where the server listens, and whether that place is safe.
public enum SocketPath {
    /// What fits into `sun_path` with its NUL (unix(7)).
    public static let maximumBytes = 107

    /// The socket's path: `option`, else `$PROCCTL_SOCKET`, else `$XDG_RUNTIME_DIR/procctl/socket`, else
    /// `/run/procctl/socket` for uid 0, else `/tmp/procctl-UID/socket`. An empty variable counts as none, and so does a
    /// relative XDG_RUNTIME_DIR (XDG Base Directory Specification).
    public static func resolve(option: String?, environment: [String: String], uid: uid_t) -> String {
        if let option { return option }
        if let path = environment["PROCCTL_SOCKET"], !path.isEmpty { return path }
        if let directory = environment["XDG_RUNTIME_DIR"], directory.hasPrefix("/") {
            return directory + (directory.hasSuffix("/") ? "" : "/") + "procctl/socket"
        }
        return uid == 0 ? "/run/procctl/socket" : "/tmp/procctl-\(uid)/socket"
    }

    /// Whether bind(2) can take the path, relative or not.
    public static func check(_ path: String) throws(SocketPathError) {
        if path.isEmpty { throw .empty }
        if path.utf8.contains(0) { throw .containsNUL }
        let bytes = path.utf8.count
        if bytes > maximumBytes { throw .tooLong(path, bytes: bytes) }
        if ["", ".", ".."].contains(split(path).file) { throw .notAFileName(path) }
    }

    /// Makes sure that the socket's directory is there and safe: a directory, no symbolic link, ours or root's, and
    /// writable by no one else, or another user could put his own socket in the place of ours.
    ///
    /// A missing one is made, 0700, if it is of a default path's form (`…/procctl/socket`, `…/procctl-UID/socket`).
    /// Such a path comes from the environment, which can be another user's (sudo): its parent is looked at, too.
    public static func prepareDirectory(of path: String, uid: uid_t = geteuid()) throws(SocketPathError) {
        try check(path)
        let (directory, file) = split(path)
        let (parent, name) = split(directory)
        if file == "socket", name == "procctl" || name == "procctl-\(uid)" {
            try inspect(parent, uid: uid, sharedAllowed: true)
            if mkdir(directory, 0o700) != 0, errno != EEXIST {
                throw .noDirectory(directory, reason: Errno(rawValue: errno).text)
            }
        }
        try inspect(directory, uid: uid, sharedAllowed: false)
    }

    /// The same rules for a client, before it connects: nothing is made.
    public static func checkDirectory(of path: String, uid: uid_t = geteuid()) throws(SocketPathError) {
        try check(path)
        try inspect(split(path).directory, uid: uid, sharedAllowed: false)
    }

    /// `sharedAllowed`: a directory such as /tmp will do, writable by all and sticky, in which nobody can rename or
    /// remove what is ours (chmod(2), S_ISVTX).
    private static func inspect(_ path: String, uid: uid_t, sharedAllowed: Bool) throws(SocketPathError) {
        var info = stat()
        guard lstat(path, &info) == 0 else { throw .noDirectory(path, reason: Errno(rawValue: errno).text) }
        switch info.st_mode & S_IFMT {
        case S_IFDIR: break
        // A link in the place of a parent is the administrator's business (/var/run); it is followed.
        case S_IFLNK where sharedAllowed && stat(path, &info) == 0: break
        case S_IFLNK: throw .symbolicLink(path)
        default: throw .notADirectory(path)
        }
        let safe = info.st_uid == uid || info.st_uid == 0 || (sharedAllowed && info.st_uid == unmapped)
        guard safe else { throw .foreignDirectory(path, owner: info.st_uid) }
        guard info.st_mode & mode_t(S_IWGRP | S_IWOTH) != 0 else { return }
        guard info.st_mode & mode_t(S_ISVTX) != 0 else { throw .writableByOthers(path) }
        if !sharedAllowed { throw .shared(path) }
    }

    /// What root's /tmp belongs to as a user namespace without root shows it (DEFAULT_OVERFLOWUID, user_namespaces(7)).
    private static let unmapped: uid_t = 65534

    /// The directory without slashes at its end, which would follow a link ("." if there is none), and the file name.
    private static func split(_ path: String) -> (directory: String, file: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        var directory = path[..<slash]
        while directory.last == "/" { directory.removeLast() }
        return (directory.isEmpty ? "/" : String(directory), String(path[path.index(after: slash)...]))
    }

    /// Lends the address of a path that `check` has passed, for bind(2) and connect(2).
    public static func withAddress<Result, Failure: Error>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withAddress(bytes: Array(path.utf8) + [0], body)
    }

    /// The same of raw bytes: an abstract name begins with NUL and has none at its end (unix(7)).
    static func withAddress<Result, Failure: Error>(
        bytes: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        precondition(bytes.count <= room, "the path was not checked")
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size - room + bytes.count)
        return try withUnsafePointer(to: &address) { (pointer) throws(Failure) in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { (address) throws(Failure) in
                try body(address, length)
            }
        }
    }
}
