// SPDX-License-Identifier: Apache-2.0
import DequeModule
import JSON
import JSONRPC
import Kernel
import ProcessControl
import SystemPackage

/// One peer: bytes and descriptors in, messages to its dialogue, replies out.
final class Connection {
    let peer: Peer
    let token = ConnectionToken()
    private let server: Server
    /// Nil when the connection is over.
    private var socket: ConnectedSocket?
    private var reader: MessageReader
    private var arrivals = DescriptorArrivals()
    private var queue = SendQueue()
    private(set) lazy var subscriptions = Subscriptions(connection: self, server: server)
    private(set) lazy var dialogue = Dialogue(connection: self, server: server)

    /// Bytes received so far, which is what the reader counts offsets by.
    private var received = 0
    private var firstMessage = true
    private var inputEnded = false
    private var phase = Phase.open
    private var flushDue = false
    private var shrinkDue = false
    /// Something has been queued since the queue's memory was last looked at.
    private var queueIsBusy = false
    private var interest: EventLoop.Events = .readable
    private var whenFlushed: (() -> Void)?
    /// Answers that wait for room: large ones that many waits get at once are made when they can leave.
    private var deferred = Deque<() -> Void>()
    /// Bytes of batches that are not complete yet.
    var batchBytes = 0

    private enum Phase {
        case open
        /// A program is about to get the socket: nothing more is read, and what is queued leaves first.
        case handingOver
        /// Nobody reads replies any more; what was asked for and has not started yet is still carried out.
        case peerGone
        case closed
    }

    private var isClosed: Bool { phase == .closed }

    /// The process of ours that had the peer's pid when the connection was accepted.
    private let caller: Int?

    /// Whether this process has connected and not ended. A child it has left the connection to may speak for itself only,
    /// and a process that got its pid was not there yet: before Linux 6.5 the socket itself cannot tell.
    func isOf(_ process: ManagedProcess) -> Bool { process.id == caller && socket?.peerLives ?? false }

    init(server: Server, socket: ConnectedSocket, peer: Peer) throws(Errno) {
        self.server = server
        self.socket = socket
        self.peer = peer
        caller = server.supervisor.id(ofPid: peer.pid)
        reader = MessageReader(maximumLength: server.limits.messageBytes)
        try server.loop.add(socket.raw, interest) { [weak self] events in self?.ready(events) }
    }

    // MARK: In

    private func ready(_ events: EventLoop.Events) {
        if events.contains(.writable) { flush() }
        if isClosed { return }
        if events.contains(.readable) || events.contains(.hungUp) { receive(hungUp: events.contains(.hungUp)) }
        if phase == .open, events.contains(.failed) { end() }
    }

    /// Reads one turn's worth, or, if the peer has gone, all there is: what it said last counts.
    private func receive(hungUp: Bool) {
        if hungUp {
            while phase == .open, !inputEnded, receiveOnce() != nil {}
            return peerHasGone()
        }
        guard wantsInput else { return }
        _ = receiveOnce()
        updateInterest()
        endIfDone()
    }

    private func peerHasGone() {
        // A program that is to get the socket gets it all the same: what was sent is there to be read.
        guard phase == .open else { return }
        phase = .peerGone
        inputEnded = true
        queue = SendQueue()
        if let socket { server.loop.remove(socket.raw) }
        dialogue.proceed()
        endIfDone()
    }

