// SPDX-License-Identifier: Apache-2.0
import DequeModule
import JSON
import JSONRPC
import Kernel
import ProcessControl

/// One subscription of a connection: the processes it follows, and what makes it slow.
final class Subscription {
    let id: Int
    let isLossless: Bool
    /// How long, in ms, a lossless one may take nothing.
    let stall: Int64
    /// It names its processes, and their leases do not run while it is open.
    let holdsLeases: Bool
    var feeds: [ObjectIdentifier: Feed] = [:]
    /// Events that are still to be told, by feed, and of all feeds.
    private var waiting: [ObjectIdentifier: Int] = [:]
    private(set) var eventsWaiting = 0
    var watcher: Watcher?
    var stallTimer: Kernel.Timer?
    /// What a feed waits for that ends in half a character.
    var tailTimers: [ObjectIdentifier: Kernel.Timer] = [:]

    init(id: Int, isLossless: Bool, stall: Int64, holdsLeases: Bool) {
        self.id = id
        self.holdsLeases = holdsLeases
        self.isLossless = isLossless
        self.stall = stall
    }

    /// Counts what waits in a feed anew.
    func count(_ feed: Feed) {
        let number = feed.eventsWaiting
        let key = ObjectIdentifier(feed)
        eventsWaiting += number - (waiting[key] ?? 0)
        waiting[key] = number > 0 ? number : nil
    }
}

/// The subscriptions of one connection. Notifications are made when they can leave: as long as much is queued to be
/// sent, output stays in the rings, and replies never wait behind more than that.
final class Subscriptions {
    private let server: Server
    private unowned let connection: Connection
    private var subscriptions: [Int: Subscription] = [:]
    private var lastID = 0
    /// Feeds that may have something, each once.
    private var ready = Deque<(subscription: Subscription, feed: Feed)>()
    private var isReady: Set<ObjectIdentifier> = []
    private var pumpDue = false
    /// Processes spawned in a batch that is not answered yet: nothing is told of them before that.
    private var unanswered: Set<Int> = []

    init(connection: Connection, server: Server) {
        self.connection = connection
        self.server = server
    }

    var isEmpty: Bool { subscriptions.isEmpty }
    var count: Int { subscriptions.count }

    // MARK: Beginning and ending

    struct Request {
        var processes: [ManagedProcess]
        var selector: ProcessSelector
        var events: Set<String>
        var streams: Set<String>?
        var from: [String: Int]?
        var isLossless: Bool
        var stall: Int64
    }

    func begin(_ request: Request, viewer: UInt32) -> Subscription {
        lastID += 1
        let namesProcesses = if case .these = request.selector { true } else { false }
        let subscription = Subscription(
            id: lastID, isLossless: request.isLossless, stall: request.stall, holdsLeases: namesProcesses)
        subscriptions[subscription.id] = subscription
        for process in request.processes { follow(process, subscription, request, isNew: false) }
        if case .these = request.selector { return subscription }
        subscription.watcher = server.supervisor.watch(request.selector, for: viewer) {
            [weak self, weak subscription] in
            guard let self, let subscription else { return }
            follow($0, subscription, request, isNew: true)
        }
        return subscription
    }

    private func follow(
        _ process: ManagedProcess, _ subscription: Subscription, _ request: Request, isNew: Bool
    ) {
        let feed = server.supervisor.follow(
            process, events: request.events, streams: request.streams, from: request.from, isNew: isNew,
            isLossless: request.isLossless
        ) { [weak self, weak subscription] feed in
            guard let self, let subscription else { return }
            wake(feed, of: subscription)
        }
        subscription.feeds[ObjectIdentifier(feed)] = feed
        if subscription.holdsLeases { server.supervisor.holdLease(process) }
    }

    /// False if there is none with this id.
    func end(_ id: Int) -> Bool {
        guard let subscription = subscriptions.removeValue(forKey: id) else { return false }
        if let watcher = subscription.watcher { server.supervisor.end(watcher) }
        for feed in Array(subscription.feeds.values) { drop(feed, of: subscription) }
        server.loop.cancel(subscription.stallTimer)
        return true
    }

    func endAll() {
        for id in Array(subscriptions.keys) { _ = end(id) }
        ready = []
    }

