import Dice
// SPDX-License-Identifier: Apache-2.0
import Kernel
import Testing

@testable import ProcessControl

@Suite struct ExitMemoryTests {
    private func exited(_ id: Int, seen: Bool = false) -> ManagedProcess {
        let process = makeProcess(id)
        process.end()
        process.exitSeen = seen
        return process
    }

    /// The ids in the order in which they would be forgotten.
    private func order(_ memory: inout ExitMemory) -> [Int] {
        var order: [Int] = []
        while let next = memory.nextToForget() {
            order.append(next.id)
            memory.remove(next)
        }
        return order
    }

    @Test func theOldestGoesFirst() {
        var memory = ExitMemory()
        let none = memory.nextToForget()
        #expect(none == nil)
        for id in [4, 2, 9] { memory.add(exited(id)) }
        #expect(memory.count == 3)
        #expect(order(&memory) == [4, 2, 9])
        #expect(memory.count == 0)
    }

    @Test func thoseThatSomebodyHasSeenGoBeforeThoseThatNobodyHas() {
        var memory = ExitMemory()
        for id in 1...6 { memory.add(exited(id, seen: id == 3 || id == 5)) }
        #expect(order(&memory) == [3, 5, 1, 2, 4, 6])
    }

    @Test func seenMeanwhileCounts() {
        var memory = ExitMemory()
        let processes = (1...3).map { exited($0) }
        processes.forEach { memory.add($0) }
        memory.markSeen(processes[2])
        memory.markSeen(processes[1])
        memory.markSeen(processes[2])
        #expect(processes.map(\.exitSeen) == [false, true, true])
        #expect(order(&memory) == [3, 2, 1], "in the order in which they were seen")
    }

    @Test func whatIsNotKeptMayBeSeenToo() {
        var memory = ExitMemory()
        let process = exited(1)
        memory.markSeen(process)
        #expect(process.exitSeen)
        let none = memory.nextToForget()
        #expect(none == nil)
        memory.add(process)
        #expect(order(&memory) == [1])
    }

    @Test func whatHasBeenReleasedIsNotForgottenAgain() {
        var memory = ExitMemory()
        let processes = (1...5).map { exited($0, seen: $0 == 2) }
        processes.forEach { memory.add($0) }
        memory.remove(processes[1])
        memory.remove(processes[0])
        memory.remove(processes[0])
        #expect(memory.count == 3)
        #expect(order(&memory) == [3, 4, 5])
    }

    /// Records come and go for ever: what is left behind by those released does not pile up, nor hides others.
    @Test func releasesInAnyOrder() {
        var memory = ExitMemory()
        var dice = Dice(seed: 7)
        var (seen, unseen): ([ManagedProcess], [ManagedProcess]) = ([], [])
        for id in 1...5000 {
            let process = exited(id, seen: dice.next() % 2 == 0)
            memory.add(process)
            if process.exitSeen { seen.append(process) } else { unseen.append(process) }
            while seen.count + unseen.count > 20 || dice.next() % 3 == 0 {
                guard let released = (seen + unseen).randomElement(using: &dice) else { break }
                memory.remove(released)
                seen.removeAll { $0 === released }
                unseen.removeAll { $0 === released }
            }
            if dice.next() % 4 == 0, let one = unseen.randomElement(using: &dice) {
                memory.markSeen(one)
                unseen.removeAll { $0 === one }
                seen.append(one)
            }
            let next = memory.nextToForget()
            #expect(next === seen.first ?? unseen.first)
            #expect(memory.count == seen.count + unseen.count)
        }
        #expect(order(&memory) == (seen + unseen).map(\.id))
    }

    // MARK: Output

    /// A process whose captured output is `size` bytes.
    private func withOutput(_ id: Int, _ size: Int, _ loop: EventLoop) throws -> ManagedProcess {
        let process = exited(id)
        let pipe = try TestPipe(loop, limit: 1 << 20)
        pipe.write([UInt8](repeating: 65, count: size))
        pipe.stream.takeWhatIsThere()
        pipe.stream.close()
        process.stdout = pipe.stream
        return process
    }

    @Test func outputIsCharged() throws {
        let loop = try EventLoop()
        var memory = ExitMemory()
        let processes = try [(1, 100), (2, 0), (3, 50)].map { try withOutput($0.0, $0.1, loop) }
        processes.forEach { memory.add($0) }
        #expect(memory.retainedBytes == 150)
        #expect(memory.withOutput.map(\.id) == [1, 3])
        memory.markSeen(processes[2])
        #expect(memory.withOutput.map(\.id) == [3, 1], "what has been seen is given up first")
        processes[0].stdout?.forgetBytes()
        #expect(memory.retainedBytes == 150, "until it is counted anew")
        memory.charge(processes[0])
        memory.charge(processes[0])
        #expect(memory.retainedBytes == 50)
        #expect(memory.withOutput.map(\.id) == [3])
        memory.remove(processes[2])
        memory.remove(processes[1])
        #expect(memory.retainedBytes == 0)
        #expect(memory.count == 1)
    }

    @Test func argumentsAndLabelsAreCharged() {
        var memory = ExitMemory()
        let process = exited(1)
        process.arguments = [[UInt8](repeating: 65, count: 1000), [66]]
        process.labels = [("app", "shop")]
        memory.add(process)
        #expect(memory.recordBytes == 1008)
        #expect(memory.withOutput.isEmpty, "there is nothing of it to give up but all of it")
        process.labels = []
        memory.charge(process)
        #expect(memory.recordBytes == 1001)
        memory.remove(process)
        #expect(memory.recordBytes == 0)
    }

    @Test func whatIsNotKeptIsNotCharged() throws {
        let loop = try EventLoop()
        var memory = ExitMemory()
        let process = try withOutput(1, 100, loop)
        memory.charge(process)
        #expect(memory.retainedBytes == 0)
        memory.add(process)
        memory.remove(process)
        memory.charge(process)
        #expect(memory.retainedBytes == 0)
    }
}
