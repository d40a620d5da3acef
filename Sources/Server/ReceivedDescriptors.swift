// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel

/// The descriptors of one message, by index. What nobody has taken when the message has been dispatched is closed.
final class ReceivedDescriptors {
    private let descriptors: [SharedDescriptor]
    /// The kernel, or our limit, had to drop some.
    let isTruncated: Bool

    init(_ descriptors: [SharedDescriptor], isTruncated: Bool) {
        self.descriptors = descriptors
        self.isTruncated = isTruncated
    }

    /// The one with this index; one index may be used several times.
    func descriptor(at cursor: JSONCursor) throws(JSONMismatch) -> SharedDescriptor {
        let index = try cursor.integer(0...Int64(DescriptorArrivals.most))
        guard index < descriptors.count else {
            throw cursor.mismatch(
                expected: descriptors.isEmpty
                    ? "the index of a descriptor sent with the message, which has none"
                    : "the index of a descriptor sent with the message: 0 to \(descriptors.count - 1)",
                found: "\(index)")
        }
        return descriptors[Int(index)]
    }
}

/// Descriptors that have arrived on a connection and wait for the end of their message: they belong to the one that
/// holds the last byte that was received with them.
struct DescriptorArrivals {
    /// SCM_MAX_FD, unix(7).
    static let most = 253

    private struct Arrival {
        let endOffset: Int
        var descriptors: [SharedDescriptor]
        var isTruncated: Bool
    }

    private var arrivals: [Arrival] = []

    mutating func add(_ descriptors: [SharedDescriptor], upTo endOffset: Int, isTruncated: Bool) {
        arrivals.append(Arrival(endOffset: endOffset, descriptors: descriptors, isTruncated: isTruncated))
        // A message that never ends must not collect them without bound.
        if arrivals.reduce(0, { $0 + $1.descriptors.count }) > Self.most, arrivals.count > 1 {
            arrivals = [Arrival(endOffset: endOffset, descriptors: [], isTruncated: true)]
        }
    }

    /// Those of the message that ends here.
    mutating func take(upTo endOffset: Int) -> ReceivedDescriptors {
        guard !arrivals.isEmpty else { return Self.none }
        let mine = arrivals.prefix { $0.endOffset <= endOffset }
        guard !mine.isEmpty else { return Self.none }
        arrivals.removeFirst(mine.count)
        return ReceivedDescriptors(mine.flatMap(\.descriptors), isTruncated: mine.contains { $0.isTruncated })
    }

    static let none = ReceivedDescriptors([], isTruncated: false)
}
