// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl exec-replace`: the process stays, the program is replaced.
struct ExecReplace: ConnectedCommand {
    static let name = "exec-replace"
    static let alias = "exec"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Replace the program of a process, or start that of a held one.",
        usage: "procctl exec-replace <process> [<options>] [--] [<command> ...]",
        discussion: """
            A held process is started. In a process that runs the new program takes the place of the old one: pid, \
            streams, terminal and descriptors stay, and if it cannot be started the old one goes on unharmed. Without \
            a program it is the one that ran last, or that the process was created with.

            Unless options say otherwise the directory is the one the process is in and the environment the one it \
            was last started with, not this command's. In place of a program that runs the new one begins with no \
            signal ignored or blocked, a held one as it was created.

            In a script that runs under the server itself, as execvp(3): exec procctl exec-replace --from-inside \
            -- command
            """,
        aliases: [alias])

    @Option(name: [.customShort("e"), .long], help: ArgumentHelp("Set a variable.", valueName: "key=value"))
    var env: [PairWord] = []

    @Option(name: [.customShort("u"), .long], help: ArgumentHelp("Unset a variable.", valueName: "key"))
    var unset: [String] = []

    @Option(
        help:
            """
            What these change: keep (default), the process's environment; caller, this one; inherit, the server's; \
            or empty.
            """
    )
    var envBase: EnvironmentBase?

    @Option(
        name: [.customShort("C"), .long], help: ArgumentHelp("The directory to start in.", valueName: "directory"),
        completion: .directory)
    var cwd: String?

    @Option(
        help: ArgumentHelp("The program itself, repeatable: tried in order.", valueName: "path"), completion: .file())
    var file: [String] = []

    @Flag(help: "No signal ignored, none blocked.")
    var freshSignals = false

    @Flag(help: "Signals as execve(2) leaves them: ignored, blocked and pending ones stay so.")
    var inheritSignals = false

    @Option(help: ArgumentHelp("A signal to start with ignored (repeatable).", valueName: "signal"))
    var ignoreSignal: [SignalWord] = []

    @Option(help: ArgumentHelp("A signal to start with blocked (repeatable).", valueName: "signal"))
    var blockSignal: [SignalWord] = []

    @Option(help: ArgumentHelp("How long it may take (default: as the process's own start).", valueName: "duration"))
    var startTimeout: Milliseconds?

    @Flag(
        help: """
            The process is this command itself: in place of a shell, say, by its exec. With this command's \
            environment and signals, if not told otherwise.
            """)
    var fromInside = false

    @OptionGroup var server: ServerOptions

    @Option(
        help: ArgumentHelp("The id or the name, when it is not the first word.", valueName: "process"),
        completion: .custom { _, _, _ in Candidates.processes() })
    var process: ProcessWord?

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The process, then the program and its arguments.", valueName: "command"),
        completion: .custom { _, _, _ in Candidates.processes() })
    var command: [String] = []

    enum EnvironmentBase: String, ExpressibleByArgument, CaseIterable {
        case keep, caller, inherit, empty
    }

    mutating func validate() throws {
        if process == nil, !fromInside, let first = command.first, !first.hasPrefix("-") {
            process = ProcessWord(argument: first)
            command.removeFirst()
        }
        command = try Passthrough.words(command, of: Self.self, optional: true)
        guard process != nil || fromInside else { throw ValidationError("Which process? Give an id or a name.") }
        let setsSignals = !ignoreSignal.isEmpty || !blockSignal.isEmpty
        if [freshSignals, inheritSignals, setsSignals].count(where: { $0 }) > 1 {
            throw ValidationError(
                "Give one of --fresh-signals, --inherit-signals, or --ignore-signal and --block-signal.")
        }
    }

    func run() throws {
        var request = SpawnRequest()
        request.set("process", process?.json)
        if !command.isEmpty { request.set("argv", .array(command.map { ExactText.json($0) })) }
        if !file.isEmpty { request.set("file", .array(file.map { ExactText.json($0) })) }
        request.set("env_base", base.map { .string($0 == .caller ? "empty" : $0.rawValue) })
        request.set("env", environment())
        if let cwd {
            request.set("cwd", try request.reference(to: try Caller.directory(ExactText.bytes(of: cwd))))
        }
        request.set("signals", signals)
        request.set("start_timeout_ms", startTimeout?.json)
        if fromInside { request.set("from_inside", true) }
        let record = try server.connect().call("exec-replace", request.members, descriptors: request.descriptors)
        if server.json { try Output.json(record) }
    }

    private var base: EnvironmentBase? { envBase ?? (fromInside ? .caller : nil) }

    private func environment() -> JSONValue? {
        var members = base == .caller ? Environment.members() : []
        let changed = Set(unset + env.map(\.key))
        members.removeAll { changed.contains($0.0) }
        members += Set(unset).subtracting(env.map(\.key)).sorted().map { ($0, .null) }
        members += lastOfEachKey(env).map { ($0.key, ExactText.json($0.value)) }
        return members.isEmpty ? nil : .object(members: members)
    }

    private var signals: JSONValue? {
        if freshSignals { return "fresh" }
        if inheritSignals { return "inherit" }
        guard !ignoreSignal.isEmpty || !blockSignal.isEmpty else { return fromInside ? "inherit" : nil }
        return .object(["ignored": .array(ignoreSignal.map(\.json)), "blocked": .array(blockSignal.map(\.json))])
    }
}
