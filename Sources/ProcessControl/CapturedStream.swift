// SPDX-License-Identifier: Apache-2.0
import Kernel
import SystemPackage

/// One output stream of a process: its pipe, the ring it is read into, and who waits for more.
///
/// The pipe is read as soon as it has something, so that the program never waits for a reader, unless the ring is
/// full and `whenFull` is `block`.
public final class CapturedStream {
    /// What a read gives.
    public enum Chunk {
        case bytes([UInt8], offset: Int, atEnd: Bool)
        /// The ring has moved on: `length` bytes from `offset` are gone.
        case gap(offset: Int, length: Int)
    }

    private let loop: EventLoop
    private let whenFull: WhenFull
    private var ring: OutputRing
    private var pipe: SharedDescriptor?
    private var watched = false
    private var readers: [ObjectIdentifier: PendingRead] = [:]
    /// Called once, when the last holder of the pipe has closed it and everything is read, or when it was let go.
    var ended: (() -> Void)?

    /// Not yet drained.
    public var isOpen: Bool { pipe != nil }
    /// Offset of the oldest byte retained.
    public var start: Int { ring.start }
    /// The bytes so far.
    public var end: Int { ring.end }
    var retained: Int { ring.count }

    /// Bytes taken from a pipe at a time: what a pipe holds (pipe(7)), so that one chatty program does not hold up
    /// the others.
    private static let turn = 65_536

    /// `pipe` is a non-blocking read end.
    init(loop: EventLoop, pipe: SharedDescriptor, limit: Int, whenFull: WhenFull) throws(Errno) {
        self.loop = loop
        self.whenFull = whenFull
        ring = OutputRing(capacity: limit)
        self.pipe = pipe
        try watch()
    }

    /// The pipe's number in the kernel, to find who holds it.
    func inode() -> UInt64? { pipe.flatMap { Descriptor.inode(of: $0.raw) } }

    // MARK: From the pipe

    private func watch() throws(Errno) {
        guard let pipe, !watched else { return }
        try loop.add(pipe.raw, .readable) { [weak self] _ in self?.take(most: Self.turn) }
        watched = true
    }

    private func unwatch() {
        guard let pipe, watched else { return }
        loop.remove(pipe.raw)
        watched = false
    }

    /// Reads once. Returns the number of bytes, 0 at the end, nil when there was nothing.
    @discardableResult
    private func take(most: Int) -> Int? {
        guard let pipe else { return 0 }
        if whenFull == .block, ring.room == 0 {
            // epoll would go on telling of it.
            unwatch()
            return nil
        }
        do throws(Errno) {
            let count = try ring.fill(most: most, overwriting: whenFull == .discardOldest) {
                buffer throws(Errno) in
                try systemCall { Descriptor.read(pipe.raw, into: buffer) }
            }
            if count == 0 { close() } else { serveReaders() }
            return count
        } catch {
            return nil
        }
    }

    /// At the exit of the process: everything that is in the pipe now, beyond the ring's limit too, and not what
    /// others that hold it go on to write.
    func takeWhatIsThere() {
        guard let pipe else { return }
        var left = Descriptor.bytesWaiting(in: pipe.raw)
        if whenFull == .block, left > ring.room { ring.grow(by: left) }
        while left > 0, isOpen {
            guard let count = take(most: left), count > 0 else { break }
            left -= count
        }
        // The end, if nobody else has it.
        if isOpen, left == 0, Descriptor.hasHungUp(pipe.raw) { close() }
    }

    /// Lets go of the pipe: at its end, or because nobody wants what may still come.
    func close() {
        guard pipe != nil else { return }
        unwatch()
        pipe = nil
        serveReaders()
        ended?()
        ended = nil
    }

    /// Gives the retained bytes up.
    func forgetBytes() {
        ring.discard(before: ring.end)
        serveReaders()
    }

    /// Gives up to `count` of the oldest bytes up; returns how many.
    func forgetOldest(_ count: Int) -> Int {
        let given = min(count, ring.count)
        if given > 0 { ring.discard(before: ring.start + given) }
        return given
    }

