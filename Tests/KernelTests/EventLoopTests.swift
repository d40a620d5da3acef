// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import Testing

@testable import Kernel

@MainActor @Suite(.serialized) struct EventLoopTests {
    private let loop: EventLoop

    init() throws { loop = try EventLoop() }

    // MARK: Descriptors

    @Test func aReadableDescriptorIsToldOfAsLongAsItIs() throws {
        let pipe = try makePipe()
        var calls = 0
        try loop.add(pipe.reading.raw, .readable) { events in
            #expect(events.contains(.readable))
            calls += 1
        }
        try loop.serve(rounds: 5)
        #expect(calls == 0)
        _ = try pipe.writing.write("x")
        #expect(try loop.serve { calls >= 3 })
        loop.remove(pipe.reading.raw)
        let before = calls
        try loop.serve(rounds: 5)
        #expect(calls == before)
    }

    @Test func edgesAreToldOnce() throws {
        let pipe = try makePipe()
        var calls = 0
        try loop.add(pipe.reading.raw, [.readable, .edge]) { _ in calls += 1 }
        _ = try pipe.writing.write("x")
        try loop.serve(rounds: 10)
        #expect(calls == 1)
        _ = try pipe.writing.write("y")
        try loop.serve(rounds: 10)
        #expect(calls == 2)
        loop.remove(pipe.reading.raw)
    }

    @Test func theEndOfAPipe() throws {
        var seen: EventLoop.Events = []
        func closingTheOther() throws -> SharedDescriptor { try Pipe(.fromChild).ours }
        let reading = try closingTheOther()
        try loop.add(reading.raw, []) { seen.formUnion($0) }
        #expect(try loop.serve { seen.contains(.hungUp) })
        loop.remove(reading.raw)
    }

    @Test func interestChanges() throws {
        let (ours, theirs) = try Self.socketPair()
        var seen: [EventLoop.Events] = []
        try loop.add(ours.raw, .readable) { seen.append($0) }
        try loop.serve(rounds: 3)
        #expect(seen.isEmpty)
        try loop.change(ours.raw, .writable)
        #expect(try loop.serve { seen == [.writable] || seen.count > 1 })
        try loop.change(ours.raw, [.readable, .halfClosed])
        seen = []
        shutdown(theirs.raw, CInt(SHUT_WR))
        #expect(try loop.serve { seen.last == [.readable, .halfClosed] })
        try loop.change(ours.raw, [])
        seen = []
        try loop.serve(rounds: 3)
        #expect(seen.isEmpty)
        loop.remove(ours.raw)
    }

    /// An event that was fetched before its descriptor was removed belongs to nobody, not even to who has the number
    /// now.
    @Test func aStaleEventIsDropped() throws {
        let numbers = try (0..<2).map { _ in try Self.socketPair() }
        for (_, theirs) in numbers { #expect(write(theirs.raw, "x", 1) == 1) }
        let other = try makePipe()
        var calls: [String] = []
        let loop = loop
        for index in 0..<2 {
            try loop.add(numbers[index].0.raw, .readable) { _ in
                // Whoever comes first puts something silent in the place of the one that comes second.
                calls.append("first")
                for (ours, _) in numbers { loop.remove(ours.raw) }
                let place = numbers[1 - index].0.raw
                #expect(dup2(other.reading.raw, place) == place)
                _ = fcntl(place, F_SETFD, FD_CLOEXEC)
                do {
                    try loop.add(place, .readable) { _ in calls.append("second") }
                } catch {
                    Issue.record(error)
                }
            }
        }
        try loop.serve(rounds: 10)
        #expect(calls == ["first"])
        _ = try other.writing.write("x")
        #expect(try loop.serve { calls.last == "second" })
        for (ours, _) in numbers { loop.remove(ours.raw) }
    }

    @Test func removingWhatIsNotWatchedIsNothing() throws {
        let pipe = try makePipe()
        loop.remove(pipe.reading.raw)
        loop.remove(60_000)
        try loop.add(pipe.reading.raw, .readable) { _ in }
        loop.remove(pipe.reading.raw)
        loop.remove(pipe.reading.raw)
        try loop.add(pipe.reading.raw, .readable) { _ in }
        loop.remove(pipe.reading.raw)
    }

    @Test func whatCannotBeWatchedIsAnErrorAndNotWatched() throws {
        let scratch = try Scratch()
        let file = try Descriptor.open(try scratch.write("x", to: "file"), O_RDONLY)
        for _ in 0..<2 {
            #expect(throws: Errno.notPermitted) { try loop.add(file.raw, .readable) { _ in } }
        }
    }

    /// More than one epoll_wait(2) takes, and every one is served. In a process of its own, for it has many open.
    @Test func manyAtOnce() async {
        await #expect(processExitsWith: .success) {
            try await MainActor.run {
                let loop = try EventLoop()
                let sockets = try (0..<300).map { _ in try Self.socketPair() }
                var seen: Set<CInt> = []
                for (ours, theirs) in sockets {
                    let number = ours.raw
                    try loop.add(number, .readable) { _ in
                        seen.insert(number)
                        loop.remove(number)
                    }
                    #expect(write(theirs.raw, "x", 1) == 1)
                }
                #expect(try loop.serve { seen.count == 300 })
            }
        }
    }

