// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import JSONRPC

/// A process's end as the status of a command.
enum ExitStatus {
    /// Its code, or 128 + the signal, as shells have it. Nil while it lives.
    static func of(_ record: JSONValue) -> CInt? {
        guard let exit = record["exit"] else { return nil }
        if let code = exit["code"]?.integer { return CInt(truncatingIfNeeded: code) }
        return exit["signal"]?.integer.map { 128 + CInt(truncatingIfNeeded: $0) }
    }

    /// A start that failed, as env(1) has it.
    static func ofStart(_ failure: Failure) -> CInt {
        guard let error = failure.answer, error.code == 3, error.data?["stage"]?.string == "exec" else {
            return Status.runFailed
        }
        switch error.data?["errno"]?.integer {
        case Int64(ENOENT): return Status.notFound
        case Int64(ETIMEDOUT): return Status.runFailed
        default: return Status.cannotExecute
        }
    }
}
