// SPDX-License-Identifier: Apache-2.0
import Kernel
import SystemPackage

/// One output stream of a process: its pipe, the ring it is read into, and who waits for more.
///
/// The pipe is read as soon as it has something, so that the program never waits for a reader, unless the ring is
/// full and `whenFull` says that it shall.
public final class CapturedStream {
    /// What a read gives.
    public enum Chunk: Equatable {
        /// `count` bytes from `offset` are in the ring now; `withBytes` lends them.
        case bytes(offset: Int, count: Int, atEnd: Bool)
        /// The ring has moved on: `length` bytes from `offset` are gone.
        case gap(offset: Int, length: Int)
    }

    let loop: EventLoop
    private let whenFull: WhenFull
    private var ring: OutputRing
    private var arrivals = ArrivalIndex()
    private let order: ArrivalOrder
    private var pipe: SharedDescriptor?
    private var watched = false
    private var isPaused = false
    /// Reads that wait for bytes.
    var readers: [ObjectIdentifier: PendingRead] = [:]
    /// Subscribers with a cursor here.
    var feeds: [ObjectIdentifier: Feed] = [:]
    /// Where those are for whom every byte is kept.
    private var kept: [ObjectIdentifier: Int] = [:]
    /// Called once, when the last holder of the pipe has closed it and everything is read, or when it was let go.
    var ended: (() -> Void)?
    private let isTerminal: Bool
    /// The terminal's other side, open here as long as its program lives: a program that has merely closed its three
    /// may open them again (/dev/tty), and the master, which would say EIO meanwhile, stays readable (pty(7)).
    private var slave: SharedDescriptor?
    /// More than a terminal holds.
    private static let terminalHolds = 65_536

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

    /// `pipe` is a non-blocking read end, or the master of a terminal, whose `slave` is given then.
    init(
        loop: EventLoop, pipe: SharedDescriptor, limit: Int, whenFull: WhenFull, order: ArrivalOrder,
        slave: SharedDescriptor? = nil
    ) throws(Errno) {
        self.loop = loop
        self.order = order
        self.whenFull = whenFull
        self.slave = slave
        isTerminal = slave != nil
        ring = OutputRing(capacity: limit)
        self.pipe = pipe
        try watch()
    }

    /// The pipe's number in the kernel, to find who holds it.
    func inode() -> UInt64? { pipe.flatMap { Descriptor.inode(of: $0.raw) } }

    // MARK: From the pipe

    private func watch() throws(Errno) {
        guard let pipe, !watched else { return }
        try loop.add(pipe.raw, .readable) { [weak self] _ in
            guard let self else { return }
            if isPaused { seeWhetherItHasEnded() } else { take(most: Self.turn) }
        }
        watched = true
    }

    /// The ring is full and the program has to wait. Its end is still to be seen, once: with something left in the pipe
    /// it would be told for as long as that is not read.
    private func pause() {
        guard let pipe, watched, !isPaused else { return }
        isPaused = true
        try? loop.change(pipe.raw, .edge)
    }

    private func resume() {
        guard let pipe, watched, isPaused else { return }
        isPaused = false
        try? loop.change(pipe.raw, .readable)
    }

    private func seeWhetherItHasEnded() {
        guard let pipe, Descriptor.hasHungUp(pipe.raw), Descriptor.bytesWaiting(in: pipe.raw) == 0 else { return }
        close()
    }

    private func unwatch() {
        guard let pipe, watched else { return }
        loop.remove(pipe.raw)
        watched = false
        isPaused = false
    }

    /// Reads once. Returns the number of bytes, 0 at the end, nil when there was nothing.
    @discardableResult
    private func take(most: Int) -> Int? {
        guard let pipe else { return 0 }
        let allowance = allowance
        if allowance == 0 {
            pause()
            return nil
        }
        do throws(Errno) {
            let count = try ring.fill(most: min(most, allowance)) {
                buffer throws(Errno) in
                try systemCall { Descriptor.read(pipe.raw, into: buffer) }
            }
            if count == 0 {
                close()
            } else {
                arrivals.add(
                    offset: ring.end - count, at: Supervisor.wallClock(), order: order, stream: ObjectIdentifier(self))
                arrivals.forget(before: ring.start)
                changed()
            }
            return count
        } catch .wouldBlock {
            return nil
        } catch {
            // EIO: a terminal's last holder has closed it. It says so after its last output.
            close()
            return 0
        }
    }

    /// The bytes that may come in now without one being lost that somebody is to get.
    private var allowance: Int {
        switch whenFull {
        case .discardOldest: return ring.capacity
        case .block: return ring.room
        case .blockWhileFollowed:
            guard let least = kept.values.min() else { return ring.capacity }
            return min(ring.capacity, ring.capacity - (ring.end - max(least, ring.start)))
        }
    }

    /// Whether the program waits when the ring is full.
    private var waits: Bool { whenFull == .block || whenFull == .blockWhileFollowed && !kept.isEmpty }

