// SPDX-License-Identifier: Apache-2.0
import Kernel
import Testing

@testable import ProcessControl

/// From the ring to those who read: at once, when there is something, or when their time is up.
@Suite(.serialized) struct CapturedReadTests {
    private let loop: EventLoop

    init() throws { loop = try EventLoop() }

    /// What a read has been answered with.
    private final class Answer {
        var chunks: [Given] = []
        var pending: PendingRead?
    }

    private func read(
        _ pipe: TestPipe, at offset: Int, limit: Int = 100, timeout: Int64 = 60_000
    ) -> Answer {
        let answer = Answer()
        answer.pending = pipe.stream.read(at: offset, limit: limit, timeout: timeout) {
            answer.chunks.append(Given($0, of: pipe.stream))
        }
        return answer
    }

    private func serve(_ answer: Answer) throws -> Bool { try loop.serve { !answer.chunks.isEmpty } }

    @Test func whatIsThereIsGivenAtOnce() throws {
        let pipe = try TestPipe(loop, limit: 10)
        pipe.write("0123456789abc")
        #expect(try pipe.serve(toEnd: 13))
        for (offset, chunk) in [(0, .gap(offset: 0, length: 3)), (3, .text("345678", at: 3))]
            as [(Int, Given)]
        {
            let answer = read(pipe, at: offset, limit: 6)
            #expect(answer.chunks == [chunk])
            #expect(answer.pending == nil)
        }
    }

    @Test func withoutTimeNothingIsWaitedFor() throws {
        let pipe = try TestPipe(loop, limit: 10)
        let answer = read(pipe, at: 0, timeout: 0)
        #expect(answer.chunks == [.text("", at: 0)])
        #expect(answer.pending == nil)
        #expect(read(pipe, at: 5, timeout: 0).chunks == [.text("", at: 5)])
    }

    @Test func theNextBytesAreWaitedFor() throws {
        let pipe = try TestPipe(loop, limit: 100)
        let (first, second, beyond) = (read(pipe, at: 0), read(pipe, at: 0, limit: 2), read(pipe, at: 3))
        #expect(first.chunks.isEmpty && first.pending != nil)
        pipe.write("abc")
        #expect(try serve(first))
        #expect(first.chunks == [.text("abc", at: 0)])
        #expect(second.chunks == [.text("ab", at: 0)])
        #expect(beyond.chunks.isEmpty)
        pipe.write("d")
        #expect(try serve(beyond))
        #expect(beyond.chunks == [.text("d", at: 3)])
        #expect(first.chunks.count == 1)
    }

    @Test func whenTimeIsUpThereIsNothing() throws {
        let pipe = try TestPipe(loop, limit: 100)
        let answer = read(pipe, at: 0, timeout: 5)
        #expect(answer.chunks.isEmpty)
        #expect(try serve(answer))
        #expect(answer.chunks == [.text("", at: 0)])
        pipe.write("late")
        #expect(try pipe.serve(toEnd: 4))
        #expect(answer.chunks.count == 1)
    }

    @Test func theEndAnswers() throws {
        let pipe = try TestPipe(loop, limit: 100)
        let (answer, beyond) = (read(pipe, at: 0), read(pipe, at: 50))
        pipe.closeWriting()
        #expect(try serve(answer))
        #expect(answer.chunks == [.text("", at: 0, end: true)])
        #expect(beyond.chunks == [.text("", at: 50, end: true)])
    }

    @Test func whoIsCancelledIsNotAnswered() throws {
        let pipe = try TestPipe(loop, limit: 100)
        let (cancelled, other) = (read(pipe, at: 0, timeout: 5), read(pipe, at: 0, timeout: 10))
        pipe.stream.cancel(try #require(cancelled.pending))
        #expect(try serve(other))
        pipe.write("x")
        pipe.closeWriting()
        #expect(try loop.serve { !pipe.stream.isOpen })
        #expect(cancelled.chunks.isEmpty)
    }

    /// In block mode a reader who follows the end keeps the program going.
    @Test func aReaderWhoFollowsKeepsItGoing() throws {
        let pipe = try TestPipe(loop, limit: 10, .block)
        let text = String(repeating: "0123456", count: 100)
        pipe.write(text)
        pipe.closeWriting()
        var (seen, offset, isDone) = ("", 0, false)
        while !isDone {
            let answer = read(pipe, at: offset, limit: 64)
            #expect(try serve(answer))
            guard case .bytes(let bytes, offset, let atEnd) = answer.chunks.first else {
                Issue.record("\(answer.chunks)")
                return
            }
            seen += String(decoding: bytes, as: UTF8.self)
            offset += bytes.count
            isDone = atEnd
        }
        #expect(seen == text)
    }

    // MARK: Parts of a character

    @Test func aPartOfACharacterWaitsForItsRest() throws {
        let pipe = try TestPipe(loop, limit: 100)
        let answer = read(pipe, at: 0)
        pipe.write([0xE2])
        #expect(try pipe.serve(toEnd: 1))
        pipe.write([0x82])
        #expect(try pipe.serve(toEnd: 2))
        #expect(answer.chunks.isEmpty)
        pipe.write([0xAC])
        #expect(try serve(answer))
        #expect(answer.chunks == [.text("€", at: 0)])
    }

    @Test(arguments: [0, 60_000] as [Int64]) func notForEver(timeout: Int64) throws {
        let pipe = try TestPipe(loop, limit: 100)
        pipe.write([0xE2, 0x82])
        #expect(try pipe.serve(toEnd: 2))
        let answer = read(pipe, at: 0, timeout: timeout)
        #expect(answer.chunks.isEmpty)
        #expect(try serve(answer))
        #expect(answer.chunks == [.bytes([0xE2, 0x82], offset: 0, atEnd: false)])
    }

    @Test func whatIsWholeIsGivenWithoutIt() throws {
        let pipe = try TestPipe(loop, limit: 100)
        pipe.write([0x61, 0xC3, 0xA9, 0xF0, 0x9F])
        #expect(try pipe.serve(toEnd: 5))
        #expect(read(pipe, at: 0).chunks == [.text("aé", at: 0)])
        #expect(read(pipe, at: 0, limit: 2).chunks == [.text("a", at: 0)], "cut by the limit")
        #expect(read(pipe, at: 1, limit: 1).chunks == [.bytes([0xC3], offset: 1, atEnd: false)], "no room for more")
        let rest = read(pipe, at: 3)
        #expect(rest.chunks.isEmpty)
        pipe.write([0x98, 0x80, 0x21])
        #expect(try serve(rest))
        #expect(rest.chunks == [.text("😀!", at: 3)])
    }

    @Test func theEndCompletesNothing() throws {
        let pipe = try TestPipe(loop, limit: 100)
        let answer = read(pipe, at: 0)
        pipe.write([0xC3])
        #expect(try pipe.serve(toEnd: 1))
        #expect(answer.chunks.isEmpty)
        pipe.closeWriting()
        #expect(try serve(answer))
        #expect(answer.chunks == [.bytes([0xC3], offset: 0, atEnd: true)])
    }

    @Test func oneThatHoldsAPartMayBeCancelled() throws {
        let pipe = try TestPipe(loop, limit: 100)
        let answer = read(pipe, at: 0)
        pipe.write([0xC3])
        #expect(try pipe.serve(toEnd: 1))
        pipe.stream.cancel(try #require(answer.pending))
        let other = read(pipe, at: 0)
        #expect(try serve(other))
        #expect(other.chunks == [.bytes([0xC3], offset: 0, atEnd: false)])
        #expect(answer.chunks.isEmpty)
    }
}
