// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

/// What is written without a value in between is what the value would be.
@Suite struct WriterTests {
    private func written(_ body: (inout JSONWriter) -> Void) throws -> JSONValue {
        var bytes = Array("x".utf8)
        JSONWriter.append(to: &bytes, body)
        #expect(bytes.first == UInt8(ascii: "x"))
        return try JSONValue.parse(Array(bytes.dropFirst()))
    }

    @Test func scalars() throws {
        #expect(try written { $0.value(true) } == true)
        #expect(try written { $0.value(false) } == false)
        #expect(try written { $0.value(.null) } == .null)
        for integer: Int64 in [0, -1, .min, .max] { #expect(try written { $0.value(integer) } == .integer(integer)) }
        #expect(try written { $0.value(nil as Int64?) } == .null)
        #expect(try written { $0.value(nil as String?) } == .null)
        #expect(try written { $0.value(["a": [1]]) } == ["a": [1]])
    }

    @Test(arguments: ["", "plain", "a\"\\\u{1}\u{7f}\n\0é€😀", String(repeating: "long é\n", count: 2000)])
    func strings(_ text: String) throws {
        #expect(try written { $0.value(text) } == .string(text))
        let object = try written {
            $0.object { $0.member(named: String(text.filter { $0 != "\0" })) { $0.value(true) } }
        }
        #expect(object.members?.first?.key == String(text.filter { $0 != "\0" }))
    }

    @Test(arguments: StringTests.sequences) func bytes(_ data: [UInt8]) throws {
        #expect(try written { $0.value(bytes: data) } == .bytes(data))
        #expect(
            try written { $0.array([data, data]) { $0.value(bytes: $1) } } == .array([.bytes(data), .bytes(data)]))
    }

    @Test func membersOfEachKind() throws {
        let value = try written {
            $0.object {
                $0.member("a", 1)
                $0.member("b", nil as Int64?)
                $0.member("c", "text" as String)
                $0.member("d", true)
                $0.member("e", bytes: [0xFF])
                $0.member("f", bytes: nil)
                $0.member("g") { $0.array([]) { (_: inout JSONWriter, _: Int) in } }
                $0.member("h") { $0.object { _ in } }
                $0.member("i") { $0.array([1, 2, 3]) { $0.value(Int64($1)) } }
                $0.member("j") { $0.object { $0.member(named: "k\"") { $0.value(false) } } }
                $0.member("l", UInt32.max)
                $0.member("m", Int32.min)
            }
        }
        #expect(
            value == [
                "a": 1, "b": nil, "c": "text", "d": true, "e": ["base64": "/w=="], "f": nil, "g": [], "h": [:],
                "i": [1, 2, 3], "j": ["k\"": false], "l": 4_294_967_295, "m": -2_147_483_648,
            ])
        #expect(value.members?.map(\.key) == ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "l", "m"])
    }

    @Test func dataBesideOthers() throws {
        // The last is found to be no text when most of it has been written.
        let long = [UInt8](repeating: UInt8(ascii: "a"), count: 20_000)
        for data: [UInt8] in [Array("é".utf8), [0xFF], long, long + [0xFF]] {
            let name = data.last == 0xFF ? "base64" : "text"
            let value = try written { writer in
                writer.object { members in
                    members.member("before", 1)
                    data.withUnsafeBytes { members.member(data: $0) }
                    members.member("after", 2)
                }
            }
            #expect(value.members?.map(\.key) == ["before", name, "after"])
            #expect(value["before"] == 1)
            #expect(value["after"] == 2)
            #expect(data.last == 0xFF ? value["base64"]?.utf8 == Base64.encode(data) : value["text"]?.utf8 == data)
        }
    }
}
