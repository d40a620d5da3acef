// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON

/// A captured stream.
enum StreamName: String, ExpressibleByArgument, CaseIterable {
    case stdout, stderr, terminal

    /// Where it comes out here.
    var descriptor: CInt { self == .stderr ? STDERR_FILENO : STDOUT_FILENO }
}

/// Which part of captured output, and what stands before its lines.
struct LogOptions: ParsableArguments {
    @Flag(name: [.customShort("f"), .long], help: "Go on until the output ends.")
    var follow = false

    @Option(help: "Only this stream: stdout, stderr or terminal.")
    var stream: StreamName?

    @Option(
        name: [.customShort("n"), .long, .customLong("tail")],
        help: ArgumentHelp("Only the last lines of each stream.", valueName: "count"))
    var lines: Int?

    @Option(
        name: [.long, .customLong("since-offset")],
        help: ArgumentHelp("From this byte of each stream on (default 0).", valueName: "offset"))
    var offset: ByteCount?

    @Flag(name: [.customShort("t"), .long], help: "Before each line when it came, as far as the server knows.")
    var timestamps = false

    @Flag(
        inversion: .prefixedNo,
        help: "Before each line whose it is (default: of several processes, on a terminal).")
    var prefix: Bool?

    func validate() throws {
        if let lines, lines < 0 { throw ValidationError("The number of lines is not below 0.") }
        if lines != nil, offset != nil { throw ValidationError("Give either --lines or --offset.") }
    }
}
