// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import Kernel
import Testing

@testable import Server

/// Which descriptors belong to which message.
@Suite struct DescriptorArrivalsTests {
    private func some(_ count: Int) throws -> [SharedDescriptor] { try (0..<count).map { _ in try nullDevice() } }

    /// The numbers that a message has got, in the order of its indices.
    private func numbers(_ descriptors: ReceivedDescriptors) throws -> [CInt] {
        var numbers: [CInt] = []
        while let descriptor = try? descriptors.descriptor(at: JSONCursor(.integer(numbers.count))) {
            numbers.append(descriptor.raw)
        }
        return numbers
    }

    @Test func aMessageWithoutHasNone() throws {
        var arrivals = DescriptorArrivals()
        let none = arrivals.take(upTo: 100)
        #expect(try numbers(none) == [])
        #expect(!none.isTruncated)
    }

    /// They belong to the message with the last byte that came with them.
    @Test func theMessageOfTheLastByteGetsThem() throws {
        var arrivals = DescriptorArrivals()
        let (first, second) = (try some(2), try some(1))
        arrivals.add(first, upTo: 50, isTruncated: false)
        arrivals.add(second, upTo: 80, isTruncated: false)
        #expect(try numbers(arrivals.take(upTo: 49)) == [])
        #expect(try numbers(arrivals.take(upTo: 50)) == first.map(\.raw))
        #expect(try numbers(arrivals.take(upTo: 79)) == [])
        #expect(try numbers(arrivals.take(upTo: 200)) == second.map(\.raw))
        #expect(try numbers(arrivals.take(upTo: 300)) == [])
    }

    /// A message that came in pieces, each with its own: the indices run on.
    @Test func severalArrivalsOfOneMessageAreOneList() throws {
        var arrivals = DescriptorArrivals()
        let all = try some(6)
        arrivals.add(Array(all[..<3]), upTo: 10, isTruncated: false)
        arrivals.add(Array(all[3..<4]), upTo: 20, isTruncated: false)
        arrivals.add(Array(all[4...]), upTo: 40, isTruncated: false)
        #expect(try numbers(arrivals.take(upTo: 30)) == all[..<4].map(\.raw))
        #expect(try numbers(arrivals.take(upTo: 40)) == all[4...].map(\.raw))
    }

    @Test func truncationIsItsMessagesAlone() throws {
        var arrivals = DescriptorArrivals()
        arrivals.add(try some(1), upTo: 10, isTruncated: false)
        arrivals.add([], upTo: 20, isTruncated: true)
        arrivals.add(try some(1), upTo: 30, isTruncated: false)
        #expect(!arrivals.take(upTo: 10).isTruncated)
        #expect(arrivals.take(upTo: 25).isTruncated)
        #expect(!arrivals.take(upTo: 30).isTruncated)
    }

    @Test func truncationOfOnePieceIsTruncationOfTheMessage() throws {
        var arrivals = DescriptorArrivals()
        arrivals.add(try some(1), upTo: 10, isTruncated: true)
        arrivals.add(try some(1), upTo: 20, isTruncated: false)
        #expect(arrivals.take(upTo: 20).isTruncated)
    }

    @Test func asManyAsOneMessageMayHave() throws {
        var arrivals = DescriptorArrivals()
        let few = try some(8)
        let all = (0..<DescriptorArrivals.most).map { few[$0 * 5 % 8] }
        arrivals.add(Array(all[..<200]), upTo: 10, isTruncated: false)
        arrivals.add(Array(all[200...]), upTo: 20, isTruncated: false)
        let taken = arrivals.take(upTo: 20)
        #expect(!taken.isTruncated)
        #expect(try numbers(taken) == all.map(\.raw))
    }

    /// A message that never ends does not collect them without bound: they are closed, and the message fails.
    @Test func noMessageCollectsMore() throws {
        var arrivals = DescriptorArrivals()
        weak var first: SharedDescriptor?
        for piece in 1...50 {
            let one = try some(1)
            if piece == 1 { first = one[0] }
            arrivals.add(Array(repeating: one[0], count: 20), upTo: piece * 10, isTruncated: false)
            if piece == 12 { #expect(first != nil) }
        }
        #expect(first == nil)
        #expect(arrivals.take(upTo: 500).isTruncated)
        let next = try some(1)
        arrivals.add(next, upTo: 600, isTruncated: false)
        let taken = arrivals.take(upTo: 600)
        #expect(!taken.isTruncated)
        #expect(try numbers(taken) == next.map(\.raw))
    }

    // MARK: Indices

    @Test func oneIndexMayBeUsedSeveralTimes() throws {
        let descriptors = try received(2)
        let cursor = try JSONCursor.parse("1")
        #expect(try descriptors.descriptor(at: cursor) === descriptors.descriptor(at: cursor))
        #expect(try descriptors.descriptor(at: JSONCursor(0)) !== descriptors.descriptor(at: cursor))
    }

    @Test(arguments: [
        ("2", "the index of a descriptor sent with the message: 0 to 1", "2"),
        ("253", "the index of a descriptor sent with the message: 0 to 1", "253"),
        ("254", "an integer from 0 to 253", "254"), ("-1", "an integer from 0 to 253", "-1"),
        ("\"0\"", "an integer from 0 to 253", "string"), ("0.0", "an integer from 0 to 253", "real"),
    ])
    func otherIndicesAreRefused(_ json: String, expected: String, found: String) throws {
        let descriptors = try received(2)
        let wrong = try mismatch(of: json, as: "fd") { try descriptors.descriptor(at: $0) }
        #expect(wrong == Mismatch(path: "fd", expected: expected, found: found))
    }

    @Test func aMessageWithNoneSaysSo() throws {
        let wrong = try mismatch(of: "0") { try DescriptorArrivals.none.descriptor(at: $0) }
        #expect(wrong?.expected == "the index of a descriptor sent with the message, which has none")
    }

    @Test func whatNobodyTakesIsClosed() throws {
        func received() throws -> (writing: CInt, reading: SharedDescriptor) {
            let pipe = try Pipe(.fromChild)
            return (fcntl(pipe.theirs.raw, F_DUPFD_CLOEXEC, 3), pipe.ours)
        }
        let (writing, reading) = try received()
        do {
            let descriptors = ReceivedDescriptors([SharedDescriptor(received: writing)], isTruncated: false)
            #expect(try numbers(descriptors) == [writing])
            #expect(!Descriptor.hasHungUp(reading.raw))
        }
        // Another test's child may hold a copy between its fork and its exec.
        var tries = 0
        while !Descriptor.hasHungUp(reading.raw), tries < 5000 {
            usleep(2000)
            tries += 1
        }
        #expect(Descriptor.hasHungUp(reading.raw))
    }
}
