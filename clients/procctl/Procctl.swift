// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// The command line of procctl: parse, perform, end with a documented status.
///
/// Every subcommand names itself: ArgumentParser would ask the runtime for each one, a fifth of the time of a `ping`.
@main
struct Procctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "procctl",
        abstract: "Start programs under the care of a process-control server, wait for them, stop them, read them.",
        discussion: """
            The server is started when none listens (--no-autostart or $PROCCTL_NO_AUTOSTART=1 turn that off).
            A PROCESS is an id, as spawn prints it, or a name. Durations: 500ms, 2s, 1.5m, 1h; a bare number is seconds.

            Exit status: 0 done · 1 the server refused it or it failed · 64 usage · 69 no server · 124 timed out;
            wait: the program's own · run: the program's own, 128+N for signal N, 125 procctl itself failed, \
            126 the program cannot be executed, 127 the program was not found · attach: the program's own.

            With --json standard output holds one JSON document and nothing else; a refusal is {"error": {...}}.
            Completions: procctl --generate-completion-script bash|zsh|fish
            """,
        version: Version.text,
        groupedSubcommands: [
            CommandGroup(name: "Start", subcommands: [Run.self, Spawn.self, ExecReplace.self, Attach.self]),
            CommandGroup(name: "End", subcommands: [Wait.self, Kill.self, Stop.self, Release.self]),
            CommandGroup(name: "Look", subcommands: [Ps.self, Inspect.self, Logs.self, Events.self]),
            CommandGroup(name: "Change", subcommands: [Write.self, Resize.self, Update.self]),
            CommandGroup(
                name: "Server",
                subcommands: [Ping.self, Info.self, Serve.self, Shutdown.self, Call.self, Schema.self]),
        ])

    static func main() {
        StandardDescriptors.fillHoles()
        // The Swift runtime takes ^\ for a crash: it would print a backtrace and go on.
        if !Caller.isIgnored(SIGQUIT) { signal(SIGQUIT, SIG_DFL) }
        let arguments = CommandWords.rewritten(ExactText.commandLine())
        do {
            var command = try parseAsRoot(arguments)
            do {
                try command.run()
            } catch let failure as Failure {
                failure.report(asJSON: (command as? any ConnectedCommand)?.server.json ?? false)
                Glibc.exit(failure.status)
            }
        } catch {
            leave(with: error, words: arguments)
        }
        Glibc.exit(0)
    }

    /// What ArgumentParser throws: help and versions asked for, completion scripts, and usage errors, which are
    /// one line of ours instead of its three.
    private static func leave(with error: any Error, words: [String]) -> Never {
        let code = exitCode(for: error)
        guard code == .validationFailure else { exit(withError: error) }
        usageFailure(message(for: error), words: words).report(asJSON: false)
        // env(1) and timeout(1): 125 keeps a mistake in our options apart from whatever the program may return.
        Glibc.exit(CommandWords.subcommand(of: words) == Run.name ? Status.runFailed : Status.usage)
    }

    private static func usageFailure(_ message: String, words: [String]) -> Failure {
        let command = CommandWords.subcommand(of: words) ?? ""
        guard let known = subcommand(named: command) else {
            let text = command.isEmpty ? message : "there is no command '\(command)'"
            return Failure(text, hint: "see procctl --help", status: Status.usage)
        }
        var lines = message.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: " ")
        if lines.hasSuffix(".") { lines.removeLast() }
        return Failure(lines, hint: "see procctl \(known) --help", status: Status.usage)
    }

    /// The full name of a subcommand or of its alias.
    private static func subcommand(named name: String) -> String? {
        let all = configuration.groupedSubcommands.flatMap(\.subcommands)
        return all.first { $0._commandName == name || $0.configuration.aliases.contains(name) }?._commandName
    }
}

/// A command that talks to the server.
protocol ConnectedCommand: ParsableCommand {
    var server: ServerOptions { get }
}
