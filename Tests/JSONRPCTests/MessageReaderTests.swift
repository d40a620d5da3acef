// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Testing

@Suite struct MessageReaderTests {
    struct Stream: Sendable, CustomTestStringConvertible {
        let text: String
        let log: String
        var testDescription: String { text.debugDescription }

        init(_ text: String, _ log: String) {
            self.text = text
            self.log = log
        }
    }

    /// Streams for a reader with a maximum of 10 bytes, and all that comes of them.
    static let streams = [
        // Lines: glued, blank ones between, indented, CRLF, without the last newline.
        Stream("{}\n", "\"{}\"@3"), Stream("{1}\n{2}\n[3]\n", "\"{1}\"@4 \"{2}\"@8 \"[3]\"@12"),
        Stream("\n \r\n\t{1}\n\n\n  {2}\r\n\n", "\"{1}\"@9 \"{2}\"@18"), Stream("{1}\n{2}", "\"{1}\"@4 \"{2}\"@7"),
        Stream("{1}\r", "\"{1}\"@4"), Stream("", ""), Stream("\n\n ", ""), Stream("\u{0}\n1\n", "\"\u{0}\"@2 \"1\"@4"),
        Stream("{1}\nfoo\n", "\"{1}\"@4 \"foo\"@8"), Stream("\"é\"\n", "\"\"é\"\"@5"),
        // Lines at and over the maximum; what follows is read again.
        Stream("[34567890]\n{}\n", "\"[34567890]\"@11 \"{}\"@14"), Stream("[345678901]\n{}\n", "8@12 \"{}\"@15"),
        Stream("{" + String(repeating: "x", count: 100) + "\n{}\n", "8@102 \"{}\"@105"),
        Stream("{1}\n{" + String(repeating: "x", count: 50), "\"{1}\"@4 8@55"),
        // Headers: the plain form, further headers, any case, spaces, LF alone, blank lines between messages.
        Stream("Content-Length: 2\r\n\r\n{}", "\"{}\"@23"), Stream("Content-Length: 0\r\n\r\n", "\"\"@21"),
        Stream("Content-Length: 2\r\n\r\n{}Content-Length: 3\r\n\r\n[1]", "\"{}\"@23 \"[1]\"@47"),
        Stream("Content-Type: a; charset=utf-8\r\ncontent-LENGTH:  2 \r\nX:\r\n\r\n{}", "\"{}\"@61"),
        Stream("Content-Length:2\n\n{}\r\n\nContent-Length:0\n\nContent-Length:1\n\n1", "\"{}\"@20 \"\"@41 \"1\"@60"),
        Stream("\r\nContent-Length: 4\r\n\r\n{\n}\nContent-Length: 1\r\n\r\n1", "\"{\n}\n\"@27 \"1\"@49"),
        Stream("Content-Length: 02\r\nContent-Length : 2\r\n\r\n{}", "\"{}\"@44"),
        // A body over the maximum is skipped.
        Stream("Content-Length: 10\r\n\r\n1234567890", "\"1234567890\"@32"),
        Stream("Content-Length: 11\r\n\r\n12345678901Content-Length: 1\r\n\r\n1", "8@33 \"1\"@55"),
        // Nothing can follow malformed headers.
        Stream("Content-Type: a\r\n\r\n{}Content-Length: 1\r\n\r\n1", "-32700!@19"),
        Stream("Content-Length: two\r\n\r\n{}", "-32700!@21"), Stream("Content-Length: -2\r\n\r\n{}", "-32700!@20"),
        Stream("Content-Length: +2\r\n\r\n{}", "-32700!@20"), Stream("Content-Length:\r\n\r\n{}", "-32700!@17"),
        Stream("Content-Length: 2x\r\n\r\n{}", "-32700!@20"), Stream("Content-Length: 1 2\r\n\r\n{}", "-32700!@21"),
        Stream("Content-Length: 9999999999999999999\r\n\r\n{}", "-32700!@37"),
        Stream("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "-32700!@38"),
        Stream("CONNECT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "-32700!@20"),
        Stream("Content-Length: 2\r\n\r\n{}foo\r\n{}", "\"{}\"@23 -32700!@28"),
        // Cut within the headers or the body.
        Stream("Content-Le", "-32700!@10"), Stream("Content-Length: 2\r\n", "-32700!@19"),
        Stream("Content-Length: 2\r\n\r\n", "-32700!@21"), Stream("Content-Length: 2\r\n\r\n{", "-32700!@22"),
        Stream("Content-Length: 99\r\n\r\n{", "-32700!@23"),
    ]

    @Test(arguments: streams) func streamInOnePiece(_ stream: Stream) {
        var reader = MessageReader(maximumLength: 10)
        #expect(reader.read([Array(stream.text.utf8)[...]]).description == stream.log)
        #expect(reader.finish() == nil)
    }

    @Test(arguments: streams) func streamCutAtEveryPoint(_ stream: Stream) {
        let bytes = Array(stream.text.utf8)
        for offset in 0...bytes.count {
            var reader = MessageReader(maximumLength: 10)
            #expect(reader.read(cut(bytes, at: [offset])).description == stream.log, "cut at \(offset)")
        }
    }

    @Test(arguments: streams) func streamByteByByte(_ stream: Stream) {
        let bytes = Array(stream.text.utf8)
        var reader = MessageReader(maximumLength: 10)
        #expect(reader.read(cut(bytes, at: Array(bytes.indices))).description == stream.log)
    }

    /// Whether the reader is asked after each piece or only now and then changes nothing.
    @Test(arguments: streams) func streamPushedBeforeItIsRead(_ stream: Stream) {
        var reader = MessageReader(maximumLength: 10)
        for byte in stream.text.utf8 { reader.push([byte]) }
        #expect(reader.read([]).description == stream.log)
    }

    @Test func framingIsToldFromTheFirstByte() {
        for (text, framing) in [
            ("{", .lines), ("[", .lines), ("1", .lines), ("\n\t {", .lines), ("\"", .lines), ("\u{1}", .lines),
            ("\u{FEFF}", .lines), ("C", .headers), ("c", .headers), ("\r\nX", .lines), ("n", .lines), ("G", .lines),
            ("@", .lines), ("`", .lines),
            (" \n", nil), ("", nil),
        ] as [(String, Framing?)] {
            var reader = MessageReader()
            reader.push(text.utf8)
            #expect(reader.next() == nil)
            #expect(reader.framing == framing, "\(text)")
        }
    }

    @Test func framingThatIsGivenIsNotToldFromTheBytes() {
        var lines = MessageReader(framing: .lines)
        #expect(lines.read([Array("Content-Length: 2\n".utf8)[...]]).description == "\"Content-Length: 2\"@18")
        var headers = MessageReader(framing: .headers)
        #expect(headers.read([Array("{}\n".utf8)[...]]).description == "-32700!@3")
    }

    @Test(arguments: [1, 1000, 4097, 10_000]) func headerLineHasALimit(piece: Int) {
        func log(lineOf length: Int) -> String {
            let line = "C:" + String(repeating: "y", count: length - 2) + "\r\n"
            let bytes = Array((line + "Content-Length:2\n\n{}").utf8)
            var reader = MessageReader()
            return reader.read(cut(bytes, at: Array(stride(from: piece, to: bytes.count, by: piece)))).description
        }
        #expect(log(lineOf: 4096) == "\"{}\"@4118")
        #expect(log(lineOf: 4097).hasPrefix("-32700!@"))
    }

    @Test func headerLineWithoutAnEndIsNotAwaited() {
        var reader = MessageReader()
        reader.push(repeatElement(0x43, count: 5000))
        guard case .failure(let error, fatal: true)? = reader.next()?.event else {
            Issue.record("no failure")
            return
        }
        #expect(error.code == -32700)
    }

    @Test func failureNamesTheLimit() {
        var reader = MessageReader(maximumLength: 3)
        reader.push("{234}\n".utf8)
        guard case .failure(let error, fatal: false)? = reader.next()?.event else {
            Issue.record("no failure")
            return
        }
        #expect(error.data == ["kind": "limit_reached", "limit": "message_bytes", "maximum": 3])
    }

    @Test func bufferedBytesAreThoseOfNoEventYet() {
        var reader = MessageReader(maximumLength: 10)
        func after(_ text: String) -> Int {
            reader.push(text.utf8)
            while reader.next() != nil {}
            return reader.bufferedBytes
        }
        #expect(after("") == 0)
        #expect(after("{}\n{") == 1)
        #expect(after("}") == 2)
        #expect(after("\n\n \n") == 0)
        #expect(after("{23456789012345") == 15)
        #expect(after("\n") == 0)
        reader = MessageReader()
        #expect(after("Content-Length: 2\r\n\r\n{") == 22)
        #expect(after("}Con") == 3)
    }
}
