// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON

/// `procctl attach`.
struct Attach: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach",
        abstract: "Take a seat at the terminal of a process: see what it shows, type into it.",
        discussion: """
            First comes what the server still has of its output (at most 256 KiB unless --since-offset says more), less \
            what would make this terminal answer. Its terminal takes the size of this one. Several may be attached. \
            The escape key (^]) three times within a second leaves, the process goes on; twice and then ^Z stops this \
            command. TERM, HUP, INT and QUIT sent to this command end it, and not the process.

            Exit status: the process's own when it ends meanwhile (128+N for signal N), 0 after the escape key.
            """)

    @Argument(help: "An id or a name.", completion: .custom { _, _, _ in Candidates.processes() })
    var process: ProcessWord

    @Flag(help: "Show nothing of what came before.")
    var noReplay = false

    @Flag(help: "Only look: keys other than the escape key do nothing, and its terminal keeps its size.")
    var readOnly = false

    @Option(help: ArgumentHelp("Show its output from this byte on.", valueName: "offset"))
    var sinceOffset: ByteCount?

    @Option(help: ArgumentHelp("The key that leaves, as ^], or none.", valueName: "key"))
    var escape: EscapeWord = .usual

    @OptionGroup var server: ServerOptions

    private static let usualReplay: Int64 = 262_144

    func validate() throws {
        if noReplay, sinceOffset != nil { throw ValidationError("Give either --no-replay or --since-offset.") }
    }

    func run() throws {
        let signals = try SignalForwarding()
        let client = try server.connect()
        let record = try client.call("get", [("process", process.json)])
        guard let terminal = record["streams"]?["terminal"], terminal.kind == .object else {
            throw Failure("it has no terminal", hint: "spawn --pty gives one; \"procctl logs -f\" shows other output")
        }
        let session = try TerminalSession(
            client, readOnly ? .watch : .attach, record: record, offset: beginning(of: terminal), signals: signals,
            escape: escape)
        switch try session.run() {
        case .exited(let record):
            if server.json { try Output.write(record.serialized + [UInt8(ascii: "\n")], to: STDERR_FILENO) }
            Glibc.exit(ExitStatus.of(record) ?? Status.refused)
        case .detached: Glibc.exit(0)
        case .signal(let number): Glibc.exit(128 + number)
        }
    }

    private func beginning(of terminal: JSONValue) -> Int64 {
        let end = terminal["end"]?.integer ?? 0
        if noReplay { return end }
        let start = terminal["start"]?.integer ?? 0
        // An offset that is gone is told as a gap; what nobody asked for is not.
        return sinceOffset?.count ?? max(start, end - Self.usualReplay)
    }
}
