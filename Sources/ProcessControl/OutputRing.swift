// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The last bytes of a stream, addressed by their absolute offset in it.
///
/// The memory is a shared anonymous mapping: pages come as they are written, a held child's clone does not copy
/// its page tables (mmap(2)), and it goes back whole when the ring is emptied. A reader who keeps up empties it again
/// and again: then the same few pages are written each time, and only those are kept.
struct OutputRing: ~Copyable {
    /// The most bytes kept.
    private(set) var capacity: Int
    /// Offset of the oldest byte kept.
    private(set) var start = 0
    /// Offset behind the newest byte.
    private(set) var end = 0
    private var memory: UnsafeMutableRawPointer?
    /// The offset that lies, or would lie, at the beginning of the memory.
    private var origin = 0
    /// What an emptied ring may go on holding: some reads of a full pipe.
    private static let keptWhenEmpty = 256 << 10

    init(capacity: Int) { self.capacity = capacity }

    deinit {
        if let memory { munmap(memory, capacity) }
    }

    var count: Int { end - start }
    var room: Int { capacity - count }

    private func unmap() {
        if let memory { munmap(memory, capacity) }
    }

    /// Takes up to `most` bytes from `source`, which fills a buffer and returns how many bytes it gave. Beyond `room`
    /// the oldest bytes give way.
    mutating func fill<Failure: Error>(
        most: Int, from source: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) -> Int {
        guard let memory = mapped() else { return try drop(most: most, from: source) }
        let place = place(of: end)
        // One stretch without a wrap: the rest comes with the next call.
        let length = min(most, capacity - place)
        let count = try source(UnsafeMutableRawBufferPointer(start: memory + place, count: length))
        end += count
        if end - start > capacity { start = end - capacity }
        return count
    }

    /// Copies out up to `limit` bytes from `offset`, which must lie in the ring.
    func bytes(from offset: Int, limit: Int) -> [UInt8] {
        guard let memory, offset >= start, offset < end else { return [] }
        let length = min(limit, end - offset)
        return [UInt8](unsafeUninitializedCapacity: length) { buffer, initialized in
            let place = place(of: offset)
            let first = min(length, capacity - place)
            let target = UnsafeMutableRawBufferPointer(buffer)
            target.copyMemory(from: UnsafeRawBufferPointer(start: memory + place, count: first))
            if first < length {
                UnsafeMutableRawBufferPointer(rebasing: target[first...])
                    .copyMemory(from: UnsafeRawBufferPointer(start: memory, count: length - first))
            }
            initialized = length
        }
    }

    /// Lends up to `limit` bytes from `offset`, as they lie here; only a stretch across the wrap is copied together.
    func withBytes<Result>(from offset: Int, limit: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let length = min(limit, end - offset)
        guard let memory, offset >= start, length > 0 else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        let place = place(of: offset)
        if place + length <= capacity { return body(UnsafeRawBufferPointer(start: memory + place, count: length)) }
        return bytes(from: offset, limit: limit).withUnsafeBytes(body)
    }

    /// Frees what lies before `offset`; the last pages too, unless they will be written again.
    mutating func discard(before offset: Int, moreMayCome: Bool = true) {
        start = min(max(start, offset), end)
        if start < end { return }
        if !moreMayCome || end - origin > Self.keptWhenEmpty { giveBack() }
        origin = end
    }

    private func place(of offset: Int) -> Int { (offset - origin) % capacity }

    /// Makes room for `extra` more bytes beyond what the capacity allows now.
    mutating func grow(by extra: Int) {
        let larger = count + extra
        guard larger > capacity else { return }
        let kept = bytes(from: start, limit: count)
        giveBack()
        capacity = larger
        end = start
        origin = start
        var taken = 0
        while taken < kept.count {
            taken += fill(most: kept.count - taken) { buffer in
                kept.withUnsafeBytes {
                    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[taken...][..<(taken + buffer.count)]))
                }
                return buffer.count
            }
        }
    }

    /// Without memory the bytes are taken all the same, so that the program goes on, and show as a gap.
    private mutating func drop<Failure: Error>(
        most: Int, from source: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) -> Int {
        let count = try withUnsafeTemporaryAllocation(byteCount: min(most, 4096), alignment: 1) {
            buffer throws(Failure) in try source(buffer)
        }
        end += count
        start = end
        return count
    }

    private mutating func giveBack() {
        unmap()
        memory = nil
    }

    private mutating func mapped() -> UnsafeMutableRawPointer? {
        if memory == nil {
            let new = mmap(
                nil, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            memory = new == MAP_FAILED ? nil : new
        }
        return memory
    }
}
