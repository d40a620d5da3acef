// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import Kernel
import Testing

@testable import Server

extension JSONCursor {
    /// A member of params, as methods see it: its path is its name.
    static func parse(_ json: String, as name: String = "m") throws -> JSONCursor {
        JSONCursor(try JSONValue.parse(json), path: .root.appending(name))
    }
}

/// Where a value was refused, what was expected and what was found.
struct Mismatch: Equatable, CustomStringConvertible {
    let path: String
    let expected: String
    let found: String
    var description: String { "\(path): \(expected), \(found)" }
}

/// What `decode` throws for a value, which must be a mismatch.
func mismatch<Value>(
    of json: String, as name: String = "m", _ place: SourceLocation = #_sourceLocation,
    _ decode: (JSONCursor) throws -> Value
) throws -> Mismatch? {
    let cursor = try JSONCursor.parse(json, as: name)
    do {
        let value = try decode(cursor)
        Issue.record("\(json) is taken as \(value)", sourceLocation: place)
        return nil
    } catch let mismatch as JSONMismatch {
        return Mismatch(path: mismatch.path.description, expected: mismatch.expected, found: mismatch.found)
    }
}

/// Descriptors as a message brings them.
func received(_ count: Int, isTruncated: Bool = false) throws -> ReceivedDescriptors {
    ReceivedDescriptors(try (0..<count).map { _ in try nullDevice() }, isTruncated: isTruncated)
}

func nullDevice() throws -> SharedDescriptor {
    SharedDescriptor(received: try Descriptor.open("/dev/null", O_RDWR).release())
}
