// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Time for pauses and bounds, and time of day (clock_gettime(2)).
enum Clock {
    /// CLOCK_MONOTONIC in microseconds.
    static func microseconds() -> Int64 {
        let time = read(CLOCK_MONOTONIC)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    static func milliseconds() -> Int64 { microseconds() / 1000 }

    /// Unix milliseconds.
    static func wallMilliseconds() -> Int64 {
        let time = read(CLOCK_REALTIME)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        clock_gettime(clock, &time)
        return time
    }
}
