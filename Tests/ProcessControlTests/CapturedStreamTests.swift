// SPDX-License-Identifier: Apache-2.0
import Kernel
import Testing

@testable import ProcessControl

/// From a real pipe into the ring.
@Suite(.serialized) struct CapturedStreamTests {
    private let loop: EventLoop

    init() throws { loop = try EventLoop() }

    @Test func whatIsWrittenIsRead() throws {
        let pipe = try TestPipe(loop, limit: 100)
        #expect(pipe.stream.isOpen)
        #expect(pipe.chunk(at: 0, limit: 10) == nil)
        pipe.write("hello ")
        #expect(try pipe.serve(toEnd: 6))
        pipe.write("world")
        #expect(try pipe.serve(toEnd: 11))
        #expect(pipe.chunk(at: 0, limit: 100) == .text("hello world", at: 0))
        #expect(pipe.chunk(at: 6, limit: 3) == .text("wor", at: 6))
        #expect(pipe.chunk(at: 11, limit: 3) == nil)
        #expect(pipe.stream.retained == 11)
    }

    @Test func theEndIsKnown() throws {
        let pipe = try TestPipe(loop, limit: 100)
        var ended = 0
        pipe.stream.ended = { ended += 1 }
        pipe.write("last")
        pipe.closeWriting()
        #expect(try loop.serve { !pipe.stream.isOpen })
        #expect(ended == 1)
        #expect(pipe.chunk(at: 0, limit: 3) == .text("las", at: 0))
        #expect(pipe.chunk(at: 0, limit: 4) == .text("last", at: 0, end: true))
        #expect(pipe.chunk(at: 4, limit: 4) == .text("", at: 4, end: true))
        #expect(pipe.chunk(at: 9, limit: 4) == .text("", at: 9, end: true))
        pipe.stream.close()
        #expect(ended == 1)
        #expect(pipe.stream.inode() == nil)
    }

    @Test func theOldestGiveWayAndLeaveAGap() throws {
        let pipe = try TestPipe(loop, limit: 10)
        pipe.write("0123456789abcdefghijklmno")
        #expect(try pipe.serve(toEnd: 25))
        #expect(pipe.stream.start == 15)
        #expect(pipe.waiting == 0)
        #expect(pipe.chunk(at: 0, limit: 100) == .gap(offset: 0, length: 15))
        #expect(pipe.chunk(at: 14, limit: 100) == .gap(offset: 14, length: 1))
        #expect(pipe.chunk(at: 15, limit: 100) == .text("fghijklmno", at: 15))
        #expect(pipe.chunk(at: 20, limit: 100) == .text("klmno", at: 20))
        #expect(pipe.stream.start == 15, "a read frees nothing")
    }

    /// Where another program's output begins: behind all that was written, be it read yet or not.
    @Test(arguments: WhenFull.allCases) func theBoundaryIsBehindWhatWasWritten(_ whenFull: WhenFull) throws {
        let pipe = try TestPipe(loop, limit: 10, whenFull)
        #expect(pipe.stream.boundary() == 0)
        pipe.write("0123")
        #expect(pipe.stream.boundary() == 4)
        #expect(pipe.stream.end == 4 && pipe.waiting == 0)
        pipe.write("456789abcdefghijklmno")
        #expect(pipe.stream.boundary() == 25)
        #expect(pipe.stream.end == (whenFull == .block ? 10 : 25))
        #expect(pipe.stream.boundary() == 25, "asking changes nothing")
        pipe.closeWriting()
        #expect(pipe.stream.boundary() == 25)
    }