    private func drop(_ feed: Feed, of subscription: Subscription) {
        let key = ObjectIdentifier(feed)
        subscription.feeds[key] = nil
        server.loop.cancel(subscription.tailTimers.removeValue(forKey: key))
        feed.end()
        subscription.count(feed)
        if subscription.holdsLeases { server.supervisor.letLeaseRun(feed.process) }
    }

    // MARK: Telling

    private func wake(_ feed: Feed, of subscription: Subscription) {
        subscription.count(feed)
        if subscription.eventsWaiting > server.limits.eventsWaiting { pumpLater() }
        guard isReady.insert(ObjectIdentifier(feed)).inserted else { return }
        ready.append((subscription, feed))
        pumpLater()
    }

    /// At the end of the round: replies that this round makes leave first.
    private func pumpLater() {
        guard !pumpDue else { return }
        pumpDue = true
        server.loop.later { [weak self] in
            self?.pumpDue = false
            self?.pump()
        }
    }

    /// A batch with a spawn is on its way, or has been answered.
    func hold(_ process: Int) { unanswered.insert(process) }
    func letGo(_ processes: [Int]) {
        unanswered.subtract(processes)
        pump()
    }

    /// Sends what may be sent, a piece of each feed in turn. After a good piece others have theirs: what one connection
    /// is told must not hold up what all the others ask.
    func pump() {
        guard !pumpDue else { return }
        var heldBack: [(subscription: Subscription, feed: Feed)] = []
        let before = connection.queuedBytes
        while !connection.isFullOfOutput {
            if connection.queuedBytes - before >= server.limits.outputPiece {
                pumpLater()
                break
            }
            guard let (subscription, feed) = ready.popFirst() else { break }
            if unanswered.contains(feed.process.id) {
                heldBack.append((subscription, feed))
                continue
            }
            isReady.remove(ObjectIdentifier(feed))
            guard subscription.feeds[ObjectIdentifier(feed)] != nil else { continue }
            // It has its turn, so it is not stalled, even when there turns out to be nothing.
            progressed(subscription)
            let item = feed.next(limit: server.limits.outputPiece)
            watchTail(feed, subscription)
            if let item {
                send(item, feed, subscription)
                wake(feed, of: subscription)
            } else if feed.isFinished {
                drop(feed, of: subscription)
            }
        }
        ready.append(contentsOf: heldBack)
        watchForStalls()
    }

    /// A part of a character waits 100 ms for its rest.
    private func watchTail(_ feed: Feed, _ subscription: Subscription) {
        let key = ObjectIdentifier(feed)
        guard feed.holdsTail else { return server.loop.cancel(subscription.tailTimers.removeValue(forKey: key)) }
        guard subscription.tailTimers[key] == nil else { return }
        subscription.tailTimers[key] = server.loop.after(100) { [weak subscription, weak feed] in
            subscription?.tailTimers[key] = nil
            feed?.releaseTails()
        }
    }

    private func send(_ item: Feed.Item, _ feed: Feed, _ subscription: Subscription) {
        let notification = Notifications(
            subscription: subscription.id, process: feed.process, instance: server.supervisor.instance)
        connection.send { notification.write(item, into: &$0) }
    }

    // MARK: Stalling

    private func progressed(_ subscription: Subscription) {
        server.loop.cancel(subscription.stallTimer)
        subscription.stallTimer = nil
    }

    /// A lossless subscriber holds its programs up. One that has not taken anything for long is ended, and so is any that
    /// as much waits for as it would be told in a long time: nothing of what happened may be left out.
    private func watchForStalls() {
        guard connection.isFullOfOutput else { return }
        for subscription in Array(subscriptions.values) where subscription.eventsWaiting > server.limits.eventsWaiting {
            endStalled(subscription)
        }
        for (subscription, _) in ready where subscription.isLossless && subscription.stallTimer == nil {
            subscription.stallTimer = server.loop.after(subscription.stall) { [weak self, weak subscription] in
                guard let self, let subscription else { return }
                endStalled(subscription)
            }
        }
    }

    private func endStalled(_ subscription: Subscription) {
        guard end(subscription.id) else { return }
        // What it was to be told, and the processes that this was about, are not kept for it.
        for (other, feed) in ready where other === subscription { isReady.remove(ObjectIdentifier(feed)) }
        ready.removeAll { $0.subscription === subscription }
        let params: JSONValue = ["subscription": .integer(subscription.id), "reason": "stalled"]
        connection.send(notification(method: "subscription_ended", params: params))
        connection.requestEnded()
    }
}
