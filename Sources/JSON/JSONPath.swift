// SPDX-License-Identifier: Apache-2.0

/// Where a value stands in its document, as messages print it: `env.PATH`, `argv[0]`, nothing for the root.
public struct JSONPath: CustomStringConvertible, Equatable, Sendable {
    /// A chain from the leaf up: a step allocates once, and nothing is printed unless something is wrong.
    private indirect enum Step: Equatable, Sendable {
        case root
        case member(String, of: Step)
        case element(Int, of: Step)
    }

    private var step: Step

    private init(_ step: Step) {
        self.step = step
    }

    /// The document itself.
    public static let root = JSONPath(.root)

    /// The path of that member.
    public func appending(_ key: String) -> JSONPath {
        JSONPath(.member(key, of: step))
    }

    /// The path of that element.
    public func appending(_ index: Int) -> JSONPath {
        JSONPath(.element(index, of: step))
    }

    public var description: String {
        var parts: [String] = []
        var current = step
        while true {
            switch current {
            case .root:
                return parts.reversed().joined()
            case .member(let key, .root):
                parts.append(key)
                current = .root
            case .member(let key, let parent):
                parts.append("." + key)
                current = parent
            case .element(let index, let parent):
                parts.append("[\(index)]")
                current = parent
            }
        }
    }
}
