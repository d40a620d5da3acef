// SPDX-License-Identifier: Apache-2.0
import JSON

/// What happens to a process, in words.
enum EventText {
    /// "3 (web) started, pid 4711: sleep 1000".
    static func line(_ name: String, _ params: JSONValue) -> String {
        let record = params["record"] ?? .null
        let id = record["name"]?.string.map { "\(params["process"] ?? "?") (\($0))" } ?? "\(params["process"] ?? "?")"
        switch name {
        case "started":
            let pid = record["pid"]?.integer.map { ", pid \($0)" } ?? ""
            return "\(id) started\(pid): \(Escaped.command(record["argv"]?.elements ?? []))"
        case "exited": return "\(id) \(RecordText.how(record) ?? "exited")"
        case "drained": return "\(id) drained: its output has ended"
        case "stopped": return "\(id) stopped by \(params["signal_name"]?.string ?? "a signal")"
        case "replaced": return "\(id) replaced by \(Escaped.command(params["argv"]?.elements ?? []))"
        default: return "\(id) \(name)"
        }
    }
}
