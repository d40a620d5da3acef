// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The users and groups of this machine's own files.
///
/// getpwnam(3) would ask whatever nsswitch.conf names; a directory service that does not answer would stop the event
/// loop. So only the files are read (fgetpwent_r(3), fgetgrent_r(3)), at each question: they are small, questions are
/// rare, and an edit counts at once. Accounts of a directory service are reached by number.
public struct UserDatabase: Sendable {
    /// The path of the users' file, passwd(5).
    public let passwd: String
    /// The path of the groups' file, group(5).
    public let group: String

    public init(passwd: String = "/etc/passwd", group: String = "/etc/group") {
        self.passwd = passwd
        self.group = group
    }

    /// The ids of a user, or nil: no such user, or the file cannot be read.
    public func user(named name: String) -> (uid: UInt32, gid: UInt32)? {
        guard Self.isName(name) else { return nil }
        return users { strcmp($0.pw_name, name) == 0 ? ($0.pw_uid, $0.pw_gid) : nil }
    }

    /// The first name and the primary group of a uid.
    public func user(id: UInt32) -> (name: String, gid: UInt32)? {
        users { $0.pw_uid == id ? (String(cString: $0.pw_name), $0.pw_gid) : nil }
    }

    /// The id of a group.
    public func group(named name: String) -> UInt32? {
        guard Self.isName(name) else { return nil }
        return groups { strcmp($0.gr_name, name) == 0 ? $0.gr_gid : nil }
    }

    /// What initgroups(3) would set: `primary` first, then every group that lists `name`, each once.
    public func supplementaryGroups(of name: String, primary: UInt32) -> [UInt32] {
        var found = [primary]
        guard Self.isName(name) else { return found }
        _ = groups { (entry) -> Void? in
            if !found.contains(entry.gr_gid), Self.lists(entry, name) { found.append(entry.gr_gid) }
            return nil
        }
        return found
    }

    /// C would read "root\0x" as root, and the lines "+" and "-" of nsswitch's compat mode are no accounts: the C
    /// library reads such a line without ids as uid 0.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && !name.utf8.contains(0) && !name.hasPrefix("+") && !name.hasPrefix("-")
    }

    private static func isAccount(_ name: UnsafePointer<CChar>?) -> Bool {
        guard let name else { return false }
        let first = UInt8(bitPattern: name.pointee)
        return first != 0 && first != UInt8(ascii: "+") && first != UInt8(ascii: "-")
    }

    private static func lists(_ entry: Glibc.group, _ name: String) -> Bool {
        guard var member = entry.gr_mem else { return false }
        while let text = member.pointee {
            if strcmp(text, name) == 0 { return true }
            member += 1
        }
        return false
    }

    private func users<Found>(_ match: (Glibc.passwd) -> Found?) -> Found? {
        Self.search(passwd, Glibc.passwd(), fgetpwent_r) { Self.isAccount($0.pw_name) ? match($0) : nil }
    }

    private func groups<Found>(_ match: (Glibc.group) -> Found?) -> Found? {
        Self.search(group, Glibc.group(), fgetgrent_r) { Self.isAccount($0.gr_name) ? match($0) : nil }
    }

    /// The shape of fgetpwent_r(3) and fgetgrent_r(3).
    private typealias Reader<Entry> = (
        UnsafeMutablePointer<FILE>, UnsafeMutablePointer<Entry>, UnsafeMutablePointer<CChar>, Int,
        UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>
    ) -> CInt

    /// The first entry that `match` takes.
    private static func search<Entry, Found>(
        _ path: String, _ empty: Entry, _ read: Reader<Entry>, _ match: (Entry) -> Found?
    ) -> Found? {
        guard let stream = fopen(path, "re") else { return nil }
        defer { fclose(stream) }
        var entry = empty
        var size = 4096
        var buffer = UnsafeMutablePointer<CChar>.allocate(capacity: size)
        defer { buffer.deallocate() }
        while true {
            var result: UnsafeMutablePointer<Entry>?
            switch read(stream, &entry, buffer, size, &result) {
            case 0:
                if let found = match(entry) { return found }
            case ERANGE where size < maximumLine:
                // glibc has put the stream back to the start of the line (2.32 and later).
                buffer.deallocate()
                size *= 4
                buffer = UnsafeMutablePointer<CChar>.allocate(capacity: size)
            case EINTR:
                continue
            default:
                return nil
            }
        }
    }

    /// A line that is longer ends the search: a group of some hundred thousand members.
    private static let maximumLine = 16 << 20
}
