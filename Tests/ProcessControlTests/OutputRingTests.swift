// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ProcessControl

/// A ring, and bytes to fill it with: byte n of the stream is `n % 251`.
struct FilledRing: ~Copyable {
    var ring: OutputRing
    private var next = 0

    init(capacity: Int) { ring = OutputRing(capacity: capacity) }

    static func expected(_ range: Range<Int>) -> [UInt8] { range.map { UInt8($0 % 251) } }

    /// One fill from a source that gives all it is asked for. Returns what it gave.
    mutating func fillOnce(most: Int, overwriting: Bool = true) -> Int {
        let from = next
        let count = ring.fill(most: overwriting ? most : min(most, ring.room)) { buffer in
            for index in 0..<buffer.count { buffer[index] = UInt8((from + index) % 251) }
            return buffer.count
        }
        next += count
        return count
    }

    mutating func fill(_ count: Int) {
        var left = count
        while left > 0 { left -= fillOnce(most: left) }
    }

    /// Skips far ahead, as a stream does of which everything has been given up.
    mutating func skip(to offset: Int) {
        // A source may say that it gave more than the memory holds: only the count moves.
        while next < offset {
            next += ring.fill(most: min(offset - next, ring.capacity)) { $0.count }
        }
        ring.discard(before: ring.end)
    }
}

@Suite struct OutputRingTests {
    @Test func emptyAtFirst() {
        let ring = OutputRing(capacity: 10)
        #expect([ring.start, ring.end, ring.count, ring.room] == [0, 0, 0, 10])
        #expect(ring.bytes(from: 0, limit: 10) == [])
    }

    @Test func whatGoesInComesOut() {
        var filled = FilledRing(capacity: 10)
        filled.fill(7)
        #expect([filled.ring.start, filled.ring.end, filled.ring.room] == [0, 7, 3])
        #expect(filled.ring.bytes(from: 0, limit: 100) == FilledRing.expected(0..<7))
        #expect(filled.ring.bytes(from: 2, limit: 3) == FilledRing.expected(2..<5))
        #expect(filled.ring.bytes(from: 7, limit: 3) == [])
        #expect(filled.ring.bytes(from: 8, limit: 3) == [])
    }

    @Test func theOldestBytesGiveWay() {
        var filled = FilledRing(capacity: 10)
        filled.fill(13)
        #expect([filled.ring.start, filled.ring.end, filled.ring.room] == [3, 13, 0])
        #expect(filled.ring.bytes(from: 3, limit: 10) == FilledRing.expected(3..<13))
        #expect(filled.ring.bytes(from: 2, limit: 10) == [], "gone")
        filled.fill(1000)
        #expect(filled.ring.start == 1003)
        #expect(filled.ring.bytes(from: 1003, limit: 10) == FilledRing.expected(1003..<1013))
    }

    /// One piece is one stretch of memory: the source is asked for no more than fits before the wrap.
    @Test func theSourceIsAskedForOneStretch() {
        var filled = FilledRing(capacity: 10)
        #expect(filled.fillOnce(most: 100) == 10)
        #expect(filled.fillOnce(most: 4) == 4)
        #expect(filled.fillOnce(most: 100) == 6, "up to the wrap")
        #expect(filled.fillOnce(most: 100) == 10)
    }

    @Test func withoutOverwritingItFillsUp() {
        var filled = FilledRing(capacity: 10)
        #expect(filled.fillOnce(most: 100, overwriting: false) == 10)
        #expect(filled.ring.room == 0)
        filled.ring.discard(before: 4)
        #expect(filled.ring.room == 4)
        #expect(filled.fillOnce(most: 100, overwriting: false) == 4)
        #expect(filled.ring.bytes(from: 4, limit: 100) == FilledRing.expected(4..<14))
        filled.ring.discard(before: 8)
        filled.ring.discard(before: 7)
        #expect(filled.ring.start == 8)
        #expect(filled.fillOnce(most: 3, overwriting: false) == 3)
        #expect(filled.ring.bytes(from: 8, limit: 100) == FilledRing.expected(8..<17))
    }

    @Test func chunksReadAcrossTheWrap() {
        var filled = FilledRing(capacity: 10)
        filled.fill(17)
        for from in 7..<17 {
            for limit in 1...11 {
                let end = min(17, from + limit)
                #expect(filled.ring.bytes(from: from, limit: limit) == FilledRing.expected(from..<end))
            }
        }
    }

    @Test func discardGoesNoFurtherThanTheEnd() {
        var filled = FilledRing(capacity: 10)
        filled.fill(5)
        filled.ring.discard(before: 99)
        #expect([filled.ring.start, filled.ring.end, filled.ring.room] == [5, 5, 10])
        #expect(filled.ring.bytes(from: 5, limit: 1) == [])
        filled.fill(8)
        #expect(filled.ring.bytes(from: 5, limit: 100) == FilledRing.expected(5..<13))
    }

    @Test func nothingGivenIsNothingTaken() throws {
        struct Failure: Error {}
        var ring = OutputRing(capacity: 10)
        #expect(ring.fill(most: 10) { _ in 0 } == 0)
        #expect(throws: Failure.self) {
            try ring.fill(most: 10) { (_) throws(Failure) in throw Failure() }
        }
        #expect([ring.start, ring.end] == [0, 0])
    }

    @Test func itGrowsWithWhatItHolds() {
        var filled = FilledRing(capacity: 10)
        filled.fill(13)
        filled.ring.discard(before: 5)
        filled.ring.grow(by: 2)
        #expect(filled.ring.capacity == 10, "there is room")
        filled.ring.grow(by: 7)
        #expect(filled.ring.capacity == 15)
        #expect([filled.ring.start, filled.ring.end, filled.ring.room] == [5, 13, 7])
        #expect(filled.ring.bytes(from: 5, limit: 100) == FilledRing.expected(5..<13))
        while filled.ring.room > 0 { _ = filled.fillOnce(most: 100, overwriting: false) }
        #expect(filled.ring.bytes(from: 5, limit: 100) == FilledRing.expected(5..<20))
    }

    /// An offset is no 32-bit number.
    @Test func offsetsGoBeyondTwoGiB() {
        let far = 1 << 31 + 12_345
        var filled = FilledRing(capacity: 64 << 20)
        filled.skip(to: far)
        #expect([filled.ring.start, filled.ring.end] == [far, far])
        filled.fill(1000)
        #expect(filled.ring.bytes(from: far + 10, limit: 20) == FilledRing.expected(far + 10..<far + 30))
        filled.ring.discard(before: far + 999)
        #expect(filled.ring.bytes(from: far + 999, limit: 20) == FilledRing.expected(far + 999..<far + 1000))
        #expect(filled.ring.bytes(from: 0, limit: 20) == [])
    }
}
