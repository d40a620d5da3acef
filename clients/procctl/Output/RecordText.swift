// SPDX-License-Identifier: Apache-2.0
import JSON

/// A process's record in words.
enum RecordText {
    /// "3" or "SIGTERM", with what brought it about when that was not the program; nil while it lives.
    static func exit(_ record: JSONValue) -> String? {
        guard let exit = record["exit"], exit.kind == .object else { return nil }
        if let code = exit["code"]?.integer { return String(code) }
        let name = exit["signal_name"]?.string ?? exit["signal"]?.description ?? "?"
        return name + (exit["core"]?.boolean == true ? "+core" : "")
    }

    /// "3 (web) exited with code 7".
    static func ending(_ record: JSONValue) -> String {
        label(record) + " " + (how(record) ?? "has not exited")
    }

    /// "exited with code 7", "was ended by SIGTERM, core dumped (deadline)".
    static func how(_ record: JSONValue) -> String? {
        guard let exit = record["exit"], exit.kind == .object else { return nil }
        let reason = record["reason"]?.string ?? ""
        let why = ["exited", "signalled", ""].contains(reason) ? "" : " (\(reason))"
        if let code = exit["code"]?.integer { return "exited with code \(code)\(why)" }
        let name = exit["signal_name"]?.string ?? "a signal"
        return "was ended by \(name)" + (exit["core"]?.boolean == true ? ", core dumped" : "") + why
    }

    private static func label(_ record: JSONValue) -> String {
        let id = record["id"]?.description ?? "?"
        return record["name"]?.string.map { "\(id) (\($0))" } ?? id
    }
}

/// What a kill did, in words.
enum KillText {
    /// "3: SIGTERM to 2 (4711 4712), found by cgroup, exact; nothing is left, exited with code 7".
    static func line(_ entry: JSONValue) -> String {
        let id = entry["process"]?.description ?? "?"
        if entry["already_exited"]?.boolean == true {
            return "\(id): already exited" + (RecordText.exit(entry).map { ", \($0)" } ?? "")
        }
        let pids = numbers(entry["signalled"])
        var text = "\(id): \(entry["signal_name"]?.string ?? "signal") to "
        text += pids.isEmpty ? "nobody" : pids.joined(separator: " ")
        text += ", found by \(entry["method"]?.string ?? "?")"
        text += entry["exact"]?.boolean == true ? "" : " (best effort)"
        if let survivors = entry["survivors"], survivors.kind == .array {
            text += survivors.count == 0 ? "; nothing is left" : "; left: " + numbers(survivors).joined(separator: " ")
        }
        if let how = RecordText.how(entry) { text += "; it " + how }
        return text
    }

    private static func numbers(_ value: JSONValue?) -> [String] {
        (value?.elements ?? []).map(\.description)
    }
}
