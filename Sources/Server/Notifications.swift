// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import ProcessControl

/// What subscribers are told, on the wire.
struct Notifications {
    let subscription: Int
    let process: ManagedProcess
    let instance: String

    func write(_ item: Feed.Item, into bytes: inout [UInt8]) {
        switch item {
        case .event(let event): notification(method: event.name, params: params(of: event)).write(into: &bytes)
        case .gap(let stream, let offset, let length):
            let params = with([
                ("stream", .string(stream)), ("offset", .integer(offset)), ("length", .integer(length)),
            ])
            notification(method: "gap", params: params).write(into: &bytes)
        case .output(let stream, let offset, let data): writeOutput(stream, offset, data, into: &bytes)
        }
    }

    private func with(_ members: [(String, JSONValue)]) -> JSONValue {
        .object(members: [("subscription", .integer(subscription)), ("process", .integer(process.id))] + members)
    }

    private func params(of event: ProcessEvent) -> JSONValue {
        switch event {
        case .started, .exited, .drained: with([("record", RecordEncoding.record(process, instance: instance))])
        case .stopped(let signal):
            with([("signal", .integer(Int(signal))), ("signal_name", .string(SignalName.name(of: signal)))])
        case .continued: with([])
        case .replaced(let offsets):
            with([
                ("offsets", .object(members: offsets.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) })),
                ("argv", .array(process.arguments.map { JSONValue.bytes($0) })),
                ("generation", .integer(process.generation)),
            ])
        }
    }

    /// The one message that is made by the megabyte: written straight into the send queue.
    private func writeOutput(_ stream: String, _ offset: Int, _ data: [UInt8], into bytes: inout [UInt8]) {
        bytes.append(contentsOf: "{\"jsonrpc\":\"2.0\",\"method\":\"output\",\"params\":{\"subscription\":".utf8)
        bytes.append(contentsOf: String(subscription).utf8)
        bytes.append(contentsOf: ",\"process\":\(process.id),\"stream\":\"\(stream)\",\"offset\":\(offset),".utf8)
        JSONData.writeMember(data, into: &bytes)
        bytes.append(contentsOf: "}}".utf8)
    }
}
