// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON
import Kernel

/// One process on the command line: all digits are an id, anything else is a name.
struct ProcessWord: ExpressibleByArgument {
    let text: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        text = argument
    }

    var json: JSONValue { numberOrText(text) }
}

/// A signal: a number, or a name with or without SIG, in any case.
struct SignalWord: ExpressibleByArgument {
    let json: JSONValue

    init?(argument: String) {
        if let number = Int64(argument) {
            guard (1...Int64(SignalName.maximum)).contains(number) else { return nil }
            json = .integer(number)
        } else {
            let name = argument.uppercased()
            guard SignalName.number(of: name) != nil else { return nil }
            json = .string(name)
        }
    }

    init(number: Int32) { json = .string(SignalName.name(of: number)) }

    static var defaultCompletionKind: CompletionKind {
        .list(["TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "STOP", "CONT", "WINCH", "ABRT", "ALRM", "PIPE"])
    }
}

/// A user or a group: digits are an id, anything else is a name.
struct AccountWord: ExpressibleByArgument {
    let json: JSONValue

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        json = numberOrText(argument)
    }
}

/// `KEY=VALUE`.
struct PairWord: ExpressibleByArgument {
    let key: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        key = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}

/// Labels as the wire has them; of a key given twice the last one holds.
func labelsJSON(_ pairs: [PairWord]) -> JSONValue {
    .object(members: lastOfEachKey(pairs).map { ($0.key, JSONValue.string($0.value)) })
}

/// A JSON object may not have a key twice: the last value wins, in the place of the first.
func lastOfEachKey(_ pairs: [PairWord]) -> [PairWord] {
    var result: [PairWord] = []
    for pair in pairs {
        if let index = result.firstIndex(where: { $0.key == pair.key }) {
            result[index] = pair
        } else {
            result.append(pair)
        }
    }
    return result
}

private func numberOrText(_ text: String) -> JSONValue {
    if text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = Int64(text) {
        return .integer(number)
    }
    return .string(text)
}
