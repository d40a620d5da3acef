// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import Kernel
import SystemPackage

/// `procctl serve`: becomes the server.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the server in the foreground: becomes procctld with the same arguments.",
        discussion: "See \"procctl serve -- --help\" for them.")

    @Argument(parsing: .captureForPassthrough, help: "Arguments of procctld.")
    var arguments: [String] = []

    func validate() throws {
        if let first = arguments.first, ["-h", "--help"].contains(first) { throw CleanExit.helpRequest(Self.self) }
    }

    func run() throws {
        let program = ServerProgram.find()
        let words = [program] + (arguments.first == "--" ? Array(arguments.dropFirst()) : arguments)
        var argv = words.map { CString.with(ExactText.bytes(of: $0)) { strdup($0) } } + [nil]
        execvp(program, &argv)
        throw Failure(
            "cannot run \(program)", Errno(rawValue: errno), hint: "set PROCCTLD to the path of procctld",
            status: Status.noServer)
    }
}
