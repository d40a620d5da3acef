// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl

/// `read`.
extension Server {
    var outputMethods: [Method] {
        [
            Method(
                "read",
                [.required("process", "a process")] + Member.optional("stream", "offset", "limit", "timeout_ms")
            ) { [unowned self] in try read($0, $1) }
        ]
    }

    private func read(_ call: Call, _ parameters: JSONCursor) throws {
        let reference = try parameters.need("process").process()
        let streamCursor = parameters.member("stream")
        let name = try streamCursor?.oneOf(["stdout", "stderr"]) ?? "stdout"
        let offset = try parameters.ifPresent("offset") { try $0.integer(0...Int64.max) }
        let limit = try parameters.ifPresent("limit") { [most = limits.readMost] in try $0.integer(1...Int64(most)) }
        let timeout = try parameters.ifPresent("timeout_ms") { try $0.duration() }
        let process = try supervisor.find(reference, for: call.peer.uid)
        call.names([process])
        guard let stream = process.stream(name) else {
            let kind = name == "stdout" ? process.stdoutKind : process.stderrKind
            throw Refusal.wrongState(reason: "not_captured: \(kind)", process: process.id, state: process.state)
        }
        let pending = stream.read(
            at: Int(offset ?? 0), limit: Int(limit ?? Int64(limits.readDefault)), timeout: timeout ?? 0
        ) { chunk in call.succeed(Self.encode(chunk, process: process, stream: name)) }
        if let pending { call.wait { stream.cancel(pending) } }
    }

    private static func encode(_ chunk: CapturedStream.Chunk, process: ManagedProcess, stream: String) -> JSONValue {
        switch chunk {
        case .gap(let offset, let length):
            return [
                "process": .integer(process.id), "stream": .string(stream), "offset": .integer(offset),
                "gap": ["offset": .integer(offset), "length": .integer(length)],
                "next_offset": .integer(offset + length), "end": false,
            ]
        case .bytes(let bytes, let offset, let atEnd):
            let (name, data): (String, JSONValue) =
                JSONValue.string(utf8: bytes).map { ("text", $0) }
                ?? ("base64", .string(String(decoding: Base64.encode(bytes), as: UTF8.self)))
            return .object(members: [
                ("process", .integer(process.id)), ("stream", .string(stream)), ("offset", .integer(offset)),
                (name, data), ("next_offset", .integer(offset + bytes.count)), ("end", .boolean(atEnd)),
            ])
        }
    }
}
