// SPDX-License-Identifier: Apache-2.0
import JSON

/// A process for people who want to know all of it.
struct InspectionText {
    private var lines: [(String, String)] = []
    private var members = ""

    var text: String { Self.aligned(lines) + members }

    /// Names in one column, values in the other.
    static func aligned(_ lines: [(String, String)]) -> String {
        let width = lines.map { DisplayWidth.of($0.0) }.max() ?? 0
        return lines.map { name, value in
            name + String(repeating: " ", count: width - DisplayWidth.of(name) + 2) + value + "\n"
        }.joined()
    }

    init(_ record: JSONValue) {
        let now = Clock.wallMilliseconds()
        add("id", record["id"]?.description)
        add("name", record["name"]?.string)
        add("state", state(record))
        add("command", Escaped.command(record["argv"]?.elements ?? []))
        add("directory", record["cwd"].flatMap { $0.kind == .null ? nil : Escaped.text(Escaped.bytes(of: $0)) })
        for (key, value) in record["labels"]?.members ?? [] {
            add("label", Escaped.text("\(key)=\(value.string ?? "")".utf8))
        }
        for name in ["started", "replaced", "exited", "drained"] {
            add(name, record["\(name)_at"]?.integer.map { "\(TimeText.instant($0)), \(TimeText.span(now - $0)) ago" })
        }
        add("deadline", record["deadline_at"]?.integer.map { "\(TimeText.instant($0)), in \(TimeText.span($0 - now))" })
        add("exit", RecordText.how(record))
        add("usage", usage(record["usage"]))
        add("stdin", input(record["streams"]?["stdin"]))
        for name in ["stdout", "stderr", "terminal"] {
            add(name, stream(record["streams"]?[name], holders: record["holders"]?[name]))
        }
        add("lifetime", lifetime(record["lifetime"]))
        add("owner", record["owner"].map { "uid \($0["uid"] ?? "?"), gid \($0["gid"] ?? "?")" })
        add("session", record["session"]?.integer.map { String($0) })
        add("generation", record["generation"]?.description)
        add("containment", record["containment"]?.string)
        add("instance", record["instance"]?.string)
        members = Self.table(record["members"]?.elements ?? [])
    }

    private mutating func add(_ name: String, _ value: String?) {
        if let value { lines.append((name, value)) }
    }

    private func state(_ record: JSONValue) -> String {
        let pid = record["pid"]?.integer.map { ", pid \($0)" } ?? ""
        return (record["state"]?.string ?? "?") + pid
    }

    private func lifetime(_ value: JSONValue?) -> String? {
        value?.string ?? value?["lease_ms"]?.integer.map { "lease of \(TimeText.span($0))" }
    }

    private func usage(_ usage: JSONValue?) -> String? {
        guard let usage, usage.kind == .object else { return nil }
        func number(_ name: String) -> Int64 { usage[name]?.integer ?? 0 }
        return "user \(TimeText.seconds(number("user_us"))), system \(TimeText.seconds(number("system_us"))), "
            + "at most \(number("max_rss_kib")) KiB resident"
    }

    private func input(_ stream: JSONValue?) -> String? {
        guard let kind = stream?["kind"]?.string, let accepted = stream?["accepted"], let written = stream?["written"]
        else {
            return stream?["kind"]?.string
        }
        return "\(kind), \(accepted) bytes accepted, \(written) of them written, "
            + (stream?["closed"]?.boolean == true ? "closed" : "open")
    }

    private func stream(_ stream: JSONValue?, holders: JSONValue?) -> String? {
        guard let kind = stream?["kind"]?.string else { return nil }
        guard let start = stream?["start"]?.integer, let end = stream?["end"]?.integer else {
            return kind
        }
        let pids = (holders?.elements ?? []).map(\.description).joined(separator: " ")
        let size = stream?["rows"].map { "\($0) rows, \(stream?["cols"] ?? "?") columns, " } ?? "captured, "
        return size + "bytes \(start) to \(end), " + (stream?["open"]?.boolean == true ? "open" : "ended")
            + (pids.isEmpty ? "" : ", held by \(pids)")
    }

    private static func table(_ members: [JSONValue]) -> String {
        guard !members.isEmpty else { return "" }
        var table = Table(
            columns: [.right("PID"), .right("PPID"), .left("S"), .right("CPU"), .right("RSS"), .left("NAME")])
        for member in members {
            table.add([
                member["pid"]?.description ?? "?", member["ppid"]?.description ?? "?", member["state"]?.string ?? "?",
                TimeText.seconds(member["cpu_us"]?.integer ?? 0), "\(member["rss_kib"]?.integer ?? 0)K",
                member["command"].map { Escaped.text(Escaped.bytes(of: $0)) } ?? "?",
            ])
        }
        return "\n" + table.text(width: Terminal.width())
    }
}
