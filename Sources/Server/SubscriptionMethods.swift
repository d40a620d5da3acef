// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import ProcessControl

/// `subscribe` and `unsubscribe`.
extension Server {
    var subscriptionMethods: [Method] {
        [
            Method("subscribe", Member.optional("processes", "events", "from", "lossless", "streams", "stall_ms")) {
                [unowned self] in try subscribe($0, $1)
            },
            Method("unsubscribe", [.required("subscription", "the id of a subscription")]) {
                [unowned self] in try unsubscribe($0, $1)
            },
        ]
    }

    static let streamNames = ["stdout", "stderr", "terminal"]

    private func subscribe(_ call: Call, _ parameters: JSONCursor) throws {
        let selector = try parameters.ifPresent("processes") { try $0.selector() } ?? .all
        let events = try parameters.ifPresent("events") { try self.words($0, of: ProcessEvent.names) }
        let streams = try parameters.ifPresent("streams") { try self.words($0, of: Self.streamNames) }
        let from = try parameters.ifPresent("from") { cursor in
            try cursor.requireObject(allowing: Self.streamNames)
            return Dictionary(
                uniqueKeysWithValues: try cursor.members().map { ($0.key, Int(try $0.value.integer(0...Int64.max))) })
        }
        let isLossless = try parameters.ifPresent("lossless") { try $0.boolean() } ?? false
        let stall = try parameters.ifPresent("stall_ms") { try $0.integer(1...ServerLimits.longest) }
        let subscriptions = call.connection.subscriptions
        if subscriptions.count >= limits.subscriptions {
            throw Refusal.limitReached(name: "subscriptions", maximum: limits.subscriptions)
        }
        let processes = try supervisor.select(selector, for: call.peer.uid)
        let request = Subscriptions.Request(
            processes: processes, selector: selector, events: events ?? Set(ProcessEvent.names), streams: streams,
            from: from, isLossless: isLossless, stall: stall ?? limits.stall)
        let subscription = subscriptions.begin(request, viewer: call.peer.uid)
        call.succeed([
            "subscription": .integer(subscription.id),
            "processes": .array(processes.map { .integer($0.id) }),
        ])
    }

    private func words(_ cursor: JSONCursor, of names: [String]) throws(JSONMismatch) -> Set<String> {
        var words: Set<String> = []
        for element in try cursor.elements(maximum: names.count) { words.insert(try element.oneOf(names)) }
        return words
    }

    private func unsubscribe(_ call: Call, _ parameters: JSONCursor) throws {
        let cursor = try parameters.need("subscription")
        let id = try cursor.integer(1...Int64.max)
        guard call.connection.subscriptions.end(Int(id)) else {
            throw cursor.mismatch(expected: "a subscription of this connection", found: "\(id)")
        }
        call.succeed(["subscription": .integer(id)])
    }
}
