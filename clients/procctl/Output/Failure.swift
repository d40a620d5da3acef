// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import JSONRPC
import Kernel
import SystemPackage

/// The exit statuses of this command that are not a program's own.
enum Status {
    /// The server refused it, or it did not succeed.
    static let refused: CInt = 1
    /// The command line is wrong (EX_USAGE, sysexits.h).
    static let usage: CInt = 64
    /// No server, or none that may be trusted (EX_UNAVAILABLE).
    static let noServer: CInt = 69
    /// As timeout(1).
    static let timedOut: CInt = 124
    /// As env(1) and timeout(1): they themselves failed, the program cannot be executed, it was not found.
    static let runFailed: CInt = 125
    static let cannotExecute: CInt = 126
    static let notFound: CInt = 127
    /// What a shell shows of a filter whose reader has gone.
    static let brokenPipe: CInt = 128 + SIGPIPE
}

/// Why a command ends without success: one line, perhaps a hint, and a status.
struct Failure: Error {
    var message: String
    var hint: String?
    var status: CInt
    /// What the server answered.
    var answer: RPCError?

    init(_ message: String, hint: String? = nil, status: CInt = Status.refused) {
        self.message = message
        self.hint = hint
        self.status = status
    }

    init(_ message: String, _ errno: Errno, hint: String? = nil, status: CInt = Status.refused) {
        self.init("\(message): \(errno.text)", hint: hint, status: status)
    }

    init(_ error: RPCError) {
        let text = ErrorText(error)
        self.init(text.message, hint: text.hint)
        answer = error
    }

    /// `procctl: message (hint)` on standard error; with `--json` the server's own words on standard output too.
    func report(asJSON: Bool) {
        if asJSON, let answer { try? Output.json(.object(["error": answer.json])) }
        let line = "procctl: \(message)" + (hint.map { " (\($0))" } ?? "")
        Output.complain(line)
    }
}
