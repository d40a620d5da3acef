// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON
import JSONRPC

/// `procctl logs`.
struct Logs: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract:
            "Print the captured output of a process: its stdout on standard output, its stderr on standard error.",
        discussion: """
            Bytes come out as the program wrote them. What the server no longer has is told on standard error. With \
            --json each answer of read is a line on standard output. When the process was spawned with --when-full \
            block, reading its output makes room for more.
            """)

    @Argument(help: "An id or a name.", completion: .custom { _, _, _ in Candidates.processes() })
    var process: ProcessWord

    @Flag(name: [.customShort("f"), .long], help: "Go on until the output ends.")
    var follow = false

    @Option(help: "Only stdout, or only stderr.")
    var stream: StreamName?

    @Option(
        name: [.customShort("n"), .long], help: ArgumentHelp("Only the last lines of each stream.", valueName: "count"))
    var lines: Int?

    @Option(help: ArgumentHelp("From this byte of each stream on (default 0).", valueName: "offset"))
    var offset: ByteCount?

    @OptionGroup var server: ServerOptions

    enum StreamName: String, ExpressibleByArgument, CaseIterable {
        case stdout, stderr

        var descriptor: CInt { self == .stdout ? STDOUT_FILENO : STDERR_FILENO }
    }

    func validate() throws {
        if let lines, lines < 0 { throw ValidationError("The number of lines is not below 0.") }
        if lines != nil, offset != nil { throw ValidationError("Give either --lines or --offset.") }
    }

    func run() throws {
        let client = try server.connect()
        let record = try client.call("get", [("process", process.json)])
        let cursors = try captured(record).map { LogCursor(process: record["id"] ?? .null, stream: $0, state: $1) }
        for cursor in cursors {
            cursor.offset = offset?.count ?? 0
            if let lines { try cursor.seek(lines: lines, client) }
        }
        let reader = LogReader(client, asJSON: server.json)
        if follow {
            try reader.follow(cursors)
        } else {
            for cursor in cursors { try reader.drain(cursor) }
        }
    }

    /// The streams that were asked for and are captured.
    private func captured(_ record: JSONValue) throws(Failure) -> [(StreamName, JSONValue)] {
        let wanted = stream.map { [$0] } ?? StreamName.allCases
        let found = wanted.compactMap { name in
            (record["streams"]?[name.rawValue]).flatMap { $0["kind"]?.string == "pipe" ? (name, $0) : nil }
        }
        guard found.isEmpty else { return found }
        let kinds = wanted.map { "\($0.rawValue): \(record["streams"]?[$0.rawValue]?["kind"]?.string ?? "?")" }
        throw Failure("nothing of it is captured", hint: kinds.joined(separator: ", "))
    }
}
