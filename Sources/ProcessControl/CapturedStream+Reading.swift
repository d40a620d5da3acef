// SPDX-License-Identifier: Apache-2.0
import Kernel

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

/// Reads that may wait: for bytes, or for the rest of a character.
extension CapturedStream {
    /// Gives a chunk now or when there is one; after `timeout` ms an empty one.
    public func read(
        at offset: Int, limit: Int, timeout: Int64, completion: @escaping (Chunk) -> Void
    ) -> PendingRead? {
        let reader = PendingRead(offset: offset, limit: limit, timeout: timeout, completion: completion)
        if serve(reader) { return nil }
        if timeout <= 0 && !reader.holdsTail {
            completion(.bytes(offset: offset, count: 0, atEnd: false))
            return nil
        }
        readers[ObjectIdentifier(reader)] = reader
        reader.timer = loop.after(max(timeout, 0)) { [weak self, weak reader] in self?.timeIsUp(for: reader) }
        if reader.holdsTail { holdTail(reader) }
        return reader
    }

    /// What a chunk is by now: its bytes, or a gap if the ring has moved on since.
    public func now(_ chunk: Chunk) -> Chunk {
        guard case .bytes(let offset, let count, _) = chunk, count > 0 else { return chunk }
        return peek(at: offset, limit: count) ?? chunk
    }

    /// Forgets a read; it is not answered.
    public func cancel(_ reader: PendingRead) {
        readers[ObjectIdentifier(reader)] = nil
        loop.cancel(reader.timer)
    }

    func serveReaders() {
        guard !readers.isEmpty else { return }
        for reader in readers.values where serve(reader) { cancel(reader) }
    }

    /// Answers a read if it can be answered. A part of a character at the end waits for its rest.
    private func serve(_ reader: PendingRead) -> Bool {
        guard let chunk = chunk(at: reader.offset, limit: reader.limit) else { return false }
        guard case .bytes(let offset, let count, let atEnd) = chunk, !atEnd, count > 0 else {
            reader.completion(chunk)
            return true
        }
        let tail = tail(from: offset, count: count)
        if tail == 0 || tail == count && count == reader.limit {
            reader.completion(chunk)
        } else if tail < count {
            reader.completion(.bytes(offset: offset, count: count - tail, atEnd: false))
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
        reader.timer = loop.after(100) { [weak self, weak reader] in self?.timeIsUp(for: reader) }
    }

    /// A part of a character that nobody completed in time goes out as it is.
    private func timeIsUp(for reader: PendingRead?) {
        guard let reader, readers.removeValue(forKey: ObjectIdentifier(reader)) != nil else { return }
        let isThere = reader.offset >= start && reader.offset < end
        let count = isThere ? min(reader.limit, end - reader.offset) : 0
        reader.completion(.bytes(offset: reader.offset, count: count, atEnd: false))
    }
}
