// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import Kernel
import ProcessControl

/// `user`, `group`, `groups`, `umask` and `rlimits`.
struct IdentityDecoding {
    private let users = UserDatabase()

    /// A user brings its primary group and its supplementary groups along unless others are given, as login(1) does.
    func decode(_ parameters: JSONCursor, into spec: inout SpawnSpec) throws(JSONMismatch) {
        if let cursor = parameters.member("group") { spec.group = try group(cursor) }
        if let cursor = parameters.member("groups") {
            var groups: [UInt32] = []
            for element in try cursor.elements(maximum: 65_536) { groups.append(try group(element)) }
            // Who is not root may not even say what is so already (setgroups(2)).
            spec.groups = geteuid() != 0 && Set(groups) == Self.ownGroups() ? nil : groups
        }
        guard let cursor = parameters.member("user") else { return }
        let (uid, name, primary) = try user(cursor)
        spec.user = uid
        if spec.group == nil {
            guard let primary else {
                throw cursor.mismatch(
                    expected: "a user of /etc/passwd, or a group beside it", found: "uid \(uid), which is not there")
            }
            spec.group = primary
        }
        // A server that is not root may only ask for what it is; its groups are that user's.
        if spec.groups == nil, geteuid() == 0 || uid != geteuid() {
            spec.groups = name.map { users.supplementaryGroups(of: $0, primary: spec.group ?? uid) } ?? []
        }
    }

    private static func ownGroups() -> Set<UInt32> {
        var groups = [gid_t](repeating: 0, count: 65_536)
        let count = getgroups(CInt(groups.count), &groups)
        return Set(groups.prefix(Int(max(0, count))))
    }

    private func user(_ cursor: JSONCursor) throws(JSONMismatch) -> (uid: UInt32, name: String?, primary: UInt32?) {
        // The last uid is setresuid(2)'s "leave as it is".
        if cursor.value.kind == .integer {
            let uid = UInt32(try cursor.integer(0...Int64(UInt32.max - 1)))
            let entry = users.user(id: uid)
            return (uid, entry?.name, entry?.gid)
        }
        guard cursor.value.kind == .string else { throw cursor.mismatch(expected: "a user: a name or a uid") }
        let name = try cursor.string()
        guard let entry = users.user(named: name) else {
            throw cursor.mismatch(expected: "a user of /etc/passwd, or a uid", found: "\"\(name)\"")
        }
        return (entry.uid, name, entry.gid)
    }

    private func group(_ cursor: JSONCursor) throws(JSONMismatch) -> UInt32 {
        if cursor.value.kind == .integer { return UInt32(try cursor.integer(0...Int64(UInt32.max - 1))) }
        guard cursor.value.kind == .string else { throw cursor.mismatch(expected: "a group: a name or a gid") }
        let name = try cursor.string()
        guard let gid = users.group(named: name) else {
            throw cursor.mismatch(expected: "a group of /etc/group, or a gid", found: "\"\(name)\"")
        }
        return gid
    }

    /// An integer, or octal digits as shells write them.
    func umask(_ cursor: JSONCursor) throws(JSONMismatch) -> Int32 {
        if cursor.value.kind == .integer { return Int32(try cursor.integer(0...0o777)) }
        let text = try cursor.string()
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x37).contains($0) }), let mask = Int32(text, radix: 8),
            mask <= 0o777
        else {
            throw cursor.mismatch(expected: "an integer from 0 to 511, or octal digits (\"022\")", found: "\"\(text)\"")
        }
        return mask
    }

    /// The names of getrlimit(2), in lower case and without RLIMIT_.
    static let resources: [(name: String, resource: UInt32)] = [
        ("as", 9), ("core", 4), ("cpu", 0), ("data", 2), ("fsize", 1), ("locks", 10), ("memlock", 8),
        ("msgqueue", 12), ("nice", 13), ("nofile", 7), ("nproc", 6), ("rss", 5), ("rtprio", 14), ("rttime", 15),
        ("sigpending", 11), ("stack", 3),
    ]

    func limits(_ cursor: JSONCursor) throws(JSONMismatch) -> [LaunchPlan.Limit] {
        try cursor.requireObject(allowing: Self.resources.map(\.name))
        var limits: [LaunchPlan.Limit] = []
        for (name, resource) in Self.resources {
            guard let value = cursor.member(name) else { continue }
            guard value.value.kind == .object else {
                let both = try limit(value)
                limits.append(LaunchPlan.Limit(resource: resource, soft: both, hard: both))
                continue
            }
            try value.requireObject(allowing: ["soft", "hard"])
            let soft = try value.ifPresent("soft") { half throws(JSONMismatch) in try limit(half) }
            let hard = try value.ifPresent("hard") { half throws(JSONMismatch) in try limit(half) }
            if let soft, let hard, soft > hard {
                throw value.mismatch(expected: "a soft limit no higher than the hard one", found: "\(soft) > \(hard)")
            }
            limits.append(LaunchPlan.Limit(resource: resource, soft: soft, hard: hard))
        }
        return limits
    }

    private func limit(_ cursor: JSONCursor) throws(JSONMismatch) -> UInt64 {
        if cursor.value.kind == .string {
            _ = try cursor.oneOf(["unlimited"])
            return UInt64.max
        }
        guard cursor.value.kind == .integer else {
            throw cursor.mismatch(expected: "an integer, \"unlimited\", or {\"soft\": …, \"hard\": …}")
        }
        return UInt64(try cursor.integer(0...Int64.max))
    }
}
