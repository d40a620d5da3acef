// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

@Suite struct NumberTests {
    /// The ends of the range, the ends of what a double holds exactly, and every power of two with its neighbours.
    static let integers: [Int64] = {
        var integers: [Int64] = [0, .min, .min + 1, .max, .max - 1, 9_007_199_254_740_993, -9_007_199_254_740_993]
        for exponent in 0..<63 {
            let power: Int64 = 1 << exponent
            integers += [power, power - 1, power + 1, -power, -power - 1]
        }
        return integers
    }()

    @Test(arguments: integers) func integerIsExactThereAndBack(integer: Int64) throws {
        let value = try JSONValue.parse("[\(integer)]")
        #expect(value[0]?.kind == .integer)
        #expect(value[0]?.integer == integer)
        #expect(value.description == "[\(integer)]")
        #expect(JSONValue.integer(integer).description == "\(integer)")
        #expect(value[0] == .integer(integer))
    }

    @Test(arguments: [
        "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1" + String(repeating: "0", count: 400),
        "1e400", "-1e400",
    ])
    func numberOutOfRangeIsAnError(text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse("[\(text)]") }
    }

    @Test(arguments: ["01", "-", "+1", ".5", "1.", "1e", "0x10", "1_000", "NaN", "Infinity", "--1", "1e+"])
    func numberOutsideTheGrammarIsAnError(text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
        #expect(throws: JSONSyntaxError.self) { try JSONValue.parse("[\(text)]") }
    }

    @Test(arguments: ["1.0", "1e2", "-0.5", "1E-2", "0.0", "1e-400"]) func fractionOrExponentMakesAReal(text: String)
        throws
    {
        let value = try JSONValue.parse(text)
        #expect(value.kind == .real)
        #expect(value.integer == nil)
    }

    @Test func integerNeverEqualsAReal() throws {
        #expect(try JSONValue.parse("1") != JSONValue.parse("1.0"))
    }

    @Test func minusZeroIsZero() throws {
        #expect(try JSONValue.parse("-0").integer == 0)
    }
}
