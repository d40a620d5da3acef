// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// How much captured output is kept, and what happens when that is full.
struct OutputRuleOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Bytes kept of each captured stream (default 1M).", valueName: "size"))
    var outputLimit: ByteCount?

    @Option(help: "discard-oldest, block: the program waits for a reader, or block-while-followed: for followers only.")
    var whenFull: WhenFullWord?

    /// Nil when neither is given.
    var json: JSONValue? { json(whenFull: whenFull) }

    /// For a program that has somebody in front of it from the beginning: it waits for them, as for a terminal.
    var jsonOfWatched: JSONValue? { json(whenFull: whenFull ?? .blockWhileFollowed) }

    private func json(whenFull: WhenFullWord?) -> JSONValue? {
        guard outputLimit != nil || whenFull != nil else { return nil }
        return .object(["limit": outputLimit?.json, "when_full": whenFull.map { .string($0.rawValue) }])
    }
}

enum WhenFullWord: String, ExpressibleByArgument, CaseIterable {
    case discardOldest = "discard-oldest"
    case block
    case blockWhileFollowed = "block-while-followed"
}
