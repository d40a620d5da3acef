// SPDX-License-Identifier: Apache-2.0

/// Somebody who wants to hear of processes that are not there yet.
public final class Watcher {
    let selector: ProcessSelector
    let viewer: UInt32
    let joined: (ManagedProcess) -> Void

    init(_ selector: ProcessSelector, viewer: UInt32, joined: @escaping (ManagedProcess) -> Void) {
        self.selector = selector
        self.viewer = viewer
        self.joined = joined
    }

    /// Whether it is about a process with these labels. Ids and names mean what there is at the time.
    func wants(_ process: ManagedProcess) -> Bool {
        switch selector {
        case .these: false
        case .all: true
        case .labels(let wanted): wanted.allSatisfy { label in process.labels.contains { $0 == label } }
        }
    }
}

/// Subscriptions: who is told what happens to processes.
extension Supervisor {
    /// Follows a process from now on.
    /// - Parameters:
    ///   - isNew: it comes into the world now, and nothing of it is in the past.
    ///   - wake: called when there may be something to take.
    public func follow(
        _ process: ManagedProcess, events: Set<String>, streams: Set<String>?, from: [String: Int]?, isNew: Bool,
        isLossless: Bool, wake: @escaping (Feed) -> Void
    ) -> Feed {
        let feed = Feed(
            process, wanted: events, streams: streams, from: from, isNew: isNew, isLossless: isLossless, wake: wake)
        process.feeds[ObjectIdentifier(feed)] = feed
        // Who comes late learns what lasts all the same.
        if process.state == .stopped { feed.tell(.stopped(signal: process.stopSignal)) }
        if process.isExited { feed.tell(.exited) }
        if process.isDrained { feed.tell(.drained) }
        wake(feed)
        return feed
    }

    /// Calls `joined` with each process that comes into the world and fits, before anything is told of it.
    public func watch(
        _ selector: ProcessSelector, for viewer: UInt32, joined: @escaping (ManagedProcess) -> Void
    ) -> Watcher {
        let watcher = Watcher(selector, viewer: viewer, joined: joined)
        watchers[ObjectIdentifier(watcher)] = watcher
        return watcher
    }

    public func end(_ watcher: Watcher) {
        watchers[ObjectIdentifier(watcher)] = nil
    }

    /// A process has come into the world.
    func announce(_ process: ManagedProcess) {
        for watcher in watchers.values where watcher.wants(process) {
            if table.isVisible(process, to: watcher.viewer, serverUID: serverUID) { watcher.joined(process) }
        }
    }

    func tell(_ event: ProcessEvent, of process: ManagedProcess) {
        for feed in process.feeds.values { feed.tell(event) }
    }
}
