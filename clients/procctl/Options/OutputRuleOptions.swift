// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// How much captured output is kept, and what happens when that is full.
struct OutputRuleOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Bytes kept of each captured stream (default 1M).", valueName: "size"))
    var outputLimit: ByteCount?

    @Option(help: "discard-oldest (default), or block: the program waits for a reader.")
    var whenFull: WhenFullWord?

    /// Nil when neither is given.
    var json: JSONValue? {
        guard outputLimit != nil || whenFull != nil else { return nil }
        return .object(["limit": outputLimit?.json, "when_full": whenFull.map { .string($0.rawValue) }])
    }
}

enum WhenFullWord: String, ExpressibleByArgument, CaseIterable {
    case discardOldest = "discard-oldest"
    case block
}
