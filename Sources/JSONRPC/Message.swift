// SPDX-License-Identifier: Apache-2.0
import JSON

/// What a client sent as one message: one call or a batch of them (JSON-RPC 2.0 section 6).
public enum Message: Equatable, Sendable {
    case single(Incoming)
    /// Never empty.
    case batch([Incoming])

    /// Reads a message. Whatever is wrong with it as a whole is one invalid member with the id null.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, maximumBatch: Int = 1000, maximumDepth: Int = 512
    ) -> Message {
        let value: JSONValue
        do throws(JSONSyntaxError) {
            value = try JSONValue.parse(bytes, maximumDepth: maximumDepth)
        } catch {
            return .single(.invalid(id: .null, .parseError(error)))
        }
        guard value.kind == .array else { return .single(Incoming(value)) }
        guard value.count > 0 else { return .single(.invalid(id: .null, .invalidRequest("an empty batch"))) }
        guard value.count <= maximumBatch else {
            return .single(.invalid(id: .null, .limitReached("batch_members", maximum: maximumBatch)))
        }
        return .batch((value.elements ?? []).map { Incoming($0) })
    }

    /// Reads a message.
    public static func parse(_ bytes: [UInt8], maximumBatch: Int = 1000, maximumDepth: Int = 512) -> Message {
        bytes.withUnsafeBytes { parse($0, maximumBatch: maximumBatch, maximumDepth: maximumDepth) }
    }
}