    /// The kernel tells of a child's end by its pidfd.
    @Test func theEndOfAChild() throws {
        let child = try Helper(["sleep", "60"])
        let pidfd = try ChildProcess.open(child.pid)
        var calls = 0
        try loop.add(pidfd.raw, [.readable, .edge]) { _ in calls += 1 }
        try loop.serve(rounds: 3)
        #expect(calls == 0)
        try ChildProcess.signal(pidfd, SIGKILL)
        #expect(try loop.serve { calls == 1 })
        let exit = try #require(try ChildProcess.reap(pidfd))
        #expect(exit.bySignal && exit.status == SIGKILL && !exit.core)
        loop.remove(pidfd.raw)
        #expect(throws: Errno.noSuchProcess) { try ChildProcess.signal(pidfd, SIGKILL) }
    }

    // MARK: Work put off, and the end

    @Test func workIsPutOffToTheEndOfTheRound() throws {
        let pipe = try makePipe()
        var order: [String] = []
        let loop = loop
        _ = try pipe.writing.write("x")
        try loop.add(pipe.reading.raw, .readable) { _ in
            loop.remove(pipe.reading.raw)
            loop.later { order.append("later") }
            loop.later {
                order.append("much later")
                loop.later {
                    order.append("next round")
                    loop.stop()
                }
            }
            order.append("event")
        }
        try loop.run()
        #expect(order == ["event", "later", "much later", "next round"])
    }

    @Test func itStopsAfterThePresentRoundAndGoesOnWhereItWas() throws {
        var order: [Int] = []
        let loop = loop
        loop.later {
            order.append(1)
            loop.stop()
        }
        loop.later { order.append(2) }
        try loop.run()
        #expect(order == [1, 2])
        loop.later {
            order.append(3)
            loop.stop()
        }
        try loop.run()
        #expect(order == [1, 2, 3])
    }

    // MARK: Time

    @Test func timersFireOnceAndInOrder() throws {
        var order: [Int] = []
        let loop = loop
        for (number, delay) in [(3, 4), (1, 0), (4, 4), (2, -5)] as [(Int, Int64)] {
            loop.after(delay) { order.append(number) }
        }
        let cancelled = loop.after(2) { order.append(5) }
        loop.cancel(cancelled)
        loop.cancel(nil)
        loop.after(8) { loop.stop() }
        try loop.run()
        #expect(order.sorted() == [1, 2, 3, 4])
        #expect(order.suffix(2) == [3, 4])
    }

    @Test func aTimerMayCancelAnotherThatIsDue() throws {
        final class Two {
            var timers: [Kernel.Timer] = []
            var fired = 0
        }
        let two = Two()
        let loop = loop
        for index in 0..<2 {
            let timer = loop.after(1) {
                two.fired += 1
                loop.cancel(two.timers[1 - index])
            }
            two.timers.append(timer)
        }
        // Both have become due when the loop looks.
        usleep(5000)
        loop.after(1) { loop.stop() }
        try loop.run()
        #expect(two.fired == 1)
    }

    @Test func whatATimerSetsWaitsForTheNextRound() throws {
        var rounds = 0
        let loop = loop
        @MainActor func again() {
            rounds += 1
            if rounds == 5 { loop.stop() } else { loop.after(0, again) }
        }
        loop.after(0, again)
        try loop.run()
        #expect(rounds == 5)
    }

    @Test func noTimeIsTooLong() throws {
        let loop = loop
        let never = loop.after(.max) { Issue.record("fired") }
        loop.after(1) { loop.stop() }
        try loop.run()
        loop.cancel(never)
    }

    private static func socketPair() throws -> (SharedDescriptor, SharedDescriptor) {
        let pair = try SocketPair()
        let theirs = pair.theirs
        return (SharedDescriptor(pair.intoOurs()), theirs)
    }
}
