// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl spawn`: start and leave.
struct Spawn: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "spawn",
        abstract: "Start a program and print its id.",
        discussion: """
            It lives on when this command has ended. Its output is kept by the server, see logs. The directory, the \
            environment and the umask are this command's own. Paths of --stdin, --stdout and --stderr are the \
            program's: they count from its directory.
            """)

    @OptionGroup(title: "The program") var program: ProgramOptions
    @OptionGroup(title: "Its streams") var streams: StreamOptions
    @OptionGroup(title: "Its terminal") var terminal: TerminalOptions
    @OptionGroup(title: "The process") var rules: RuleOptions

    @Option(
        help: ArgumentHelp(
            "detached (default), or lease:30s: stopped when nobody asks for it so long.", valueName: "lifetime"))
    var lifetime: LifetimeWord?

    @Flag(help: "Create it, and start the program only at exec-replace.")
    var hold = false

    @OptionGroup var server: ServerOptions

    @Argument(
        parsing: .captureForPassthrough, help: "The program and its arguments.", completion: .shellCommand("compgen -c")
    )
    var command: [String] = []

    mutating func validate() throws {
        command = try Passthrough.words(command, of: Self.self)
        if case .connection = lifetime {
            throw ValidationError("The connection of spawn ends with spawn: use run for a lifetime of \"connection\".")
        }
    }

    func run() throws {
        if terminal.pty, let session = program.session, session != .new {
            throw Failure("a terminal needs a session of its own: --session new", status: Status.usage)
        }
        var request = SpawnRequest()
        try program.add(to: &request, argv: command, inherited: nil, hasTerminal: terminal.pty)
        try streams.add(to: &request)
        request.set("pty", terminal.json)
        rules.add(to: &request)
        request.set("lifetime", lifetime?.json)
        if hold { request.set("hold", true) }
        let record = try server.connect().call("spawn", request.members, descriptors: request.descriptors)
        if server.json { return try Output.json(record) }
        try Output.line(record["id"]?.integer.map { String($0) } ?? "?")
    }
}
