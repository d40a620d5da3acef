// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON

/// Where pieces of logs go: out as they are, or line by line with something before each.
struct LogSink {
    private struct Line {
        var bytes: [UInt8] = []
        var at: Int64?
    }

    private struct Key: Hashable {
        let process: Int64
        let stream: String
    }

    private let asJSON: Bool
    private let timestamps: Bool
    private let colours: Bool
    /// What stands before the lines of a process; nil: nothing.
    private let prefixes: [Int64: String]?
    private let isScreen: Bool
    private var begun: [Key: Line] = [:]
    private var filters: [Key: QueryFilter] = [:]
    private var modes = ScreenModes()

    /// A line longer than this is cut.
    private static let most = 65_536

    init(_ records: [JSONValue], _ options: LogOptions, asJSON: Bool) {
        self.asJSON = asJSON
        timestamps = options.timestamps
        isScreen = isatty(STDOUT_FILENO) == 1
        let term = Environment.value("TERM") ?? ""
        let plain = !(Environment.value("NO_COLOR") ?? "").isEmpty || term.isEmpty || term == "dumb"
        colours = isScreen && !plain
        guard options.prefix ?? (records.count > 1 && isScreen) else {
            prefixes = nil
            return
        }
        let names = records.map { $0["name"]?.string ?? $0["id"]?.description ?? "?" }
        let width = names.map { DisplayWidth.of($0) }.max() ?? 0
        prefixes = Dictionary(
            zip(records, names).map { record, name in
                (record["id"]?.integer ?? 0, name + String(repeating: " ", count: width - DisplayWidth.of(name)))
            }, uniquingKeysWith: { first, _ in first })
    }

    mutating func take(_ piece: LogPiece) throws(Failure) {
        if asJSON { return try writeJSON(piece) }
        switch piece.content {
        case .gap(let length):
            try endLine(of: piece)
            Output.complain("procctl: " + StreamData.gap(piece.stream, offset: piece.offset, length: length))
        case .bytes(let bytes):
            let descriptor = StreamName(rawValue: piece.stream)?.descriptor ?? STDOUT_FILENO
            if prefixes == nil, !timestamps {
                try Output.write(harmless(bytes, piece), to: descriptor)
            } else {
                try writeLines(bytes, piece, descriptor)
            }
        }
    }

    /// What has begun and not ended comes out as a line of its own.
    mutating func finish() throws(Failure) {
        for (key, line) in begun.sorted(by: { ($0.key.process, $0.key.stream) < ($1.key.process, $1.key.stream) }) {
            try write(line, key)
        }
        begun = [:]
        if isScreen { try Output.write(modes.leave) }
    }

    private func writeJSON(_ piece: LogPiece) throws(Failure) {
        var value = piece.answer
        if value == nil, piece.order == 0 {
            var members: [(String, JSONValue)] = [
                ("process", piece.process), ("stream", .string(piece.stream)), ("offset", .integer(piece.offset)),
            ]
            switch piece.content {
            case .gap(let length):
                members.append(("gap", ["offset": .integer(piece.offset), "length": .integer(length)]))
                members.append(("next_offset", .integer(piece.offset + length)))
            case .bytes(let bytes):
                let data = JSONValue.bytes(bytes)
                members.append(data.string == nil ? ("base64", data["base64"] ?? .null) : ("text", data))
                members.append(("next_offset", .integer(piece.offset + Int64(bytes.count))))
            }
            value = .object(members: members)
        }
        // The other pieces of an answer went with its first.
        if let value { try Output.write(value.serialized + [UInt8(ascii: "\n")]) }
    }

    /// On a screen, the output of a terminal without what would make the screen answer: nobody waits for that.
    private mutating func harmless(_ bytes: [UInt8], _ piece: LogPiece) -> [UInt8] {
        guard isScreen, piece.stream == StreamName.terminal.rawValue else { return bytes }
        let shown = filters[key(piece), default: QueryFilter()].filtered(bytes)
        modes.note(shown)
        return shown
    }

    // MARK: Lines

    private func key(_ piece: LogPiece) -> Key { Key(process: piece.process.integer ?? 0, stream: piece.stream) }

    private mutating func writeLines(_ bytes: [UInt8], _ piece: LogPiece, _ descriptor: CInt) throws(Failure) {
        let key = key(piece)
        var line = begun.removeValue(forKey: key) ?? Line()
        var rest = bytes[...]
        while !rest.isEmpty {
            if line.bytes.isEmpty { line.at = piece.at }
            let end = rest.firstIndex(of: UInt8(ascii: "\n"))
            line.bytes += rest[..<(end ?? rest.endIndex)]
            rest = end.map { rest[($0 + 1)...] } ?? []
            if end != nil || line.bytes.count >= Self.most {
                try write(line, key)
                line = Line()
            } else {
                begun[key] = line
            }
        }
    }

    private mutating func endLine(of piece: LogPiece) throws(Failure) {
        if let line = begun.removeValue(forKey: key(piece)) { try write(line, key(piece)) }
    }

    private func write(_ line: Line, _ key: Key) throws(Failure) {
        var head = ""
        if timestamps { head += (line.at.map(TimeText.precise) ?? String(repeating: "-", count: 23)) + " " }
        if let name = prefixes?[key.process] {
            let mark = key.stream == StreamName.stderr.rawValue ? "!" : "|"
            // Cyan, green, yellow, blue, magenta: red is for what goes wrong.
            let colour = [36, 32, 33, 34, 35][Int(key.process % 5)]
            let shade = mark == "!" ? 31 : colour
            head += colours ? "\u{1B}[\(shade)m\(name) \(mark)\u{1B}[m " : "\(name) \(mark) "
        }
        let descriptor = StreamName(rawValue: key.stream)?.descriptor ?? STDOUT_FILENO
        try Output.write(Array(head.utf8) + line.bytes + [UInt8(ascii: "\n")], to: descriptor)
    }
}
