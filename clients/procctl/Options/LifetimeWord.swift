// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// What a process's life depends on.
enum LifetimeWord: ExpressibleByArgument {
    case detached, connection
    case lease(Milliseconds)

    init?(argument: String) {
        switch argument {
        case "detached": self = .detached
        case "connection": self = .connection
        default:
            guard argument.hasPrefix("lease:"), let length = Milliseconds(argument: String(argument.dropFirst(6))),
                length.count > 0
            else { return nil }
            self = .lease(length)
        }
    }

    var json: JSONValue {
        switch self {
        case .detached: "detached"
        case .connection: "connection"
        case .lease(let length): .object(["lease_ms": length.json])
        }
    }
}
