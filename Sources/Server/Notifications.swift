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
        writeNotification(method: item.method, into: &bytes) { params in
            params.object { members in
                members.member("subscription", subscription)
                members.member("process", process.id)
                switch item {
                case .event(let event): writeMembers(of: event, into: &members)
                case .gap(let stream, let offset, let length):
                    members.member("stream", stream)
                    members.member("offset", offset)
                    members.member("length", length)
                case .output(let stream, let offset, let data):
                    members.member("stream", stream)
                    members.member("offset", offset)
                    data.withUnsafeBytes { data in members.member(data: data) }
                }
            }
        }
    }

    private func writeMembers(of event: ProcessEvent, into params: inout JSONWriter) {
        switch event {
        case .started, .exited, .drained:
            params.member("record") { RecordEncoding.write(process, instance: instance, into: &$0) }
        case .stopped(let signal):
            params.member("signal", signal)
            params.member("signal_name", SignalName.name(of: signal))
        case .continued: break
        case .replaced(let offsets):
            params.member("offsets") { writer in
                writer.object { members in
                    for (stream, offset) in offsets.sorted(by: { $0.key < $1.key }) {
                        members.member(named: stream) { $0.value(Int64(offset)) }
                    }
                }
            }
            params.member("argv") { $0.array(process.arguments) { $0.value(bytes: $1) } }
            params.member("generation", process.generation)
        }
    }
}

extension Feed.Item {
    fileprivate var method: String {
        switch self {
        case .event(let event): event.name
        case .gap: "gap"
        case .output: "output"
        }
    }
}
