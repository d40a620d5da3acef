// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Times for people.
enum TimeText {
    /// "350ms", "12s", "5m", "3h", "9d": the largest unit there is two of, or one.
    static func span(_ milliseconds: Int64) -> String {
        let milliseconds = max(0, milliseconds)
        let units: [(Int64, String)] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")]
        for (length, name) in units where milliseconds >= length {
            return "\(milliseconds / length)\(name)"
        }
        return "\(milliseconds)ms"
    }

    /// Unix milliseconds as local date and time, to the second.
    static func instant(_ milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return "\(milliseconds)" }
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The same with milliseconds.
    static func precise(_ milliseconds: Int64) -> String {
        let fraction = String(milliseconds % 1000)
        return instant(milliseconds) + "." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }

    /// Microseconds of processor time as seconds.
    static func seconds(_ microseconds: Int64) -> String {
        let thousandths = microseconds / 1000
        let fraction = String(thousandths % 1000)
        return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction + "s"
    }
}
