// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import SystemPackage
import Testing

@testable import Kernel

@MainActor @Suite struct SharedDescriptorTests {
    /// A pipe whose write end is in nobody's care yet.
    private func pipe() throws -> (reading: SharedDescriptor, writing: CInt) {
        var (reading, writing): (CInt, CInt) = (-1, -1)
        try kernelResult(pk_pipe(&reading, &writing))
        return (SharedDescriptor(Descriptor(taking: reading)), writing)
    }

    @Test(arguments: [true, false]) func theLastOwnerClosesIt(received: Bool) throws {
        let (reading, writing) = try pipe()
        do {
            var owners = [SharedDescriptor]()
            owners.append(
                received ? SharedDescriptor(received: writing) : SharedDescriptor(Descriptor(taking: writing)))
            owners.append(owners[0])
            #expect(owners[1].raw == writing)
            owners.removeFirst()
            #expect(!Descriptor.hasHungUp(reading.raw))
            #expect(fcntl(writing, F_GETFD) == FD_CLOEXEC)
            owners.removeFirst()
        }
        #expect(eventually { Descriptor.hasHungUp(reading.raw) })
    }

    /// Closing a file of somebody's file server may block: it is closed aside, but it is closed.
    @Test func aForeignFileIsClosedAside() throws {
        let scratch = try Scratch()
        let file = try Descriptor.open(try scratch.write("x", to: "file"), O_RDONLY)
        // A lease would be broken by a writer; the lock shows when the last copy of the description has gone.
        try #require(flock(file.raw, LOCK_EX | LOCK_NB) == 0)
        _ = SharedDescriptor(received: file.release())
        let other = try Descriptor.open(scratch.file("file"), O_RDONLY)
        #expect(eventually { flock(other.raw, LOCK_EX | LOCK_NB) == 0 })
    }

    // MARK: The upper numbers

    @Test func whatStaysIsLifted() throws {
        let (reading, writing) = try pipe()
        let inode = Descriptor.inode(of: writing)
        let lifted = Descriptor(taking: writing).lifted()
        #expect(lifted.raw >= Descriptor.longLivedFloor)
        #expect(Descriptor.inode(of: lifted.raw) == inode)
        #expect(fcntl(lifted.raw, F_GETFD) == FD_CLOEXEC)
        #expect(Descriptor.inode(of: writing) != inode, "the lower number is free")
        let number = lifted.raw
        let again = lifted.lifted()
        #expect(again.raw == number)
        #expect(Descriptor.inode(of: number) == inode)
        withExtendedLifetime(reading) {}
    }

    @Test func itStaysWhereTheLimitForbids() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let descriptor = try Descriptor.open("/dev/null", O_RDONLY)
            let number = descriptor.raw
            #expect(number < 256)
            let lifted = descriptor.lifted()
            #expect(lifted.raw == number)
            #expect(fcntl(number, F_GETFD) == FD_CLOEXEC)
        }
    }

    // MARK: Pipes and pairs

    @Test func aPipesEndsAreClosedByTheirOwners() throws {
        func closingTheOther() throws -> SharedDescriptor {
            let pipe = try Pipe(.fromChild)
            #expect(fcntl(pipe.ours.raw, F_GETFD) == FD_CLOEXEC)
            #expect(fcntl(pipe.theirs.raw, F_GETFD) == FD_CLOEXEC)
            #expect(Glibc.write(pipe.theirs.raw, "ab", 2) == 2)
            #expect(Descriptor.bytesWaiting(in: pipe.ours.raw) == 2)
            #expect(fcntl(pipe.ours.raw, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(pipe.theirs.raw, F_GETFL) & O_NONBLOCK == 0, "does not show in the child")
            return pipe.ours
        }
        let reading = try closingTheOther()
        #expect(eventually { Descriptor.hasHungUp(reading.raw) })
    }

    @Test func aPairKeepsMessagesApart() throws {
        let pair = try SocketPair()
        #expect(send(pair.theirs.raw, "one", 3, 0) == 3)
        #expect(send(pair.theirs.raw, "two", 3, 0) == 3)
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(read(pair.ours.raw, &buffer, 10) == 3)
        #expect(fcntl(pair.ours.raw, F_GETFD) == FD_CLOEXEC)
    }
}
