// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON

/// Where the three streams of a spawned program go.
struct StreamOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "null (default), pipe (see write), inherit, fd:N, or a file.", valueName: "null|pipe|inherit|fd:N|path"),
        completion: .file())
    var stdin: StreamWord?

    @Option(
        help: ArgumentHelp(
            "pipe (default: kept for logs), null, inherit, fd:N, or a file; append:path, new:path.",
            valueName: "pipe|null|inherit|fd:N|path"),
        completion: .file())
    var stdout: StreamWord?

    @Option(
        help: ArgumentHelp("As --stdout.", valueName: "pipe|null|inherit|fd:N|path"), completion: .file())
    var stderr: StreamWord?

    @Flag(help: "Standard error goes where standard output goes, in order.")
    var mergeStderr = false

    @OptionGroup var output: OutputRuleOptions

    func validate() throws {
        if mergeStderr, stderr != nil { throw ValidationError("Give either --stderr or --merge-stderr.") }
        if case .file(_, .some) = stdin { throw ValidationError("--stdin takes a plain path.") }
    }

    func add(to request: inout SpawnRequest) throws(Failure) {
        request.set("stdin", try stdin?.json(STDIN_FILENO, &request))
        request.set("stdout", try stdout?.json(STDOUT_FILENO, &request))
        request.set("stderr", mergeStderr ? "stdout" : try stderr?.json(STDERR_FILENO, &request))
        request.set("output", output.json)
    }
}

/// One stream. A path called "null" or "pipe" is written ./null.
enum StreamWord: ExpressibleByArgument {
    case pipe, null, inherit
    case descriptor(CInt)
    case file(String, mode: String?)

    init?(argument: String) {
        switch argument {
        case "": return nil
        case "pipe": self = .pipe
        case "null": self = .null
        case "inherit": self = .inherit
        case let word where word.hasPrefix("fd:"):
            guard let number = CInt(word.dropFirst(3)), number >= 0 else { return nil }
            self = .descriptor(number)
        case let word where word.hasPrefix("append:"): self = .file(String(word.dropFirst(7)), mode: "append")
        case let word where word.hasPrefix("new:"): self = .file(String(word.dropFirst(4)), mode: "create-new")
        default: self = .file(argument, mode: nil)
        }
    }

    func json(_ ours: CInt, _ request: inout SpawnRequest) throws(Failure) -> JSONValue {
        switch self {
        case .pipe: return "pipe"
        case .null: return "null"
        case .inherit: return StandardDescriptors.wasOpen(ours) ? try request.reference(to: ours) : "null"
        case .descriptor(let number): return try request.reference(to: number)
        case .file(let path, let mode):
            return .object(["file": ExactText.json(path), "mode": mode.map { .string($0) }])
        }
    }
}
