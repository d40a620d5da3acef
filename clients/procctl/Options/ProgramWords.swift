// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `M=N`: our descriptor N as the program's M; `N`: under the same number.
struct DescriptorWord: ExpressibleByArgument {
    let target: CInt
    let source: CInt

    init?(argument: String) {
        let numbers = argument.split(separator: "=", omittingEmptySubsequences: false).map { CInt($0) }
        guard (1...2).contains(numbers.count), let target = numbers[0], let source = numbers[numbers.count - 1],
            (3...65535).contains(target), (0...65535).contains(source)
        else { return nil }
        (self.target, self.source) = (target, source)
    }
}

/// A file mode creation mask in octal digits.
struct UmaskWord: ExpressibleByArgument {
    let mask: Int64

    init?(argument: String) {
        guard let mask = Int64(argument, radix: 8), (0...0o777).contains(mask) else { return nil }
        self.mask = mask
    }
}

/// `name=limit` for both bounds, `name=soft:hard`.
struct RlimitWord: ExpressibleByArgument {
    let name: String
    let json: JSONValue

    init?(argument: String) {
        guard let pair = PairWord(argument: argument) else { return nil }
        name = pair.key
        let bounds = pair.value.split(separator: ":", omittingEmptySubsequences: false).map { Self.bound($0) }
        switch bounds.count {
        case 1:
            guard let both = bounds[0] else { return nil }
            json = both
        case 2:
            guard let soft = bounds[0], let hard = bounds[1] else { return nil }
            json = .object(["soft": soft, "hard": hard])
        default: return nil
        }
    }

    private static func bound(_ text: Substring) -> JSONValue? {
        if text == "unlimited" { return "unlimited" }
        return ByteCount(argument: String(text))?.json
    }
}
