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
            Both come in the order in which the program wrote them, as near as the server knows it; bytes come out as \
            they are. What the server no longer has is told on standard error. With --json each piece is a line on \
            standard output: an answer of read, and of what is followed {process, stream, offset, text or base64, \
            next_offset}. When the process was spawned with --when-full block, reading its output makes room for more.
            """)

    @Argument(help: "Ids or names.", completion: .custom { _, _, _ in Candidates.processes() })
    var processes: [ProcessWord] = []

    @OptionGroup var options: LogOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
        if processes.isEmpty { throw ValidationError("Which process? Give an id or a name.") }
    }

    func run() throws {
        let client = try server.connect()
        let records = try processes.map { try client.call("get", [("process", $0.json)]) }
        let cursors = try records.map { try captured($0) }
        for cursor in cursors.flatMap({ $0 }) {
            cursor.offset = options.offset?.count ?? 0
            if let lines = options.lines { try cursor.seek(lines: lines, client) }
        }
        var sink = LogSink(records, options, asJSON: server.json)
        try LogHistory(client, timestamps: options.timestamps).drain(cursors.flatMap { $0 }, into: &sink)
        if options.follow { try follow(client, cursors, &sink) }
        try sink.finish()
    }

    /// The streams that were asked for and are captured.
    private func captured(_ record: JSONValue) throws(Failure) -> [LogCursor] {
        let wanted = options.stream.map { [$0] } ?? StreamName.allCases
        let found = wanted.compactMap { name in
            (record["streams"]?[name.rawValue]).flatMap { state in
                state["end"] == nil ? nil : LogCursor(process: record["id"] ?? .null, stream: name, state: state)
            }
        }
        guard found.isEmpty else { return found }
        let kinds = wanted.compactMap { name in
            (record["streams"]?[name.rawValue]?["kind"]?.string).map { "\(name.rawValue): \($0)" }
        }
        if kinds.isEmpty { throw Failure("it has no terminal") }
        throw Failure("nothing of it is captured", hint: kinds.joined(separator: ", "))
    }

    /// What comes from where reading has stopped, until nothing can come any more.
    private func follow(_ client: Client, _ cursors: [[LogCursor]], _ sink: inout LogSink) throws(Failure) {
        var followers: [OutputFollower] = []
        for cursors in cursors {
            let offsets = Dictionary(
                cursors.map { ($0.stream.rawValue, $0.offset) }, uniquingKeysWith: { first, _ in first })
            followers.append(
                try OutputFollower(client, process: cursors[0].process, offsets: offsets, events: ["drained"]))
        }
        let writesOutput = server.json || cursors.joined().contains { $0.stream != .stderr }
        let output = writesOutput ? STDOUT_FILENO : STDERR_FILENO
        while !followers.isEmpty {
            let message = try Reading.next(client, output: output)
            for (index, follower) in followers.enumerated() {
                guard let event = try follower.take(message) else { continue }
                switch event {
                case .output(let stream, let offset, let bytes):
                    try sink.take(
                        LogPiece(follower.process, stream, offset, .bytes(bytes), at: Clock.wallMilliseconds()))
                case .gap(let stream, let offset, let length):
                    try sink.take(LogPiece(follower.process, stream, offset, .gap(length), at: nil))
                case .happened: followers.remove(at: index)
                }
                break
            }
        }
    }
}
