// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Testing

@Suite struct MessageReaderExtentTests {
    /// For every cut of the stream: what is said of the rest is what reading it then shows.
    @Test(arguments: MessageReaderTests.streams) func extentIsWhatReadingShows(_ stream: MessageReaderTests.Stream) {
        let bytes = Array(stream.text.utf8)
        for offset in 0...bytes.count {
            var reader = MessageReader(maximumLength: 10)
            reader.push(bytes[..<offset])
            var fatal = false
            while let (event, _) = reader.next() {
                if case .failure(_, true) = event { fatal = true }
            }
            if fatal { break }
            let (count, complete) = reader.extent(of: bytes[offset...])
            reader.push(bytes[offset...])
            let end = reader.next()?.endOffset
            #expect(complete == (end != nil), "cut at \(offset)")
            #expect(count == (end ?? bytes.count) - offset, "cut at \(offset)")
        }
    }

    @Test func extentChangesNothing() {
        var reader = MessageReader()
        #expect(reader.extent(of: "Content-Length: 2\r\n\r\n{}{}".utf8) == (23, true))
        #expect(reader.framing == nil)
        #expect(reader.extent(of: "\n{}\n{}\n".utf8) == (4, true))
        #expect(reader.extent(of: "\n{}".utf8) == (3, false))
        #expect(reader.extent(of: "\n\n".utf8) == (2, false))
        #expect(reader.extent(of: [UInt8]()) == (0, false))
        reader.push("{\"a\":".utf8)
        #expect(reader.next() == nil)
        #expect(reader.extent(of: "1}\n{}\n".utf8) == (3, true))
        #expect(reader.bufferedBytes == 5)
    }

    @Test func messageNotYetTakenNeedsNoFurtherByte() {
        var reader = MessageReader()
        reader.push("{}\n{".utf8)
        #expect(reader.extent(of: "}\n".utf8) == (0, true))
        #expect(reader.next()?.endOffset == 3)
        #expect(reader.extent(of: "}\n".utf8) == (2, true))
    }
}
