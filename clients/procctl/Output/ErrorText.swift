// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import JSONRPC
import Kernel
import SystemPackage

/// The server's error in the words of a command line, with what to do about it.
struct ErrorText {
    let message: String
    let hint: String?

    init(_ error: RPCError) {
        message = Self.startFailure(error) ?? error.message
        hint = Self.hint(error)
    }

    /// Codes 3 and 4: what failed comes first, as in any message of the system.
    private static func startFailure(_ error: RPCError) -> String? {
        guard error.code == 3 || error.code == 4, let number = error.data?["errno"]?.integer else { return nil }
        let reason = Errno(rawValue: CInt(truncatingIfNeeded: number)).text
        let path = error.data?["path"].flatMap { $0.kind == .null ? nil : Escaped.name(Escaped.bytes(of: $0)) }
        let stage = error.data?["stage"]?.string ?? "start"
        if stage == "exec", let path { return "\(path): \(reason)" }
        return "cannot start, \(stage)" + (path.map { " \($0)" } ?? "") + ": \(reason)"
    }

    private static func hint(_ error: RPCError) -> String? {
        let data = error.data
        switch error.code {
        case 1 where data?["reason"]?.string == "forgotten": return "its record is gone; released, or crowded out"
        case 1: return "\"procctl ps\" shows those there are"
        case 3, 4: return startHint(data)
        case 6 where data?["state"]?.string == "running": return "\"procctl stop\" ends it"
        case 7: return data?["process"]?.integer.map { "process \($0) has it until it exits" }
        case 8: return data?["limit"]?.string.map { "the limit is \($0), see \"procctl info\"" }
        case -32601: return "\"procctl schema\" shows the methods there are"
        default: return nil
        }
    }

    private static func startHint(_ data: JSONValue?) -> String? {
        guard let number = data?["errno"]?.integer, data?["stage"]?.string == "exec" else { return nil }
        let path = data?["path"].map { Escaped.bytes(of: $0) } ?? []
        switch CInt(truncatingIfNeeded: number) {
        case ENOENT where path.contains(UInt8(ascii: "/")) && exists(path):
            return "the file is there: what its first line or its loader names is missing"
        case ENOEXEC: return "no program for this machine; a script needs a first line #!"
        case ETIMEDOUT: return "its start hung; see --start-timeout"
        default: return nil
        }
    }

    private static func exists(_ path: [UInt8]) -> Bool {
        CString.with(path) { access($0, F_OK) == 0 }
    }
}
