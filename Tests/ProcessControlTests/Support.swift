// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@testable import ProcessControl

/// The testing library has an `ExitStatus` too.
typealias End = ProcessControl.ExitStatus

/// A process that no child stands behind, brought into a state by the events that lead there.
func makeProcess(
    _ id: Int, name: String? = nil, uid: UInt32 = 1000, labels: [(String, String)] = [],
    state: ProcessState = .running
) -> ManagedProcess {
    var spec = SpawnSpec(program: ProgramSpec(arguments: [Array("program".utf8)]), limits: Limits())
    spec.name = name
    spec.labels = labels
    let process = ManagedProcess(
        id: id, spec: spec, owner: Owner(uid: uid, gid: uid), environment: Environment())
    for event in Lifecycle.way(to: state) { _ = process.lifecycle.take(event) }
    return process
}

extension ManagedProcess {
    /// Ends it, as the supervisor does: drained too unless somebody still has its output.
    func end(_ exit: End = .code(0), drained: Bool = true) {
        _ = lifecycle.take(.ended)
        self.exit = exit
        if drained { drainedAt = 1 }
    }
}

extension Lifecycle {
    /// The events that lead to a state.
    static func way(to state: ProcessState) -> [Event] {
        switch state {
        case .starting: []
        case .held: [.heldReady]
        case .running: [.started]
        case .stopped: [.started, .stopped]
        case .exited: [.started, .ended]
        }
    }
}

extension EventLoop {
    /// Serves events until a condition holds, for 10 s at most. Whether it holds.
    func serve(until condition: @escaping () -> Bool) throws -> Bool {
        let limit = EventLoop.now() + 10_000
        func look() {
            if condition() || EventLoop.now() > limit { stop() } else { after(1, look) }
        }
        later(look)
        try run()
        return condition()
    }
}

/// A captured stream and the end that a program would write to.
final class TestPipe {
    let stream: CapturedStream
    private let loop: EventLoop
    private let reading: CInt
    private var writing: SharedDescriptor?

    init(_ loop: EventLoop, limit: Int, _ whenFull: WhenFull = .discardOldest) throws {
        self.loop = loop
        let pipe = try Pipe(.fromChild)
        writing = pipe.theirs
        reading = pipe.ours.raw
        stream = try CapturedStream(
            loop: loop, pipe: pipe.ours, limit: limit, whenFull: whenFull, order: ArrivalOrder())
    }

    func write(_ bytes: [UInt8]) {
        guard let writing else { return }
        #expect(Glibc.write(writing.raw, bytes, bytes.count) == bytes.count)
    }

    func write(_ text: String) { write(Array(text.utf8)) }

    /// The program ends.
    func closeWriting() { writing = nil }

    /// As long as the stream has it.
    var waiting: Int { Descriptor.bytesWaiting(in: reading) }

    /// Another test's child may hold a copy between its fork and its exec.
    func waitForHangUp() -> Bool {
        for _ in 0..<5000 {
            if Descriptor.hasHungUp(reading) { return true }
            usleep(2000)
        }
        return false
    }

    /// What the stream has at `offset`.
    func chunk(at offset: Int, limit: Int) -> Given? {
        stream.chunk(at: offset, limit: limit).map { Given($0, of: stream) }
    }

    /// Serves until so many bytes have come.
    func serve(toEnd end: Int) throws -> Bool { try loop.serve { self.stream.end == end } }
}

/// A chunk with its bytes, as they were when it was given.
enum Given: Equatable {
    case bytes([UInt8], offset: Int, atEnd: Bool)
    case gap(offset: Int, length: Int)

    init(_ chunk: CapturedStream.Chunk, of stream: CapturedStream) {
        switch chunk {
        case .bytes(let offset, let count, let atEnd):
            self = .bytes(stream.withBytes(from: offset, count: count) { Array($0) }, offset: offset, atEnd: atEnd)
        case .gap(let offset, let length): self = .gap(offset: offset, length: length)
        }
    }

    static func text(_ text: String, at offset: Int, end: Bool = false) -> Self {
        .bytes(Array(text.utf8), offset: offset, atEnd: end)
    }
}
