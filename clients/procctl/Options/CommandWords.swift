// SPDX-License-Identifier: Apache-2.0

/// What the words of a command line are before ArgumentParser sees them.
enum CommandWords {
    /// The subcommand, the first word that is no option.
    static func subcommand(of words: [String]) -> String? {
        words.first { !$0.hasPrefix("-") }
    }

    /// What people write, as ArgumentParser can read it.
    static func rewritten(_ words: [String]) -> [String] {
        switch words.first {
        case Kill.name: withSignalOption(words)
        case ExecReplace.name, ExecReplace.alias: withProcessOption(words)
        default: words
        }
    }

    /// `exec-replace web --env A=1 -- program`: a word that is no option would end the options.
    private static func withProcessOption(_ words: [String]) -> [String] {
        guard words.count > 1, !words[1].hasPrefix("-") else { return words }
        return [words[0], "--process=\(words[1])"] + words[2...]
    }

    /// `kill -9 3` and `kill -TERM 3`, as kill(1) has taught everybody, become `kill -s 9 3`.
    private static func withSignalOption(_ words: [String]) -> [String] {
        var result: [String] = []
        for (index, word) in words.enumerated() {
            if word == "--" { return result + words[index...] }
            if index > 0, words[index - 1] != "-s", let signal = oldStyleSignal(word) {
                result += ["-s", signal]
            } else {
                result.append(word)
            }
        }
        return result
    }

    private static func oldStyleSignal(_ word: String) -> String? {
        guard word.count >= 2, word.hasPrefix("-"), !word.hasPrefix("--") else { return nil }
        let signal = String(word.dropFirst())
        let allowed = signal.utf8.allSatisfy {
            (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-")
        }
        return allowed ? signal : nil
    }
}
