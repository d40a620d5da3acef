// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON
import JSONRPC
import Kernel

/// What the program is started with; the same for run and spawn.
struct ProgramOptions: ParsableArguments {
    @Option(
        name: [.customShort("e"), .long],
        help: ArgumentHelp("Set a variable of the environment.", valueName: "key=value"))
    var env: [PairWord] = []

    @Option(name: [.customShort("u"), .long], help: ArgumentHelp("Unset a variable.", valueName: "key"))
    var unset: [String] = []

    @Flag(name: [.customShort("i"), .long], help: "Begin with an empty environment instead of this one.")
    var envEmpty = false

    @Option(
        name: [.customShort("C"), .long], help: ArgumentHelp("The directory to start in.", valueName: "directory"),
        completion: .directory)
    var cwd: String?

    @Option(
        help: ArgumentHelp(
            "The program itself, when it is not the first word; repeatable: tried in order.", valueName: "path"),
        completion: .file())
    var file: [String] = []

    @Option(
        name: .customLong("fd"),
        help: ArgumentHelp("Pass descriptor N as M (or as N).", valueName: "M=N|N"))
    var descriptors: [DescriptorWord] = []

    @Option(help: ArgumentHelp("The user to run as (the server must be root).", valueName: "name|uid"))
    var user: AccountWord?

    @Option(help: ArgumentHelp("The group to run as.", valueName: "name|gid"))
    var group: AccountWord?

    @Option(help: ArgumentHelp("The supplementary groups, separated by commas.", valueName: "group,…"))
    var groups: String?

    @Option(help: ArgumentHelp("The file mode creation mask (default: this one).", valueName: "octal"))
    var umask: UmaskWord?

    @Option(parsing: .unconditional, help: ArgumentHelp("The nice value, -20…19.", valueName: "n"))
    var nice: Int?

    @Option(help: ArgumentHelp("A resource limit: nofile=1024, core=0:unlimited.", valueName: "name=soft[:hard]"))
    var rlimit: [RlimitWord] = []

    @Flag(help: "Set-uid programs and file capabilities give nothing from here on.")
    var noNewPrivileges = false

    @Option(help: ArgumentHelp("A signal to start with ignored (repeatable).", valueName: "signal"))
    var ignoreSignal: [SignalWord] = []

    @Option(help: ArgumentHelp("A signal to start with blocked (repeatable).", valueName: "signal"))
    var blockSignal: [SignalWord] = []

    @Option(
        help: ArgumentHelp(
            """
            new: its own session; group: its own group in the server's session; apart: likewise, but led by nobody; \
            a number: that group; inherit: neither.
            """, valueName: "word|pgid"))
    var session: SessionWord?

    @Option(help: ArgumentHelp("How long the start itself may take (default 10s).", valueName: "duration"))
    var startTimeout: Milliseconds?

    func validate() throws {
        if let nice, !(-20...19).contains(nice) { throw ValidationError("The nice value is -20 to 19.") }
    }

    /// Adds all of it. `inherited`: the signals that are ignored and blocked here, for a program that is to feel as
    /// if this shell had started it. `hasTerminal`: its own says what $TERM is, if --env does not.
    func add(
        to request: inout SpawnRequest, argv: [String], inherited: InheritedSignals?, hasTerminal: Bool = false
    ) throws(Failure) {
        request.set("argv", .array(argv.map { ExactText.json($0) }))
        if !file.isEmpty {
            request.set("file", file.count == 1 ? ExactText.json(file[0]) : .array(file.map { ExactText.json($0) }))
        }
        request.set("env_base", "empty")
        request.set("env", environment(without: hasTerminal ? ["TERM"] : []))
        let directory = try Caller.directory(cwd.map { ExactText.bytes(of: $0) } ?? [UInt8(ascii: ".")])
        request.set("cwd", try request.reference(to: directory))
        var targets: [(String, JSONValue)] = []
        for word in descriptors { targets.append((String(word.target), try request.index(of: word.source))) }
        if !targets.isEmpty { request.set("fds", .object(members: targets)) }
        request.set("user", user?.json)
        request.set("group", group?.json)
        request.set(
            "groups",
            groups.map { .array($0.split(separator: ",").compactMap { AccountWord(argument: String($0))?.json }) })
        request.set("umask", umask.map { .integer($0.mask) } ?? .integer(Int64(Caller.umask())))
        request.set("nice", nice.map { .integer($0) })
        if !rlimit.isEmpty { request.set("rlimits", .object(members: rlimit.map { ($0.name, $0.json) })) }
        if noNewPrivileges { request.set("no_new_privileges", true) }
        request.set("signals", signals(inherited))
        request.set("session", session?.json)
        request.set("start_timeout_ms", startTimeout?.json)
    }

    private func environment(without others: [String]) -> JSONValue {
        var members = envEmpty ? [] : Environment.members()
        let dropped = Set(unset + others + env.map(\.key))
        if !dropped.isEmpty { members.removeAll { dropped.contains($0.0) } }
        members += lastOfEachKey(env).map { ($0.key, ExactText.json($0.value)) }
        return .object(members: members)
    }

    private func signals(_ inherited: InheritedSignals?) -> JSONValue? {
        let ignored = ignoreSignal.map(\.json) + (inherited?.ignored ?? [])
        let blocked = blockSignal.map(\.json) + (inherited?.blocked ?? [])
        guard !ignored.isEmpty || !blocked.isEmpty else { return nil }
        return .object([
            "ignored": ignored.isEmpty ? nil : .array(ignored), "blocked": blocked.isEmpty ? nil : .array(blocked),
        ])
    }
}

/// The signals that a program started from here would have inherited as ignored and as blocked.
struct InheritedSignals {
    let ignored: [JSONValue]
    let blocked: [JSONValue]

    init() {
        ignored = Caller.ignoredSignals().map { .integer(Int64($0)) }
        blocked = Caller.blockedSignals().map { .integer(Int64($0)) }
    }
}

/// A word of the wire, or the number of a process group to join.
enum SessionWord: ExpressibleByArgument, Equatable {
    case word(String)
    case group(Int32)

    static let new = SessionWord.word("new")
    static let inherit = SessionWord.word("inherit")

    init?(argument: String) {
        if let group = Int32(argument), group > 0 {
            self = .group(group)
        } else if Self.words.contains(argument) {
            self = .word(argument)
        } else {
            return nil
        }
    }

    var json: JSONValue {
        switch self {
        case .word(let word): .string(word)
        case .group(let group): .object(["group": .integer(Int64(group))])
        }
    }

    private static let words = ["new", "group", "apart", "inherit"]
    static var allValueStrings: [String] { words }
    static var defaultCompletionKind: CompletionKind { .list(words) }
}
