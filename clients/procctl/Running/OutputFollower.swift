// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC

/// One process followed by a subscription: its output from given offsets on, and what happens to it.
///
/// The server ends a subscription that was not read for long; it is begun again where it stood.
final class OutputFollower {
    enum Event {
        case output(stream: String, offset: Int64, bytes: [UInt8])
        case gap(stream: String, offset: Int64, length: Int64)
        case happened(String, JSONValue)
    }

    let process: JSONValue
    private let client: Client
    private let events: [String]
    private let stall: Int64?
    /// What comes next, by stream.
    private(set) var offsets: [String: Int64]
    private var request: RequestID?
    private var subscription: JSONValue?

    /// - Parameter stall: how long, in ms, a program may have to wait for us; nil: as the server has it.
    init(
        _ client: Client, process: JSONValue, offsets: [String: Int64], events: [String], stall: Int64? = nil
    ) throws(Failure) {
        self.client = client
        self.process = process
        self.offsets = offsets
        self.events = events
        self.stall = stall
        try begin()
    }

    private func begin() throws(Failure) {
        let streams = offsets.keys.sorted()
        request = try client.send(
            "subscribe",
            .object([
                "processes": .array([process]), "events": .array((["output"] + events).map { .string($0) }),
                "from": .object(members: streams.map { ($0, .integer(offsets[$0] ?? 0)) }),
                // In block mode this makes room for more; in discard-oldest it holds nobody up.
                "lossless": true, "streams": .array(streams.map { .string($0) }),
                "stall_ms": stall.map { .integer($0) },
            ]))
    }

    /// What a message tells of this process; nil if it is about something else.
    func take(_ message: ServerMessage) throws(Failure) -> Event? {
        switch message {
        case .response(let id, let result):
            guard id == request else { return nil }
            request = nil
            switch result {
            case .success(let value): subscription = value["subscription"]
            case .failure(let error): throw Failure(error)
            }
            return nil
        case .notification(let method, let params):
            guard let params else { return nil }
            if method == "subscription_ended" {
                if params["subscription"] == subscription, subscription != nil { try begin() }
                return nil
            }
            return params["process"] == process ? event(method, params) : nil
        }
    }

    private func event(_ method: String, _ params: JSONValue) -> Event {
        let stream = params["stream"]?.string ?? ""
        let offset = params["offset"]?.integer ?? 0
        switch method {
        case "output":
            let bytes = StreamData.bytes(of: params)
            offsets[stream] = offset + Int64(bytes.count)
            return .output(stream: stream, offset: offset, bytes: bytes)
        case "gap":
            let length = params["length"]?.integer ?? 0
            offsets[stream] = offset + length
            return .gap(stream: stream, offset: offset, length: length)
        default: return .happened(method, params)
        }
    }
}

/// Stream data of the wire.
enum StreamData {
    /// `text`, or `base64` decoded.
    static func bytes(of chunk: JSONValue) -> [UInt8] {
        chunk["text"]?.utf8 ?? chunk["base64"]?.utf8.flatMap { Base64.decode($0) } ?? []
    }

    static func gap(_ stream: String, offset: Int64, length: Int64) -> String {
        "gap: \(length) bytes of \(stream) from byte \(offset) are lost"
    }
}
