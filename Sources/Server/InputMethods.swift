// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import ProcessControl

/// `write` and `resize`.
extension Server {
    var inputMethods: [Method] {
        [
            Method("write", [.required("process", "a process")] + Member.optional("data", "eof")) {
                [unowned self] in try write($0, $1)
            },
            Method(
                "resize",
                [
                    .required("process", "a process"), .required("rows", "an integer from 1 to 65535"),
                    .required("cols", "an integer from 1 to 65535"),
                ]
            ) { [unowned self] in try resize($0, $1) },
        ]
    }

    private func write(_ call: Call, _ parameters: JSONCursor) throws {
        let reference = try parameters.need("process").process()
        let data = try parameters.ifPresent("data") { try $0.bytes() }
        let ends = try parameters.ifPresent("eof") { try $0.boolean() } ?? false
        guard data != nil || ends else {
            throw parameters.mismatch(expected: "\"data\", \"eof\": true, or both", found: "neither")
        }
        let process = try supervisor.find(reference, for: call.peer.uid)
        call.names([process])
        let pending = try supervisor.write(data ?? [], endsInput: ends, to: process) { result in
            switch result {
            case .success(let state):
                call.succeed([
                    "process": .integer(process.id), "accepted": .integer(state.accepted),
                    "written": .integer(state.written), "closed": .boolean(state.closed),
                ])
            case .failure(let refusal): call.fail(RPCError(refusal))
            }
        }
        if let pending {
            call.wait(cancelled: ["kind": "request_cancelled", "accepted": false]) { [self] in
                supervisor.cancel(pending, of: process)
            }
        }
    }

    private func resize(_ call: Call, _ parameters: JSONCursor) throws {
        let reference = try parameters.need("process").process()
        let rows = UInt16(try parameters.need("rows").integer(1...65_535))
        let columns = UInt16(try parameters.need("cols").integer(1...65_535))
        let process = try supervisor.find(reference, for: call.peer.uid)
        call.names([process])
        try supervisor.resize(process, rows: rows, columns: columns)
        call.succeed([
            "process": .integer(process.id), "rows": .integer(Int(rows)), "cols": .integer(Int(columns)),
        ])
    }
}
