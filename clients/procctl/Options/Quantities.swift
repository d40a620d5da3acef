// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// A duration: `500ms`, `2s`, `1.5m`, `1h`, `1d`; a bare number is seconds.
struct Milliseconds: ExpressibleByArgument {
    let count: Int64

    init(_ count: Int64) { self.count = count }

    init?(argument: String) {
        let units: [(String, Double)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
        let unit = units.first { argument.hasSuffix($0.0) } ?? ("", 1000)
        guard let count = scaled(argument.dropLast(unit.0.utf8.count), by: unit.1) else { return nil }
        self.count = count
    }

    var json: JSONValue { .integer(count) }
}

/// A size: bytes, or with K, M, G (× 1024; `KiB`, `MB` and the like mean the same).
struct ByteCount: ExpressibleByArgument {
    let count: Int64

    init?(argument: String) {
        var digits = argument.uppercased()[...]
        if digits.hasSuffix("IB") {
            digits = digits.dropLast(2)
        } else if digits.hasSuffix("B") {
            digits = digits.dropLast()
        }
        let units: [(Character, Double)] = [("K", 1024), ("M", 1_048_576), ("G", 1_073_741_824)]
        let unit = units.first { digits.last == $0.0 }
        if unit != nil { digits = digits.dropLast() }
        guard let count = scaled(digits, by: unit?.1 ?? 1) else { return nil }
        self.count = count
    }

    var json: JSONValue { .integer(count) }
}

/// A decimal number times a unit, when it is one and stays exact in JSON (below 2^53).
private func scaled(_ digits: Substring, by factor: Double) -> Int64? {
    // Double takes "inf", "nan", "0x10" and "1e9" too: none of them is a quantity here.
    guard let first = digits.utf8.first, first != UInt8(ascii: "."),
        digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".") }),
        let number = Double(String(digits))
    else { return nil }
    let scaled = (number * factor).rounded()
    return scaled < 9_007_199_254_740_992 ? Int64(scaled) : nil
}