    /// Something has happened to the program: what it wrote before comes first.
    func catchUp() {
        if watched, !isPaused { take(most: Self.turn) }
    }

    /// Between two programs of the process: where the output of the second one begins. What the first one left in the
    /// pipe is taken, as far as there is room for it.
    func boundary() -> Int {
        guard let pipe else { return ring.end }
        var left = isTerminal ? Self.terminalHolds : Descriptor.bytesWaiting(in: pipe.raw)
        while left > 0, isOpen, let count = take(most: left), count > 0 { left -= count }
        return ring.end + (isOpen && isPaused ? Descriptor.bytesWaiting(in: pipe.raw) : 0)
    }

    /// At the exit of the process: everything that is in the pipe now, beyond the ring's limit too, and not what
    /// others that hold it go on to write.
    func takeWhatIsThere() {
        guard let pipe else { return }
        if isTerminal { return takeWhatTheTerminalShows() }
        var left = Descriptor.bytesWaiting(in: pipe.raw)
        if waits, left > allowance { ring.grow(by: left) }
        while left > 0, isOpen {
            guard let count = take(most: left), count > 0 else { break }
            left -= count
        }
        // The end, if nobody else has it.
        if isOpen, left == 0, Descriptor.hasHungUp(pipe.raw) { close() }
    }

    /// What is still on its way through a terminal is not counted by FIONREAD, but a read waits for it.
    private func takeWhatTheTerminalShows() {
        slave = nil
        if waits { ring.grow(by: Self.terminalHolds) }
        var left = Self.terminalHolds
        while left > 0, isOpen, let count = take(most: left) { left -= count }
        if isOpen { try? watch() }
    }

    /// Lets go of the pipe: at its end, or because nobody wants what may still come.
    func close() {
        guard pipe != nil else { return }
        unwatch()
        pipe = nil
        slave = nil
        ring.discard(before: ring.start, moreMayCome: false)
        changed()
        ended?()
        ended = nil
    }

    /// Gives the retained bytes up.
    func forgetBytes() {
        ring.discard(before: ring.end, moreMayCome: isOpen)
        changed()
    }

    private func changed() {
        serveReaders()
        for feed in feeds.values { feed.streamChanged() }
    }

    /// Gives up to `count` of the oldest bytes up; returns how many.
    func forgetOldest(_ count: Int) -> Int {
        let given = min(count, ring.count)
        if given > 0 { ring.discard(before: ring.start + given, moreMayCome: isOpen) }
        return given
    }

    // MARK: To readers

    /// What there is at `offset`: nil when nothing is yet.
    ///
    /// In block mode this frees what lies before, unless lossless subscribers say what is freed.
    func chunk(at offset: Int, limit: Int) -> Chunk? {
        if offset > ring.start, kept.isEmpty { free(before: offset) }
        return peek(at: offset, limit: limit)
    }

    private func free(before offset: Int) {
        guard whenFull == .block, offset > ring.start else { return }
        ring.discard(before: offset, moreMayCome: isOpen)
        resume()
    }

    /// What there is, for somebody who frees nothing by looking.
    func peek(at offset: Int, limit: Int) -> Chunk? {
        if offset < ring.start { return .gap(offset: offset, length: ring.start - offset) }
        if offset < ring.end {
            let count = min(limit, ring.end - offset)
            return .bytes(offset: offset, count: count, atEnd: !isOpen && offset + count == ring.end)
        }
        return isOpen ? nil : .bytes(offset: offset, count: 0, atEnd: true)
    }

    /// Lends the bytes of a chunk.
    public func withBytes<Result>(
        from offset: Int, count: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        ring.withBytes(from: offset, limit: count, body)
    }

    /// Copies the bytes of a chunk.
    func bytes(from offset: Int, count: Int) -> [UInt8] { ring.bytes(from: offset, limit: count) }

    /// How many bytes at the end of a chunk are the beginning of a character whose rest is missing.
    func tail(from offset: Int, count: Int) -> Int {
        let looked = min(count, UTF8Tail.longest)
        return UTF8Tail.length(of: ring.bytes(from: offset + count - looked, limit: looked))
    }

    /// When the bytes of a stretch came.
    public func arrivals(from start: Int, to end: Int) -> [ArrivalIndex.Entry] {
        arrivals.entries(from: start, to: end)
    }

    /// When, among what the streams of the process have said, the byte at `offset` came.
    func arrivalOrder(at offset: Int) -> Int { arrivals.order(at: offset) }

    // MARK: For lossless subscribers

    /// `feed` has been sent everything before `offset`: what everybody has been sent is freed.
    func keep(from offset: Int, for feed: Feed) {
        kept[ObjectIdentifier(feed)] = offset
        keptChanged()
    }

    /// `feed` has ended; the others decide.
    func keepNothing(for feed: Feed) {
        kept[ObjectIdentifier(feed)] = nil
        keptChanged()
    }

    private func keptChanged() {
        if let least = kept.values.min() { free(before: least) }
        if whenFull == .blockWhileFollowed, allowance > 0 { resume() }
    }
}
