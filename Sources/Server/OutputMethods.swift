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
                [.required("process", "a process")]
                    + Member.optional("stream", "offset", "limit", "timeout_ms", "arrivals")
            ) { [unowned self] in try read($0, $1) }
        ]
    }

    private func read(_ call: Call, _ parameters: JSONCursor) throws {
        let reference = try parameters.need("process").process()
        let streamCursor = parameters.member("stream")
        let name = try streamCursor?.oneOf(Self.streamNames) ?? "stdout"
        let offset = try parameters.ifPresent("offset") { try $0.integer(0...Int64.max) }
        let limit = try parameters.ifPresent("limit") { [most = limits.readMost] in try $0.integer(1...Int64(most)) }
        let timeout = try parameters.ifPresent("timeout_ms") { try $0.duration() }
        let wantsArrivals = try parameters.ifPresent("arrivals") { try $0.boolean() } ?? false
        let process = try supervisor.find(reference, for: call.peer.uid)
        call.names([process])
        guard let stream = process.stream(name) else {
            let kinds = ["stdout": process.stdoutKind, "stderr": process.stderrKind]
            let kind = kinds[name] ?? "no pty"
            throw Refusal.wrongState(reason: "not_captured: \(kind)", process: process.id, state: process.state)
        }
        let pending = stream.read(
            at: Int(offset ?? 0), limit: Int(limit ?? Int64(limits.readDefault)), timeout: timeout ?? 0
        ) { chunk in
            call.succeedWhenThereIsRoom { writer in
                let chunk = stream.now(chunk)
                let arrivals = wantsArrivals ? Optional(Self.arrivals(of: chunk, in: stream)) : Optional.none
                Self.write(chunk, of: stream, process: process.id, name: name, arrivals, into: &writer)
            }
        }
        if let pending { call.wait { stream.cancel(pending) } }
    }

    private static func write(
        _ chunk: CapturedStream.Chunk, of stream: CapturedStream, process: Int, name: String,
        _ arrivals: JSONValue?, into writer: inout JSONWriter
    ) {
        writer.object { reply in
            reply.member("process", process)
            reply.member("stream", name)
            switch chunk {
            case .gap(let offset, let length):
                reply.member("offset", offset)
                reply.member("gap") { gap in
                    gap.object {
                        $0.member("offset", offset)
                        $0.member("length", length)
                    }
                }
                reply.member("next_offset", offset + length)
                reply.member("end", false)
            case .bytes(let offset, let count, let atEnd):
                reply.member("offset", offset)
                stream.withBytes(from: offset, count: count) { data in reply.member(data: data) }
                reply.member("next_offset", offset + count)
                reply.member("end", atEnd)
            }
            if let arrivals { reply.member("arrivals") { $0.value(arrivals) } }
        }
    }

    /// When the bytes of a chunk came: from which offset on, and in which order among the process's streams.
    private static func arrivals(of chunk: CapturedStream.Chunk, in stream: CapturedStream) -> JSONValue {
        guard case .bytes(let offset, let count, _) = chunk, count > 0 else { return [] }
        return .array(
            stream.arrivals(from: offset, to: offset + count).map { entry in
                [
                    "offset": .integer(max(entry.offset, offset)), "at": .integer(entry.at),
                    "order": .integer(entry.order),
                ]
            })
    }
}
