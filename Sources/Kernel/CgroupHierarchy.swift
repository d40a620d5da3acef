// SPDX-License-Identifier: Apache-2.0
import Glibc
public import SystemPackage

/// Why no cgroup can be made for a process: in words, for the log and for `info`.
public struct CgroupUnavailable: Error, CustomStringConvertible {
    public let reason: String
    public var description: String { reason }
}

/// This server's own group `procctl-INSTANCE` in the cgroup v2 tree, below the group the server runs in. Each process
/// tree gets a group in it (cgroups(7), Documentation/admin-guide/cgroup-v2.rst); no controller is used.
///
/// A lock on the group's directory (flock(2)) says that its server lives. So a server may remove what a dead one left,
/// and never touches the group of another that has nothing running just now.
public final class CgroupHierarchy: Sendable {
    /// Where the group is, for people.
    public let path: String
    /// Whether groups have cgroup.kill (Linux 5.14); without it a tree is killed member by member.
    public let canKill: Bool

    let directory: Descriptor
    private let parent: Descriptor
    private let name: String

    private init(path: String, name: String, parent: consuming Descriptor, directory: consuming Descriptor) {
        self.path = path
        self.name = name
        canKill = faccessat(directory.raw, "cgroup.kill", W_OK, AT_EACCESS) == 0
        self.parent = parent
        self.directory = directory
    }

    /// Makes this server's group, or says why that cannot be: no cgroup2 mount (pure or hybrid), not allowed, a
    /// threaded group. What dead servers left in the same place is removed, as far as nothing runs in it.
    ///
    /// `instance`: letters, digits, "-" and "_", unlike that of any other server.
    public static func find(instance: String) throws(CgroupUnavailable) -> CgroupHierarchy {
        guard isInstance(instance[...]) else { throw CgroupUnavailable(reason: "not an instance name: \(instance)") }
        guard let mounts = text(of: "/proc/self/mountinfo"), let membership = text(of: "/proc/self/cgroup") else {
            throw CgroupUnavailable(reason: "/proc is not readable")
        }
        var failure = CgroupUnavailable(reason: "no cgroup2 mount shows this process's group")
        for path in locations(mountinfo: mounts, membership: membership) {
            do throws(CgroupUnavailable) {
                return try claim(instance, below: path)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Makes an empty group (mkdir(2)) for one process tree; `name` is a plain file name.
    public func make(name: String) throws(Errno) -> Cgroup {
        try Cgroup(name: name, in: self)
    }

    /// Kills what runs in the groups of all trees (cgroup.kill, Linux 5.14; without it, nothing).
    public func killAll() {
        guard let file = try? directory.open("cgroup.kill", O_WRONLY) else { return }
        let number = file.raw
        _ = try? systemCall { write(number, "1", 1) }
    }

    /// Removes the groups of all trees and this server's own. False: something runs in one of them, which stays.
    @discardableResult
    public func removeAll() -> Bool {
        guard removeGroups(in: directory, depth: 0) else { return false }
        return removeGroup(name, in: parent)
    }

    /// The paths at which this process's own group may be seen.
    ///
    /// `mountinfo` is /proc/self/mountinfo, `membership` /proc/self/cgroup: its line "0::" names the group in the v2
    /// tree. A mount may show only a part of that tree, its fourth field (proc_pid_mountinfo(5)).
    static func locations(mountinfo: String, membership: String) -> [String] {
        let line = membership.split(separator: "\n").first { $0.hasPrefix("0::") }
        guard let own = line?.dropFirst(3), own.hasPrefix("/"), !own.hasPrefix("/..") else { return [] }
        return mountinfo.split(separator: "\n").compactMap { (mount) -> String? in
            let fields = mount.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count, dash >= 6,
                fields[dash + 1] == "cgroup2"
            else { return nil }
            let root = unescaped(fields[3])
            let prefix = root == "/" ? "" : root
            guard own == root || own.hasPrefix(prefix + "/") else { return nil }
            let below = own.dropFirst(prefix.count)
            return unescaped(fields[4]) + (below == "/" ? "" : below)
        }
    }

    /// Undoes the octal escapes of mountinfo ("\040" for a blank).
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Makes and locks the group of `instance` in the group at `path`.
    private static func claim(_ instance: String, below path: String) throws(CgroupUnavailable) -> CgroupHierarchy {
        let name = prefix + instance
        do throws(Errno) {
            let parent = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
            // To start a process in another group takes this right in the one both lie in (cgroup-v2.rst, Delegation).
            let number = parent.raw
            try systemCall { faccessat(number, "cgroup.procs", W_OK, AT_EACCESS) }
            removeStale(in: parent, but: name)
            let directory = try locked(name, in: parent)
            let type = (try? directory.open("cgroup.type", O_RDONLY).readToEnd()) ?? []
            guard type == Array("domain\n".utf8) else {
                _ = unlinkat(number, name, AT_REMOVEDIR)
                throw .notSupported
            }
            return CgroupHierarchy(path: "\(path)/\(name)", name: name, parent: parent, directory: directory)
        } catch {
            let why =
                switch error {
                case .notSupported: "the group there is a threaded one"
                case .wouldBlock: "another server holds it"
                default: error.text
                }
            throw CgroupUnavailable(reason: "no cgroup \(name) in \(path): \(why)")
        }
    }

    /// A directory of this name that exists, and on which this process has the lock.
    private static func locked(_ name: String, in parent: borrowing Descriptor) throws(Errno) -> Descriptor {
        let number = parent.raw
        for _ in 0..<100 {
            // Others pass, to read the limits of a program's own group; none may open it, or they could hold the lock.
            if mkdirat(number, name, 0o711) != 0, errno != EEXIST { throw Errno(rawValue: errno) }
            // Another server that is starting may take a group which is not yet locked for a stale one, and remove it.
            guard let directory = try? parent.open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { continue }
            if flock(directory.raw, LOCK_EX | LOCK_NB) != 0 {
                usleep(1000)
                continue
            }
            var held = stat()
            var present = stat()
            if fstat(directory.raw, &held) == 0, fstatat(number, name, &present, AT_SYMLINK_NOFOLLOW) == 0,
                held.st_ino == present.st_ino
            {
                return directory
            }
        }
        throw .wouldBlock
    }

    /// Removes groups named like ours whose server is dead, and of them what is empty.
    private static func removeStale(in parent: borrowing Descriptor, but own: String) {
        var names: [String] = []
        try? parent.forEachEntry { (name, type) in
            if type == DT_DIR, name != own, name.hasPrefix(prefix), isInstance(name.dropFirst(prefix.count)) {
                names.append(name)
            }
        }
        for name in names {
            guard let directory = try? parent.open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
                flock(directory.raw, LOCK_EX | LOCK_NB) == 0
            else { continue }
            if removeGroups(in: directory, depth: 0) { _ = removeGroup(name, in: parent) }
        }
    }

    private static let prefix = "procctl-"

    private static func isInstance(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.count <= 64
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }

    private static func text(of path: String) -> String? {
        ProcFS.contents(of: path).map { String(decoding: $0, as: UTF8.self) }
    }
}