    @Test func whoBlocksIsReadNoFurtherThanTheRing() throws {
        let pipe = try TestPipe(loop, limit: 10, .block)
        pipe.write("0123456789abcdefghijklmno")
        #expect(try pipe.serve(toEnd: 10))
        // The loop goes round: nothing more is taken.
        var rounds = 0
        #expect(
            try loop.serve {
                rounds += 1
                return rounds >= 20
            })
        #expect(pipe.stream.end == 10)
        #expect(pipe.waiting == 15)
        #expect(pipe.chunk(at: 0, limit: 4) == .text("0123", at: 0), "frees nothing")
        #expect(pipe.chunk(at: 4, limit: 4) == .text("4567", at: 4), "frees what lies before it")
        #expect(pipe.stream.start == 4)
        #expect(pipe.chunk(at: 0, limit: 4) == .gap(offset: 0, length: 4))
        #expect(try pipe.serve(toEnd: 14))
        #expect(pipe.waiting == 11)
        #expect(pipe.chunk(at: 14, limit: 4) == nil)
        #expect(try pipe.serve(toEnd: 24))
        #expect(pipe.chunk(at: 14, limit: 100) == .text("efghijklmn", at: 14))
    }

    // MARK: At the exit

    @Test(arguments: WhenFull.allCases) func exactlyWhatIsThereIsTaken(_ whenFull: WhenFull) throws {
        let pipe = try TestPipe(loop, limit: 100, whenFull)
        pipe.stream.takeWhatIsThere()
        #expect(pipe.stream.end == 0)
        pipe.write("there")
        pipe.stream.takeWhatIsThere()
        #expect(pipe.stream.end == 5)
        #expect(pipe.stream.isOpen, "somebody has it")
        pipe.write("later")
        #expect(pipe.stream.end == 5)
        #expect(try pipe.serve(toEnd: 10))
    }

    @Test func beyondTheRingToo() throws {
        let pipe = try TestPipe(loop, limit: 10, .block)
        let text = String(repeating: "0123456789", count: 5000)
        pipe.write(text)
        #expect(try pipe.serve(toEnd: 10))
        pipe.stream.takeWhatIsThere()
        #expect(pipe.stream.end == 50_000)
        #expect(pipe.stream.start == 0)
        #expect(pipe.chunk(at: 0, limit: 100_000) == .text(text, at: 0))
    }

    /// What is full needs no room for an end.
    @Test(arguments: [10, 13]) func theEndOfOneThatIsFull(_ count: Int) throws {
        let pipe = try TestPipe(loop, limit: 10, .block)
        pipe.write(String(repeating: "x", count: count))
        #expect(try pipe.serve(toEnd: 10))
        pipe.closeWriting()
        #expect(pipe.waitForHangUp())
        pipe.stream.takeWhatIsThere()
        #expect(!pipe.stream.isOpen)
        #expect([pipe.stream.start, pipe.stream.end] == [0, count])
    }

    @Test func orTheLastOfIt() throws {
        let pipe = try TestPipe(loop, limit: 7)
        pipe.write("0123456789abcdefghij")
        pipe.stream.takeWhatIsThere()
        #expect([pipe.stream.start, pipe.stream.end] == [13, 20])
        #expect(pipe.chunk(at: 13, limit: 100) == .text("defghij", at: 13))
    }

    @Test func theEndIsTakenWithIt() throws {
        let pipe = try TestPipe(loop, limit: 100)
        var ended = 0
        pipe.stream.ended = { ended += 1 }
        pipe.write("all")
        pipe.closeWriting()
        #expect(pipe.waitForHangUp())
        pipe.stream.takeWhatIsThere()
        #expect(!pipe.stream.isOpen)
        #expect(ended == 1)
        #expect(pipe.chunk(at: 0, limit: 100) == .text("all", at: 0, end: true))
        pipe.stream.takeWhatIsThere()
        #expect(ended == 1)
    }

    // MARK: Given up

    @Test func letGoOf() throws {
        let pipe = try TestPipe(loop, limit: 100)
        var ended = 0
        pipe.stream.ended = { ended += 1 }
        pipe.write("kept")
        #expect(try pipe.serve(toEnd: 4))
        #expect(pipe.stream.inode() != nil)
        pipe.stream.close()
        pipe.stream.close()
        #expect(ended == 1)
        #expect(pipe.chunk(at: 0, limit: 100) == .text("kept", at: 0, end: true))
    }

    @Test func theOldestBytesMayBeGivenUp() throws {
        let pipe = try TestPipe(loop, limit: 100)
        pipe.write("0123456789")
        #expect(try pipe.serve(toEnd: 10))
        #expect(pipe.stream.forgetOldest(0) == 0)
        #expect(pipe.stream.forgetOldest(4) == 4)
        #expect(pipe.chunk(at: 0, limit: 100) == .gap(offset: 0, length: 4))
        #expect(pipe.chunk(at: 4, limit: 100) == .text("456789", at: 4))
        #expect(pipe.stream.forgetOldest(100) == 6)
        #expect(pipe.stream.retained == 0)
        #expect(pipe.stream.forgetOldest(100) == 0)
    }

    @Test func forgottenBytesAreAGap() throws {
        let pipe = try TestPipe(loop, limit: 100)
        pipe.write("gone")
        #expect(try pipe.serve(toEnd: 4))
        pipe.stream.forgetBytes()
        #expect(pipe.stream.retained == 0)
        #expect(pipe.chunk(at: 1, limit: 100) == .gap(offset: 1, length: 3))
        pipe.write("new")
        #expect(try pipe.serve(toEnd: 7))
        #expect(pipe.chunk(at: 4, limit: 100) == .text("new", at: 4))
    }
}
