// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import Kernel
import Logging
import ProcessControl
import Server
import SystemPackage

/// Why the server cannot start.
struct StartFailure: Error {
    let message: String
    /// Another server listens there: for `--daemon` that is as good.
    var isServed = false
}

/// The server's life from its command line to its end.
@main
struct Procctld {
    static func main() {
        pk_memory_returns()
        switch Options.parse(Array(CommandLine.arguments.dropFirst())) {
        case .tell(let text): print(text, terminator: "")
        case .wrong(let reason):
            complain("\(reason)\nprocctld: see procctld --help")
            exit(64)
        case .run(var options):
            guard pk_close_range_unshare_works() else {
                complain("no close_range(2) here: Linux 5.10 or later is needed, and no filter that forbids the call")
                exit(1)
            }
            options.makePathsAbsolute()
            options.daemon ? runAsDaemon(options) : runInForeground(options)
        }
    }

    private static func complain(_ message: String) {
        let line = "procctld: \(message)\n"
        _ = write(2, line, line.utf8.count)
    }

    private static func runAsDaemon(_ options: Options) {
        let daemon: Daemon
        do throws(Errno) { daemon = try Daemon.detach(logFile: options.logFile) } catch {
            complain("cannot go to the background: \(error.text)")
            exit(1)
        }
        do throws(StartFailure) {
            let life = try ServerLife(options)
            daemon.listens()
            life.run()
        } catch {
            if error.isServed { daemon.listens() } else { daemon.failed(error.message) }
            exit(error.isServed ? 0 : 1)
        }
    }

    private static func runInForeground(_ options: Options) {
        do throws(StartFailure) {
            try StandardDescriptors.complete(logFile: options.logFile)
            try ServerLife(options).run()
        } catch {
            complain(error.message)
            exit(1)
        }
    }
}
