// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Server

@Suite struct SendQueueTests {
    private enum Full: Error { case full }

    /// A peer that takes so much in each turn, and then no more.
    private final class Peer {
        var taken: [UInt8] = []
        var offers = 0
        var turns: [Int]

        init(_ turns: [Int]) { self.turns = turns }

        func take(_ bytes: UnsafeRawBufferPointer) throws(Full) -> Int {
            offers += 1
            guard !turns.isEmpty else { throw .full }
            let count = min(turns.removeFirst(), bytes.count)
            taken += bytes.prefix(count)
            return count
        }
    }

    private func queue(_ texts: String...) -> SendQueue {
        var queue = SendQueue()
        for text in texts { queue.append { $0 += Array(text.utf8) } }
        return queue
    }

    private func text(_ peer: Peer) -> String { String(decoding: peer.taken, as: UTF8.self) }

    @Test func whatIsEmptyIsNotOffered() throws {
        var queue = SendQueue()
        let peer = Peer([])
        #expect(queue.isEmpty)
        try queue.drain { (bytes) throws(Full) in try peer.take(bytes) }
        queue.compact()
        #expect(peer.offers == 0)
    }

    @Test func messagesLeaveTogetherAndInOrder() throws {
        var queue = queue("one\n", "two\n", "three\n")
        #expect(queue.count == 14)
        let peer = Peer([1000])
        try queue.drain { (bytes) throws(Full) in try peer.take(bytes) }
        #expect(peer.offers == 1)
        #expect(text(peer) == "one\ntwo\nthree\n")
        #expect(queue.isEmpty && queue.count == 0)
    }

    @Test func aPeerMayTakeALittleAtATime() throws {
        var queue = queue("0123456789")
        let peer = Peer([1, 2, 3, 4])
        try queue.drain { (bytes) throws(Full) in try peer.take(bytes) }
        #expect(peer.offers == 4)
        #expect(text(peer) == "0123456789")
        #expect(queue.isEmpty)
    }

    @Test(arguments: [true, false]) func whatIsNotTakenStays(compacting: Bool) {
        var queue = queue("0123456789")
        let peer = Peer([3])
        for (count, rest) in [(7, "0123456789"), (7, "abc"), (10, "")] {
            #expect(throws: Full.full) { try queue.drain { (bytes) throws(Full) in try peer.take(bytes) } }
            if compacting { queue.compact() }
            #expect(queue.count == count)
            if rest == "abc" { queue.append { $0 += Array(rest.utf8) } }
        }
        peer.turns = [4, 100]
        #expect(throws: Never.self) { try queue.drain { (bytes) throws(Full) in try peer.take(bytes) } }
        #expect(text(peer) == "0123456789abc")
    }

    /// Moved to the front once more has gone than is left, and nothing is lost or sent twice.
    @Test func compactingChangesNothingThatIsSent() {
        for sent in 0...10 {
            var queue = queue("0123456789")
            let peer = Peer(sent == 0 ? [] : [sent])
            do {
                try queue.drain { (bytes) throws(Full) in try peer.take(bytes) }
            } catch {
                queue.compact()
            }
            #expect(queue.count == 10 - sent)
            queue.append { $0.append(UInt8(ascii: "!")) }
            queue.compact()
            peer.turns = [100]
            #expect(throws: Never.self) { try queue.drain { (bytes) throws(Full) in try peer.take(bytes) } }
            #expect(text(peer) == "0123456789!")
        }
    }

    /// A slow peer and a steady stream of replies.
    @Test func aLongConversation() {
        var queue = SendQueue()
        var expected: [UInt8] = []
        let peer = Peer([])
        for round in 0..<2000 {
            let reply = Array("reply \(round)\n".utf8)
            expected += reply
            queue.append { $0 += reply }
            peer.turns = [round * 7 % 23 + 1]
            do {
                try queue.drain { (bytes) throws(Full) in try peer.take(bytes) }
            } catch {
                queue.compact()
            }
            #expect(queue.count == expected.count - peer.taken.count)
        }
        peer.turns = [.max]
        #expect(throws: Never.self) { try queue.drain { (bytes) throws(Full) in try peer.take(bytes) } }
        #expect(peer.taken == expected)
    }

    /// A burst's memory is kept for the next one, and given back when somebody says that there is none.
    @Test func memoryIsGivenBackWhenAsked() throws {
        var queue = queue("small")
        #expect(!queue.isLarge)
        queue.append { $0 += [UInt8](repeating: 7, count: 1 << 20) }
        let peer = Peer([100])
        #expect(throws: Full.full) { try queue.drain { (bytes) throws(Full) in try peer.take(bytes) } }
        queue.shrink()
        #expect(queue.count == 5 + (1 << 20) - 100, "nothing that is queued goes")
        peer.turns = [.max]
        try queue.drain { (bytes) throws(Full) in try peer.take(bytes) }
        #expect(queue.isLarge)
        queue.shrink()
        #expect(!queue.isLarge && queue.isEmpty)
        #expect(peer.taken.count == 5 + (1 << 20))
    }
}
