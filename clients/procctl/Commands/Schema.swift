// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl schema`.
struct Schema: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Show the methods the server has (rpc.discover), or all about one of them.",
        discussion: "With --json the OpenRPC document itself, or the method's part of it.")

    @Argument(help: "A method.", completion: .custom { _, _, _ in Candidates.methods() })
    var method: String?

    @OptionGroup var server: ServerOptions

    func run() throws {
        let document = try server.connect().call("rpc.discover", [])
        let methods = document["methods"]?.elements ?? []
        guard let method else {
            if server.json { return try Output.json(document) }
            let lines = methods.map { ($0["name"]?.string ?? "?", $0["summary"]?.string ?? "") }
            return try Output.write(InspectionText.aligned(lines).utf8)
        }
        guard let found = methods.first(where: { $0["name"]?.string == method }) else {
            throw Failure("the server has no method \(method)", hint: "\"procctl schema\" shows those it has")
        }
        if server.json { return try Output.json(found) }
        try Output.write(Self.describe(found).utf8)
    }

    private static func describe(_ method: JSONValue) -> String {
        let params = method["params"]?.elements ?? []
        let lines = params.map { param in
            let needed = param["required"]?.boolean == true ? "*" : ""
            return ("  " + (param["name"]?.string ?? "?") + needed, param["description"]?.string ?? "")
        }
        let text = method["description"]?.string ?? method["summary"]?.string ?? ""
        return (text.isEmpty ? "" : text + "\n\n") + "Params, in this order by position (* = required):\n"
            + InspectionText.aligned(lines)
    }
}
