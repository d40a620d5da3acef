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
            The program has this command's standard input, output and error, directory, environment, umask and ignored \
            signals. It is stopped when this command ends, however that happens. HUP, INT, QUIT, TERM and WINCH are \
            sent on to the program's process group, USR1 and USR2 to the program alone; ^Z stops both, CONT goes on.

            Exit status: the program's, 128+N for signal N, 124 after --timeout, 125 procctl itself failed (also a \
            wrong option), 126 the program cannot be executed, 127 it was not found.
            With --json the record of its end goes to standard error: standard output is the program's.
            """)

    @OptionGroup(title: "The program") var program: ProgramOptions
    @OptionGroup(title: "The process") var rules: RuleOptions
    @OptionGroup var server: ServerOptions

    @Argument(
        parsing: .captureForPassthrough, help: "The program and its arguments.", completion: .shellCommand("compgen -c")
    )
    var command: [String] = []

    mutating func validate() throws {
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
        try program.add(to: &request, argv: command, inherited: InheritedSignals())
        for (name, number) in [("stdin", STDIN_FILENO), ("stdout", STDOUT_FILENO), ("stderr", STDERR_FILENO)] {
            request.set(name, StandardDescriptors.wasOpen(number) ? try request.reference(to: number) : "null")
        }
        rules.add(to: &request)
        request.set("lifetime", "connection")
        var session = try RunSession(try server.connect(), request, ownGroup: program.session != .inherit)
        let record = try session.run()
        session.forget()
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
