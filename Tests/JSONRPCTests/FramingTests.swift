// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Testing

@Suite struct FramingTests {
    @Test func bothFramings() {
        var output: [UInt8] = []
        Framing.lines.frame(Array("{}".utf8), into: &output)
        Framing.headers.frame(Array("{\"é\":1}".utf8), into: &output)
        #expect(String(decoding: output, as: UTF8.self) == "{}\nContent-Length: 8\r\n\r\n{\"é\":1}")
    }

    /// Many messages of all sizes through both framings, in pieces cut at random.
    @Test(arguments: [Framing.lines, .headers]) func messagesThereAndBack(framing: Framing) {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            let bodies = (0..<30).map { index in
                let count = Int.random(in: 0...(index == 7 ? 60_000 : 200), using: &random)
                let text = String(repeating: "aé\n", count: count)
                return JSONValue.object(["index": .integer(index), "text": .string(text)]).serialized
            }
            var stream: [UInt8] = []
            for body in bodies { framing.frame(body, into: &stream) }
            let pieces = Int.random(in: 0...60, using: &random)
            let offsets = (0..<pieces).map { _ in Int.random(in: 0...stream.count, using: &random) }
            var reader = MessageReader()
            var read: [[UInt8]] = []
            for piece in cut(stream, at: offsets.sorted()) {
                reader.push(piece)
                while case .message(let body)? = reader.next()?.event { read.append(body) }
            }
            #expect(read == bodies)
            #expect(reader.framing == framing)
            #expect(reader.bufferedBytes == 0)
            #expect(reader.finish() == nil)
        }
    }

    @Test(arguments: [Framing.lines, .headers]) func largestMessageInSmallPieces(framing: Framing) {
        let body = Array("[".utf8) + [UInt8](repeating: 0x20, count: (16 << 20) - 2) + Array("]".utf8)
        var stream: [UInt8] = []
        framing.frame(body, into: &stream)
        framing.frame(body + [0x20], into: &stream)
        framing.frame([0x5B, 0x5D], into: &stream)
        var reader = MessageReader()
        var log: [Int] = []
        for start in stride(from: 0, to: stream.count, by: 1000) {
            reader.push(stream[start..<min(start + 1000, stream.count)])
            while let (event, _) = reader.next() {
                switch event {
                case .message(let body): log.append(body.count)
                case .failure(let error, _): log.append(-error.code)
                }
            }
        }
        #expect(log == [16 << 20, -8, 2])
    }
}
