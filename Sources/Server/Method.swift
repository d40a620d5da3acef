// SPDX-License-Identifier: Apache-2.0
import JSON

/// A member of a method's params. Their order in a method is that of params by position.
struct Member {
    let name: String
    let isRequired: Bool
    /// For the error when it is missing.
    let expected: String

    static func required(_ name: String, _ expected: String) -> Member {
        Member(name: name, isRequired: true, expected: expected)
    }

    static func optional(_ names: String...) -> [Member] {
        names.map { Member(name: $0, isRequired: false, expected: "") }
    }
}

/// A method of the wire: its name, its params, what it does.
struct Method {
    let name: String
    let members: [Member]
    /// Params by position.
    let memberNames: [String]
    /// Requests behind it start when it is decided: they may be about what it makes.
    let delaysOthers: Bool
    let run: (Call, JSONCursor) throws -> Void

    init(
        _ name: String, _ members: [Member] = [], delaysOthers: Bool = false,
        run: @escaping (Call, JSONCursor) throws -> Void
    ) {
        self.name = name
        self.members = members
        memberNames = members.map(\.name)
        self.delaysOthers = delaysOthers
        self.run = run
    }
}

extension Server {
    /// Every method there is. `schema/openrpc.json` names the same ones with the same members; a test holds the two
    /// together.
    static func makeMethods(for server: Server) -> [String: Method] {
        let all =
            server.spawnMethods + server.waitMethods + server.killMethods + server.recordMethods
            + server.outputMethods + server.inputMethods + server.subscriptionMethods + server.serverMethods
        return Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    }
}
