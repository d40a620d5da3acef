// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC

/// The server that the examples of JSON-RPC 2.0 section 7 talk to.
struct TestServer {
    /// The answer to a message, or `nil` where there is none.
    func answer(_ text: String) -> JSONValue? {
        switch Message.parse(Array(text.utf8)) {
        case .single(let incoming):
            return answer(incoming)
        case .batch(let members):
            let answers = members.compactMap { answer($0) }
            return answers.isEmpty ? nil : .array(answers)
        }
    }

    private func answer(_ incoming: Incoming) -> JSONValue? {
        switch incoming {
        case .invalid(let id, let error):
            return Reply.failure(id: id, error)
        case .request(let request):
            let result = Result { () throws(RPCError) in try call(request.method, request.parameters) }
            guard let id = request.id else { return nil }
            switch result {
            case .success(let value): return Reply.success(id: id, result: value)
            case .failure(let error): return Reply.failure(id: id, error)
            }
        }
    }

    private func call(_ method: String, _ parameters: Parameters) throws(RPCError) -> JSONValue {
        switch method {
        case "subtract":
            let params = try parameters.byName(["minuend", "subtrahend"])
            do throws(JSONMismatch) {
                try params.requireObject(allowing: ["minuend", "subtrahend"])
                let minuend = try params.requiredMember("minuend", expected: "an integer").integer()
                return .integer(minuend - (try params.requiredMember("subtrahend", expected: "an integer").integer()))
            } catch {
                throw .invalidParams(error)
            }
        case "sum":
            guard case .positional(let values) = parameters else { return 0 }
            return .integer(values.compactMap(\.integer).reduce(0, +))
        case "get_data":
            return ["hello", 5]
        case "update", "notify_hello", "notify_sum":
            return .null
        default:
            throw .methodNotFound(method)
        }
    }
}
