// SPDX-License-Identifier: Apache-2.0

/// The environment of programs: the server's own at its start, and what callers lay over it. environ(7).
public struct Environment {
    /// `NAME=value`, in the order given, each name once.
    private(set) public var entries: [[UInt8]] = []
    private var positions: [[UInt8]: Int] = [:]

    public init() {}

    /// From `NAME=value` strings; the first of a name counts, as for getenv(3). Strings without "=" are dropped.
    public init(entries: some Sequence<[UInt8]>) {
        for entry in entries {
            guard let equals = entry.firstIndex(of: UInt8(ascii: "=")), equals > 0 else { continue }
            let name = Array(entry[..<equals])
            if positions[name] == nil {
                positions[name] = self.entries.count
                self.entries.append(entry)
            }
        }
    }

    /// The value of a variable, if it is set.
    public func value(of name: String) -> [UInt8]? {
        positions[Array(name.utf8)].map { Array(entries[$0].dropFirst(name.utf8.count + 1)) }
    }

    /// Sets a variable, or unsets it.
    public mutating func set(_ name: [UInt8], to value: [UInt8]?) {
        guard let value else {
            guard let position = positions.removeValue(forKey: name) else { return }
            entries.remove(at: position)
            for (other, place) in positions where place > position { positions[other] = place - 1 }
            return
        }
        let entry = name + [UInt8(ascii: "=")] + value
        if let position = positions[name] {
            entries[position] = entry
        } else {
            positions[name] = entries.count
            entries.append(entry)
        }
    }

    /// Variables that the server's own service manager meant for the server alone (sd_listen_fds(3), sd_notify(3),
    /// sd_watchdog_enabled(3)).
    public static let ofTheServerAlone: Set<String> = [
        "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "WATCHDOG_USEC",
        "WATCHDOG_PID",
    ]
}

/// Where a program is looked for. execvp(3); POSIX.1-2017, section 8.3.
enum PathSearch {
    /// What a program without PATH searches.
    static let fallback = Array("/bin:/usr/bin".utf8)

    /// The paths to try, in order.
    static func candidates(for program: ProgramSpec, environment: Environment) -> [[UInt8]] {
        let name: [UInt8]
        switch program.file {
        case .candidates(let list): return list
        case .name(let file): name = file
        case nil: name = program.arguments[0]
        }
        let slash = UInt8(ascii: "/")
        if name.isEmpty || name.contains(slash) { return [name] }
        let path = environment.value(of: "PATH") ?? fallback
        return path.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map { directory in
            // An empty element is the current directory.
            directory.isEmpty ? name : directory + [slash] + name
        }
    }

    /// The name as it was asked for, to stand in errors.
    static func asked(_ program: ProgramSpec, candidate: Int) -> [UInt8] {
        switch program.file {
        case .candidates(let list): list.indices.contains(candidate) ? list[candidate] : list.first ?? []
        case .name(let file): file
        case nil: program.arguments[0]
        }
    }
}
