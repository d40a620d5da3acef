// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl info`.
struct Info: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Show the server's version, its limits, and what this kernel allows.")

    @OptionGroup var server: ServerOptions

    func run() throws {
        let result = try server.connect().call("info", [])
        if server.json { return try Output.json(result) }
        try Output.write(InspectionText.aligned(Self.lines(result, prefix: "")).utf8)
    }

    /// Whatever the server tells, nested names joined by a dot.
    private static func lines(_ object: JSONValue, prefix: String) -> [(String, String)] {
        (object.members ?? []).flatMap { key, value -> [(String, String)] in
            switch value.kind {
            case .object where value["base64"] == nil: lines(value, prefix: prefix + key + ".")
            case .integer where key.hasSuffix("_at"): [(prefix + key, value.integer.map(TimeText.instant) ?? "?")]
            case .string, .object: [(prefix + key, Escaped.text(Escaped.bytes(of: value)))]
            case .boolean: [(prefix + key, value.boolean == true ? "yes" : "no")]
            default: [(prefix + key, value.description)]
            }
        }
    }
}
