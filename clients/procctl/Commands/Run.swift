// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON

/// `procctl run`: as transparent as env(1).
struct Run: ConnectedCommand {
    static let name = "run"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Run a program as if it were called directly, its whole tree under the server's care.",
        discussion: """
            The program has this command's directory, environment, umask and ignored signals. On a terminal, in the \
            foreground, it gets a terminal of the server's that this one shows; anywhere else it has this command's \
            standard input, output and error themselves (--stdio). It is stopped when this command ends, however that \
            happens. HUP, INT, QUIT and TERM are sent on to the program's process group, USR1 and USR2 to the program \
            alone; ^Z stops both, CONT goes on. The escape key (^]) three times within a second leaves the program \
            running, see attach; twice and then ^Z stops both even if the program takes ^Z for itself.

            Exit status: the program's, 128+N for signal N, 124 after --timeout, 125 procctl itself failed (also a \
            wrong option), 126 the program cannot be executed, 127 it was not found; 0 when it was left running.
            With --json the record of its end goes to standard error: standard output is the program's.
            """)

    @Option(help: "auto (default), pty: a terminal of the server's, fds: 0, 1 and 2 as they are, or null.")
    var stdio: StdioWord = .auto

    @Option(help: ArgumentHelp("The key that leaves the program running, as ^], or none.", valueName: "key"))
    var escape: EscapeWord = .usual

    @OptionGroup(title: "The output of its terminal") var output: OutputRuleOptions
    @OptionGroup(title: "The program") var program: ProgramOptions
    @OptionGroup(title: "The process") var rules: RuleOptions
    @OptionGroup var server: ServerOptions

    @Argument(
        parsing: .captureForPassthrough, help: "The program and its arguments.", completion: .shellCommand("compgen -c")
    )
    var command: [String] = []

    enum StdioWord: String, ExpressibleByArgument, CaseIterable {
        case auto, pty, fds, null
    }

    mutating func validate() throws {
        let ownSession = program.session == nil || program.session == .new
        if stdio == .pty, !ownSession { throw ValidationError("A terminal needs a session of its own.") }
        command = try Passthrough.words(command, of: Self.self)
    }

    func run() throws {
        do {
            Glibc.exit(try perform())
        } catch {
            var failure = error
            if failure.status != Status.runFailed { failure.status = ExitStatus.ofStart(failure) }
            failure.report(asJSON: false)
            Glibc.exit(failure.status)
        }
    }

    private func perform() throws(Failure) -> CInt {
        var request = SpawnRequest()
        let hasTerminal = wantsTerminal
        try program.add(
            to: &request, argv: command, inherited: InheritedSignals(), hasTerminal: hasTerminal)
        if hasTerminal {
            request.set("pty", TerminalOptions.json())
        } else {
            for (name, number) in [("stdin", STDIN_FILENO), ("stdout", STDOUT_FILENO), ("stderr", STDERR_FILENO)] {
                let passed = stdio != .null && StandardDescriptors.wasOpen(number)
                request.set(name, passed ? try request.reference(to: number) : "null")
            }
        }
        request.set("output", hasTerminal ? output.jsonOfWatched : output.json)
        rules.add(to: &request)
        request.set("lifetime", "connection")
        let client = try server.connect()
        var session = try RunSession(
            client, request, ownGroup: program.session != .inherit, hasTerminal: hasTerminal)
        guard hasTerminal else {
            let record = try session.run()
            session.forget()
            return try status(of: record)
        }
        let (terminal, early) = try session.onTerminal(escape)
        switch try terminal.run(early: early) {
        case .exited(let record):
            RunSession.forget(terminal.process, client)
            return try status(of: record)
        case .detached:
            Output.complain("procctl: process \(terminal.process) goes on; procctl attach \(terminal.process)")
            return 0
        case .signal(let number): return 128 + number
        }
    }

    private var wantsTerminal: Bool {
        switch stdio {
        case .pty: true
        case .fds, .null: false
        case .auto: (program.session == nil || program.session == .new) && UserTerminal.isOurs()
        }
    }

    private func status(of record: JSONValue) throws(Failure) -> CInt {
        if server.json { try? Output.write(record.serialized + [UInt8(ascii: "\n")], to: STDERR_FILENO) }
        if record["reason"]?.string == "deadline" { return Status.timedOut }
        guard let status = ExitStatus.of(record) else { throw Failure("the server does not tell how it ended") }
        return status
    }
}

/// The words of a program's command line.
enum Passthrough {
    /// Drops the `--` before them. A word with a dash that no `--` has announced is an option of ours, and misspelt.
    static func words(
        _ captured: [String], of command: any ParsableCommand.Type, optional: Bool = false
    ) throws -> [String] {
        guard let first = captured.first else {
            if optional { return [] }
            throw ValidationError("Which program? Give it and its arguments after the options.")
        }
        if first == "-h" || first == "--help" { throw CleanExit.helpRequest(command) }
        if first == "--" {
            guard captured.count > 1 || optional else { throw ValidationError("There is no program after --.") }
            return Array(captured.dropFirst())
        }
        if first.hasPrefix("-"), first.count > 1 { throw ValidationError("Unknown option '\(first)'") }
        return captured
    }
}