    // MARK: To readers

    /// What there is at `offset`: nil when nothing is yet.
    public func chunk(at offset: Int, limit: Int) -> Chunk? {
        if offset < ring.start { return .gap(offset: offset, length: ring.start - offset) }
        if whenFull == .block, offset > ring.start {
            ring.discard(before: offset)
            if !watched, isOpen { try? watch() }
        }
        if offset < ring.end {
            let bytes = ring.bytes(from: offset, limit: limit)
            return .bytes(bytes, offset: offset, atEnd: !isOpen && offset + bytes.count == ring.end)
        }
        return isOpen ? nil : .bytes([], offset: offset, atEnd: true)
    }

    /// Gives a chunk now or when there is one; after `timeout` ms an empty one.
    public func read(
        at offset: Int, limit: Int, timeout: Int64, completion: @escaping (Chunk) -> Void
    ) -> PendingRead? {
        let reader = PendingRead(offset: offset, limit: limit, timeout: timeout, completion: completion)
        if serve(reader) { return nil }
        if timeout <= 0 && !reader.holdsTail {
            completion(.bytes([], offset: offset, atEnd: false))
            return nil
        }
        readers[ObjectIdentifier(reader)] = reader
        reader.timer = loop.after(max(timeout, 0)) { [weak self, weak reader] in
            guard let self, let reader, self.readers.removeValue(forKey: ObjectIdentifier(reader)) != nil else {
                return
            }
            // A part of a character that nobody completed in time goes out as it is.
            reader.completion(
                .bytes(self.ring.bytes(from: offset, limit: limit), offset: offset, atEnd: false))
        }
        if reader.holdsTail { holdTail(reader) }
        return reader
    }

    /// Forgets a read; it is not answered.
    public func cancel(_ reader: PendingRead) {
        readers[ObjectIdentifier(reader)] = nil
        loop.cancel(reader.timer)
    }

    private func serveReaders() {
        guard !readers.isEmpty else { return }
        for reader in readers.values where serve(reader) { cancel(reader) }
    }

    /// Answers a read if it can be answered. A part of a character at the end waits for its rest.
    private func serve(_ reader: PendingRead) -> Bool {
        guard let chunk = chunk(at: reader.offset, limit: reader.limit) else { return false }
        guard case .bytes(let bytes, let offset, let atEnd) = chunk, !atEnd, !bytes.isEmpty else {
            reader.completion(chunk)
            return true
        }
        let tail = UTF8Tail.length(of: bytes)
        if tail == 0 || tail == bytes.count && bytes.count == reader.limit {
            reader.completion(chunk)
        } else if tail < bytes.count {
            reader.completion(.bytes(Array(bytes.dropLast(tail)), offset: offset, atEnd: false))
        } else {
            if !reader.holdsTail {
                reader.holdsTail = true
                if reader.timer != nil { holdTail(reader) }
            }
            return false
        }
        return true
    }

    /// 100 ms are enough for a program that writes a character in two parts, and short for a person.
    private func holdTail(_ reader: PendingRead) {
        loop.cancel(reader.timer)
        reader.timer = loop.after(100) { [weak self, weak reader] in
            guard let self, let reader, self.readers.removeValue(forKey: ObjectIdentifier(reader)) != nil else {
                return
            }
            let bytes = self.ring.bytes(from: reader.offset, limit: reader.limit)
            reader.completion(.bytes(bytes, offset: reader.offset, atEnd: false))
        }
    }
}

/// A read that waits for bytes.
public final class PendingRead {
    fileprivate let offset: Int
    fileprivate let limit: Int
    fileprivate let completion: (CapturedStream.Chunk) -> Void
    fileprivate var timer: Kernel.Timer?
    fileprivate var holdsTail = false

    fileprivate init(
        offset: Int, limit: Int, timeout: Int64, completion: @escaping (CapturedStream.Chunk) -> Void
    ) {
        self.offset = offset
        self.limit = limit
        self.completion = completion
    }
}
