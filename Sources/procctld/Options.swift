// SPDX-License-Identifier: Apache-2.0
import Logging
import ProcessControl
import Server

/// The command line of `procctld`. A dozen lines of parsing keep ArgumentParser, and the Foundation it brings, out of
/// a server that is to stay small.
struct Options {
    var socket: String?
    var logLevel = Logger.Level.notice
    var logFile: String?
    var daemon = false
    var idleExit: Int64?
    var limits = Limits()

    enum Outcome {
        case run(Options)
        /// `--help` or `--version`: what to print.
        case tell(String)
        /// What is wrong.
        case wrong(String)
    }

    static let usage = """
        usage: procctld [options]

        Serves spawn, exec-replace, wait and kill as JSON-RPC 2.0 on a Unix socket.

          --socket PATH            where to listen (default: $PROCCTL_SOCKET, else
                                   $XDG_RUNTIME_DIR/procctl/socket, else /run/procctl/socket
                                   for root and /tmp/procctl-UID/socket for others)
          --daemon                 go to the background; returns when the server listens,
                                   or when another one does already
          --idle-exit-ms N         end after N ms without connections, living processes and
                                   young unreleased records
          --stop-timeout-ms N      at the end, kill what its stop rule has not ended after
                                   N ms (default 30000)
          --log-level LEVEL        trace, debug, info, notice, warning, error or critical
                                   (default notice)
          --log-file PATH          append the log there instead of writing it to stderr
          --version                print the version
          --help                   print this

        Signals: TERM, INT and HUP stop every process by its stop rule and end the server;
        a second one kills at once. Exit codes: 0 ended as asked, 1 failed, 64 usage.

        """

    static func parse(_ arguments: [String]) -> Outcome {
        var options = Options()
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let given = parts.count == 2 ? parts[1] : nil
            switch parts[0] {
            case "--help", "-h": return .tell(usage)
            case "--version": return .tell("procctld \(Server.version)\n")
            case "--daemon" where given == nil: options.daemon = true
            case "--socket", "--log-level", "--log-file", "--idle-exit-ms", "--stop-timeout-ms":
                guard let value = given ?? rest.popFirst() else { return .wrong("\(parts[0]) needs a value") }
                if let wrong = options.set(parts[0], value) { return .wrong(wrong) }
            default: return .wrong("unknown argument: \(word)")
            }
        }
        return .run(options)
    }

    private mutating func set(_ name: String, _ value: String) -> String? {
        switch name {
        case "--socket":
            if value.isEmpty { return "--socket needs a path" }
            socket = value
        case "--log-file": logFile = value
        case "--log-level":
            guard let level = Logger.Level(rawValue: value) else {
                return "--log-level: not a level: \(value)"
            }
            logLevel = level
        default:
            guard let number = Int64(value), number >= 0 else {
                return "\(name) needs a number of milliseconds, not \"\(value)\""
            }
            if name == "--idle-exit-ms" { idleExit = number } else { limits.shutdownGrace = number }
        }
        return nil
    }
}
