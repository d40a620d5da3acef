// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Kernel
public import SystemPackage

/// What a caller's write waits for, and is told.
public final class PendingWrite {
    fileprivate let data: [UInt8]
    fileprivate let endsInput: Bool
    fileprivate var completion: ((Result<InputQueue.State, Errno>) -> Void)?

    fileprivate init(
        _ data: [UInt8], endsInput: Bool, completion: @escaping (Result<InputQueue.State, Errno>) -> Void
    ) {
        self.data = data
        self.endsInput = endsInput
        self.completion = completion
    }
}

/// The input of a program, on its way into its pipe or terminal.
///
/// A write is taken whole, first come first served, as soon as less than the bound is queued; until then its caller
/// waits, and that is the back-pressure. A program that does not read holds up nobody else.
public final class InputQueue {
    /// How much has been accepted from callers, how much of that the program's end has taken, and whether it is over.
    public struct State: Equatable {
        public var accepted = 0
        public var written = 0
        public var closed = false
    }

    private let loop: EventLoop
    private let bound: Int
    /// Nil when it is over.
    private var descriptor: SharedDescriptor?
    private let isTerminal: Bool
    private var queued = Deque<[UInt8]>()
    /// Bytes of the first chunk that have been written.
    private var writtenOfFirst = 0
    private var waiting = Deque<PendingWrite>()
    private var watched = false
    private var endsAfterQueue = false
    public private(set) var state = State()

    /// `descriptor` is non-blocking, and nobody else watches this number of it.
    init(loop: EventLoop, descriptor: SharedDescriptor, isTerminal: Bool, bound: Int) {
        self.loop = loop
        self.descriptor = descriptor
        self.isTerminal = isTerminal
        self.bound = bound
    }

    private var queuedBytes: Int { state.accepted - state.written }
    /// What callers wait to see accepted.
    var waitingBytes: Int { waiting.reduce(0) { $0 + $1.data.count } }

    // MARK: From callers

    /// Takes a write now, or when there is room.
    /// - Returns: what to cancel it by; nil if it has been answered.
    public func write(
        _ data: [UInt8], endsInput: Bool, completion: @escaping (Result<State, Errno>) -> Void
    ) -> PendingWrite? {
        if state.closed || endsAfterQueue {
            completion(.failure(.brokenPipe))
            return nil
        }
        let write = PendingWrite(data, endsInput: endsInput, completion: completion)
        waiting.append(write)
        acceptWaiting()
        return write.completion == nil ? nil : write
    }

    /// A caller that does not wait any more; nothing of its write has been taken.
    public func cancel(_ write: PendingWrite) {
        write.completion = nil
        waiting.removeAll { $0 === write }
    }

    private func acceptWaiting() {
        while !state.closed, queuedBytes < bound, let write = waiting.popFirst() {
            if !write.data.isEmpty {
                queued.append(write.data)
                state.accepted += write.data.count
            }
            if write.endsInput { endInput() }
            pour()
            answer(write)
            if endsAfterQueue { refuseWaiting() }
        }
    }

    private func answer(_ write: PendingWrite) {
        let tell = write.completion
        write.completion = nil
        if state.closed, !write.data.isEmpty, state.written < state.accepted {
            tell?(.failure(.brokenPipe))
        } else {
            tell?(.success(state))
        }
    }

    /// Nothing comes behind what is queued. A terminal has no end: it is told to make one.
    private func endInput() {
        if isTerminal {
            guard let descriptor, let character = PseudoTerminal.endCharacter(descriptor) else { return }
            queued.append([character])
            state.accepted += 1
        } else {
            endsAfterQueue = true
        }
    }

    private func refuseWaiting() {
        let refused = waiting
        waiting.removeAll()
        for write in refused {
            let tell = write.completion
            write.completion = nil
            tell?(.failure(.brokenPipe))
        }
    }

    // MARK: To the program

    /// Writes what it takes.
    private func pour() {
        guard let descriptor else { return }
        do throws(Errno) {
            while let chunk = queued.first {
                let start = writtenOfFirst
                let count = try chunk.withUnsafeBufferPointer { bytes throws(Errno) in
                    try systemCall {
                        Descriptor.write(
                            descriptor.raw, UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start...])))
                    }
                }
                state.written += count
                writtenOfFirst += count
                if writtenOfFirst < chunk.count { break }
                queued.removeFirst()
                writtenOfFirst = 0
            }
        } catch .wouldBlock {
            // It reads when it likes.
        } catch {
            // EPIPE: it has closed its input. EIO: its terminal has no holder any more.
            return close()
        }
        if queued.isEmpty, endsAfterQueue { return close() }
        if queued.isEmpty { unwatch() } else { watch() }
    }

    private func watch() {
        guard !watched, let descriptor else { return }
        watched = true
        do throws(Errno) {
            try loop.add(descriptor.raw, .writable) { [weak self] _ in
                self?.pour()
                self?.acceptWaiting()
            }
        } catch {
            watched = false
            close()
        }
    }

    private func unwatch() {
        guard watched, let descriptor else { return }
        watched = false
        loop.remove(descriptor.raw)
    }

    /// It is over: the program has closed its input, or ended. What was accepted and never written shows in `state`.
    func close() {
        guard !state.closed else { return }
        unwatch()
        state.closed = true
        descriptor = nil
        queued.removeAll()
        refuseWaiting()
    }
}
