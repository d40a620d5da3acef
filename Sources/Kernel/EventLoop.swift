// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// The one loop of the server: descriptors by epoll(7), deadlines by a heap, work put off to the end of a round.
///
/// Everything runs on the thread that called `run`. A source is registered by its number; an event that was
/// fetched before its source was removed is dropped, even when the number has been taken again meanwhile.
@MainActor
public final class EventLoop {
    /// What a descriptor is watched for, and what happened to it. epoll_ctl(2).
    public struct Events: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let readable = Events(rawValue: UInt32(EPOLLIN.rawValue))
        public static let writable = Events(rawValue: UInt32(EPOLLOUT.rawValue))
        /// An exceptional condition: the contents of a kernel file changed (cgroup.events).
        public static let priority = Events(rawValue: UInt32(EPOLLPRI.rawValue))
        /// The peer has shut down its writing half.
        public static let halfClosed = Events(rawValue: UInt32(EPOLLRDHUP.rawValue))
        /// Always watched for.
        public static let hungUp = Events(rawValue: UInt32(EPOLLHUP.rawValue))
        /// Always watched for.
        public static let failed = Events(rawValue: UInt32(EPOLLERR.rawValue))
        /// Tell once per change, not for as long as it lasts.
        public static let edge = Events(rawValue: 1 << 31)
    }

    public typealias Handler = @MainActor (Events) -> Void

    private struct Source {
        var generation: UInt32
        var handler: Handler?
    }

    private let epoll: Descriptor
    private var sources: [Source] = []
    private var ready = [pk_event](repeating: pk_event(), count: 128)
    private var deferred: [@MainActor () -> Void] = []
    private var timers = TimerQueue()
    private var running = false

    /// - Throws: what epoll_create1(2) answers.
    public init() throws(Errno) {
        epoll = Descriptor(taking: try systemCall { epoll_create1(CInt(EPOLL_CLOEXEC)) })
    }

    // MARK: Descriptors

    /// Calls `handler` whenever `descriptor` is ready for one of `events`. The caller keeps it open until
    /// `remove`.
    public func add(_ descriptor: CInt, _ events: Events, _ handler: @escaping Handler) throws(Errno) {
        let index = Int(descriptor)
        if index >= sources.count {
            let grown = max(index + 1, sources.count * 2, 64)
            sources.append(
                contentsOf: repeatElement(Source(generation: 0, handler: nil), count: grown - sources.count))
        }
        precondition(sources[index].handler == nil, "descriptor \(descriptor) is watched already")
        try kernelResult(
            pk_epoll_control(epoll.raw, EPOLL_CTL_ADD, descriptor, events.rawValue, token(index)))
        sources[index].handler = handler
    }

    /// Watches for other events from now on.
    public func change(_ descriptor: CInt, _ events: Events) throws(Errno) {
        try kernelResult(
            pk_epoll_control(epoll.raw, EPOLL_CTL_MOD, descriptor, events.rawValue, token(Int(descriptor))))
    }

    /// Ends the watch; must come before the descriptor's close. No event of it is delivered any more.
    public func remove(_ descriptor: CInt) {
        let index = Int(descriptor)
        guard index < sources.count, sources[index].handler != nil else { return }
        sources[index].handler = nil
        sources[index].generation &+= 1
        _ = pk_epoll_control(epoll.raw, EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    private func token(_ index: Int) -> UInt64 {
        UInt64(sources[index].generation) << 32 | UInt64(index)
    }

    // MARK: Time

    /// Milliseconds on the clock that nobody sets: CLOCK_MONOTONIC, clock_gettime(2).
    public static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Calls `action` once, `milliseconds` from now or as soon after as the loop is free.
    @discardableResult
    public func after(_ milliseconds: Int64, _ action: @escaping @MainActor () -> Void) -> Timer {
        // `now` has cut off a part of a millisecond: one more, so as never to be early.
        let wait = milliseconds > 0 ? milliseconds &+ (milliseconds < .max ? 1 : 0) : 0
        let (sum, overflow) = Self.now().addingReportingOverflow(wait)
        return timers.add(at: overflow ? .max : sum, action)
    }

    /// Ends a timer that has not fired.
    public func cancel(_ timer: Timer?) {
        if let timer { timers.cancel(timer) }
    }

    // MARK: Running

    /// Calls `work` when the present round of events is through.
    public func later(_ work: @escaping @MainActor () -> Void) {
        deferred.append(work)
    }

    /// Serves events until `stop`.
    public func run() throws(Errno) {
        running = true
        while running {
            runDeferred()
            if !running { break }
            let timeout = deferred.isEmpty ? timers.millisecondsToNext(now: Self.now()) : 0
            let count = try kernelResult(
                pk_epoll_wait(epoll.raw, &ready, Int32(ready.count), timeout))
            for index in 0..<Int(count) {
                let event = ready[index]
                let source = sources[Int(UInt32(truncatingIfNeeded: event.token))]
                guard source.generation == UInt32(event.token >> 32), let handler = source.handler else { continue }
                handler(Events(rawValue: event.events))
            }
            guard timers.hasAny else { continue }
            for timer in timers.takeDue(now: Self.now()) { timer.fire() }
        }
    }

    /// Makes `run` return after the present round.
    public func stop() {
        running = false
    }

    private func runDeferred() {
        guard !deferred.isEmpty else { return }
        let work = deferred
        deferred.removeAll(keepingCapacity: work.count <= 64)
        for item in work { item() }
    }
}
