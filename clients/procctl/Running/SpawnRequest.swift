// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import JSON
import Kernel

/// The params of a request that names descriptors, and the descriptors.
struct SpawnRequest {
    private(set) var members: [(String, JSONValue)] = []
    private(set) var descriptors: [CInt] = []

    var params: JSONValue { .object(members: members) }

    /// Adds a member; nil is left out.
    mutating func set(_ name: String, _ value: JSONValue?) {
        if let value { members.append((name, value)) }
    }

    /// Its place among the descriptors of the message.
    mutating func index(of descriptor: CInt) throws(Failure) -> JSONValue {
        guard fcntl(descriptor, F_GETFD) != -1 else {
            throw Failure("descriptor \(descriptor) is not open", status: Status.usage)
        }
        if let known = descriptors.firstIndex(of: descriptor) { return .integer(known) }
        guard descriptors.count < PK_DESCRIPTORS_MAX else {
            throw Failure("more descriptors than one message may carry", hint: "\(PK_DESCRIPTORS_MAX) at most")
        }
        descriptors.append(descriptor)
        return .integer(descriptors.count - 1)
    }

    /// `{"fd": n}`.
    mutating func reference(to descriptor: CInt) throws(Failure) -> JSONValue {
        .object(["fd": try index(of: descriptor)])
    }
}