    /// Nil: nothing there now.
    private func receiveOnce() -> Int? {
        guard phase == .open, let socket else { return nil }
        let buffer = server.buffer
        do throws(Errno) {
            var room = buffer.count
            if firstMessage {
                // A connection may be handed to a program, and what the client sent behind its request belongs to
                // that: the first message is taken to exactly its end.
                let seen = try socket.peek(into: buffer)
                if seen == 0 { return endInput() }
                let extent = reader.extent(of: UnsafeRawBufferPointer(rebasing: buffer[..<seen]))
                room = extent.count
                if extent.complete { firstMessage = false }
            }
            let input = try socket.receive(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<room]))
            if input.count == 0 { return endInput() }
            received += input.count
            if !input.descriptors.isEmpty || input.isTruncated {
                arrivals.add(input.descriptors, upTo: received, isTruncated: input.isTruncated)
            }
            reader.push(UnsafeRawBufferPointer(rebasing: buffer[..<input.count]))
            takeMessages { reader.next() }
            return input.count
        } catch .wouldBlock {
            return nil
        } catch {
            end()
            return nil
        }
    }

    /// The peer will say no more; a last line without its newline is a message.
    private func endInput() -> Int {
        inputEnded = true
        takeMessages { reader.finish() }
        return 0
    }

    private func takeMessages(_ next: () -> (event: MessageReader.Event, endOffset: Int)?) {
        while phase == .open, let (event, endOffset) = next() {
            let descriptors = arrivals.take(upTo: endOffset)
            switch event {
            case .message(let bytes): dialogue.take(bytes, descriptors)
            case .failure(let error, let fatal):
                send(Reply.failure(id: .null, error))
                if fatal {
                    inputEnded = true
                    return
                }
            }
        }
    }

    var supervisor: Supervisor { server.supervisor }
    /// Its replies are not being read: no further request is started.
    var isCongested: Bool { queue.count >= server.limits.sendQueue }
    /// So much is queued that output waits.
    var isFullOfOutput: Bool { queuedBytes >= server.limits.outputQueue }
    var queuedBytes: Int { queue.count }
    /// Bytes read beyond the last message.
    var hasBufferedInput: Bool { reader.bufferedBytes > 0 }

    private var wantsInput: Bool {
        phase == .open && !inputEnded && !dialogue.isFull && !isCongested
    }

    // MARK: Out

    func send(_ message: JSONValue) {
        send { message.write(into: &$0) }
    }

    /// Queues one message, framed as the peer frames its own.
    func send(_ write: (inout [UInt8]) -> Void) {
        guard phase == .open || phase == .handingOver else { return }
        queueIsBusy = true
        if (reader.framing ?? .lines) == .lines {
            queue.append { bytes in
                write(&bytes)
                bytes.append(UInt8(ascii: "\n"))
            }
        } else {
            var body: [UInt8] = []
            write(&body)
            queue.append { Framing.headers.frame(body, into: &$0) }
        }
        guard !flushDue else { return }
        // Once per round of events: replies that come together leave together.
        flushDue = true
        server.loop.later { [weak self] in
            self?.flushDue = false
            self?.flush()
        }
    }

    /// Calls `answer` when the queue has room: now, or when the peer has read.
    func whenThereIsRoom(_ answer: @escaping () -> Void) {
        if isCongested { deferred.append(answer) } else { answer() }
    }

    private func answerDeferred() {
        while !isCongested, let answer = deferred.popFirst() { answer() }
    }

    private func flush() {
        guard phase == .open || phase == .handingOver, let socket else { return }
        do throws(Errno) {
            try queue.drain { bytes throws(Errno) in try socket.send(bytes) }
        } catch .wouldBlock {
            queue.compact()
        } catch {
            // EPIPE, ECONNRESET: the peer has gone, and what it said before has been read or will not be.
            return end()
        }
        if queue.isEmpty, let act = whenFlushed {
            whenFlushed = nil
            return act()
        }
        shrinkLater()
        answerDeferred()
        if !isFullOfOutput { subscriptions.pump() }
        dialogue.proceed()
        updateInterest()
        endIfDone()
    }

    /// The memory of a large burst is kept as long as more follows within a second.
    private func shrinkLater() {
        guard queue.isEmpty, queue.isLarge, !shrinkDue else { return }
        shrinkDue = true
        queueIsBusy = false
        server.loop.after(1000) { [weak self] in
            guard let self else { return }
            shrinkDue = false
            if !queueIsBusy { queue.shrink() }
            shrinkLater()
        }
    }

    private func updateInterest() {
        guard phase == .open || whenFlushed != nil, let socket else { return }
        var wanted: EventLoop.Events = []
        if wantsInput { wanted.insert(.readable) }
        if !queue.isEmpty, !flushDue { wanted.insert(.writable) }
        guard wanted != interest else { return }
        interest = wanted
        do throws(Errno) { try server.loop.change(socket.raw, wanted) } catch { end() }
    }

    /// A request has been answered: there may be room for more, or nothing left to wait for.
    func requestEnded() {
        updateInterest()
        endIfDone()
    }

    // MARK: The end

    /// Half-closed, and nothing is pending: what was asked for has been answered.
    private func endIfDone() {
        guard inputEnded, !isClosed else { return }
        if phase == .handingOver { return }
        let isDone = dialogue.isIdle && subscriptions.isEmpty && queue.isEmpty
        if phase == .peerGone ? dialogue.hasStartedAll : isDone { end() }
    }

    /// The connection is over: its waits vanish, and processes whose lifetime it was go.
    func end() {
        guard !isClosed else { return }
        phase = .closed
        whenFlushed = nil
        deferred = []
        if let socket { server.loop.remove(socket.raw) }
        socket = nil
        dialogue.close()
        subscriptions.endAll()
        server.supervisor.connectionEnded(token)
        server.connectionEnded(self)
    }

    /// The server ends: what has been answered leaves, as far as the peer takes it.
    func finish() {
        flush()
        end()
    }

    // MARK: Handing over

    /// Calls `act` when everything queued has left. Nothing is read from now on: what the peer has sent behind its
    /// request is the program's.
    func beginHandingOver(_ act: @escaping () -> Void) {
        phase = .handingOver
        whenFlushed = act
        flush()
        updateInterest()
    }

    /// The socket for a program, which expects it blocking.
    func lendSocket() throws(Errno) -> SharedDescriptor {
        guard let socket else { throw .socketNotConnected }
        server.loop.remove(socket.raw)
        try socket.setNonblocking(false)
        return socket.descriptor
    }

    /// The program did not start: the connection goes on.
    func takeSocketBack() {
        guard phase == .handingOver, let socket else { return }
        phase = .open
        interest = .readable
        do throws(Errno) {
            try socket.setNonblocking(true)
            try server.loop.add(socket.raw, interest) { [weak self] events in self?.ready(events) }
        } catch {
            end()
        }
    }

    /// The program has it.
    func giveSocketAway() { end() }
}
