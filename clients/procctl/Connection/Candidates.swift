// SPDX-License-Identifier: Apache-2.0
import JSON

/// Words for shell completion, from the server if there is one: pressing TAB starts nothing and says nothing.
enum Candidates {
    /// Ids and names.
    static func processes() -> [String] {
        (ask("list")?["processes"]?.elements ?? []).flatMap { record in
            [record["id"]?.integer.map { String($0) }, record["name"]?.string].compactMap { $0 }
        }
    }

    static func methods() -> [String] {
        (ask("rpc.discover")?["methods"]?.elements ?? []).compactMap { $0["name"]?.string }
    }

    private static func ask(_ method: String) -> JSONValue? {
        guard let address = try? ServerAddress(option: nil, autostart: false) else { return nil }
        return try? Client(address: address).call(method, [])
    }
}
