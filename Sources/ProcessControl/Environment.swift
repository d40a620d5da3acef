// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The environment of programs: the server's own at its start, and what callers lay over it. environ(7).
public struct Environment {
    /// What was unset leaves an empty place.
    private var places: [[UInt8]] = []
    private var unset = 0
    /// Where the names stand that it was made with. Nobody changes it: every program that inherits shares one.
    private var made: [[UInt8]: Int] = [:]
    /// Where those stand that came later, or came back.
    private var added: [[UInt8]: Int] = [:]

    /// `NAME=value`, in the order given, each name once.
    public var entries: [[UInt8]] { unset == 0 ? places : places.filter { !$0.isEmpty } }

    public init() {}

    /// From `NAME=value` strings; the first of a name counts, as for getenv(3). Strings without "=" are dropped.
    public init(entries: some Sequence<[UInt8]>) {
        for entry in entries {
            guard let equals = entry.firstIndex(of: UInt8(ascii: "=")), equals > 0 else { continue }
            let name = Array(entry[..<equals])
            if made[name] == nil {
                made[name] = places.count
                places.append(entry)
            }
        }
    }

    private func position(of name: [UInt8]) -> Int? {
        if let position = added[name] { return position }
        guard let position = made[name], !places[position].isEmpty else { return nil }
        return position
    }

    /// The value of a variable, if it is set.
    public func value(of name: String) -> [UInt8]? {
        position(of: Array(name.utf8)).map { Array(places[$0].dropFirst(name.utf8.count + 1)) }
    }

    /// Sets a variable, or unsets it.
    public mutating func set(_ name: [UInt8], to value: [UInt8]?) {
        let position = position(of: name)
        guard let value else {
            guard let position else { return }
            places[position] = []
            added[name] = nil
            unset += 1
            return
        }
        let entry = name + [UInt8(ascii: "=")] + value
        if let position {
            places[position] = entry
        } else {
            added[name] = places.count
            places.append(entry)
        }
    }
}

/// What programs inherit of the server.
extension Environment {
    /// Where a program finds its id.
    static let processName = Array("PROCCTL_PROCESS".utf8)

    /// With a place for the id, so that the programs share one index of names.
    init(inheritedFrom entries: [[UInt8]], socketPath: [UInt8]?) {
        var environment = Environment(entries: entries.filter { !Self.isOfTheServerAlone($0) })
        if let socketPath { environment.set(Array("PROCCTL_SOCKET".utf8), to: socketPath) }
        environment.set(Self.processName, to: [])
        self.init(entries: environment.entries)
    }

    /// Whether a variable was meant for the server alone, by its service manager (sd_listen_fds(3), sd_notify(3),
    /// sd_watchdog_enabled(3)).
    static func isOfTheServerAlone(_ entry: [UInt8]) -> Bool {
        entry.starts(with: "NOTIFY_SOCKET=".utf8) || entry.starts(with: "LISTEN_".utf8)
            || entry.starts(with: "WATCHDOG_".utf8)
    }
}

/// Where a program is looked for. execvp(3); POSIX.1-2017, section 8.3.
enum PathSearch {
    /// What a program without PATH searches.
    static let fallback = Array("/bin:/usr/bin".utf8)

    /// The paths to try, in order. Nil: no program could ever get so long a PATH (MAX_ARG_STRLEN, execve(2)).
    static func candidates(for program: ProgramSpec, environment: Environment) -> [[UInt8]]? {
        let name: [UInt8]
        switch program.file {
        case .candidates(let list): return list
        case .name(let file): name = file
        case nil: name = program.arguments[0]
        }
        let slash = UInt8(ascii: "/")
        // A name longer than NAME_MAX is in no directory: tried as it is, it gives ENAMETOOLONG.
        if name.isEmpty || name.contains(slash) || name.count > Int(NAME_MAX) { return [name] }
        let path = environment.value(of: "PATH") ?? fallback
        guard path.count < longestString else { return nil }
        return path.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map { directory in
            // An empty element is the current directory.
            directory.isEmpty ? name : directory + [slash] + name
        }
    }

    private static let longestString = 32 * 4096

    /// The name as it was asked for, to stand in errors.
    static func asked(_ program: ProgramSpec, candidate: Int) -> [UInt8] {
        switch program.file {
        case .candidates(let list): list.indices.contains(candidate) ? list[candidate] : list.first ?? []
        case .name(let file): file
        case nil: program.arguments[0]
        }
    }
}
