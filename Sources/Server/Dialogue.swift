// SPDX-License-Identifier: Apache-2.0
import DequeModule
import JSON
import JSONRPC
import Kernel
import ProcessControl

/// The requests of one connection: started in the order they came, the next one when a spawn before it is decided;
/// answered in any order.
final class Dialogue {
    private let server: Server
    private weak var connection: Connection?
    /// Not started yet.
    private var waiting = Deque<Call>()
    /// Received and not answered, by id.
    private var inFlight: [RequestID: Call] = [:]
    /// Started and not answered, notifications too.
    private var started: [ObjectIdentifier: Call] = [:]
    private var undecided = false
    private var proceedDue = false
    private var isClosed = false

    init(connection: Connection, server: Server) {
        self.connection = connection
        self.server = server
    }

    var isIdle: Bool { waiting.isEmpty && started.isEmpty }
    var hasStartedAll: Bool { waiting.isEmpty }
    /// So many wait for their start that the peer must wait too.
    var isFull: Bool { waiting.count >= server.limits.pendingRequests }
    /// Whether anything but `call` is under way.
    func isBusy(besides call: Call) -> Bool { !waiting.isEmpty || started.count > 1 }

    // MARK: In

    /// Takes one message.
    func take(_ bytes: [UInt8], _ descriptors: ReceivedDescriptors) {
        guard let connection else { return }
        let message = bytes.withUnsafeBytes {
            Message.parse($0, maximumBatch: server.limits.batch, maximumDepth: server.limits.nesting)
        }
        switch message {
        case .single(let incoming): take(incoming, Exchange(connection, batch: false), descriptors, connection)
        case .batch(let members):
            let exchange = Exchange(connection, batch: true)
            exchange.expect(members)
            for member in members { take(member, exchange, descriptors, connection) }
        }
        proceed()
    }

    private func take(
        _ incoming: Incoming, _ exchange: Exchange, _ descriptors: ReceivedDescriptors, _ connection: Connection
    ) {
        switch incoming {
        case .invalid(let id, let error): exchange.answer(Reply.failure(id: id, error))
        case .request(let request):
            if request.method == "$/cancelRequest" {
                // At once: what it is about may be waiting behind a start that takes its time.
                cancel(request)
                return exchange.answer(request.id.map { Reply.success(id: $0, result: .object([:])) })
            }
            let call = Call(request, exchange: exchange, connection: connection, descriptors: descriptors)
            if descriptors.isTruncated {
                return call.refuseUnstarted(.limitReached("descriptors", maximum: DescriptorArrivals.most))
            }
            if let id = request.id, id != .null {
                if inFlight[id] != nil {
                    return call.refuseUnstarted(.invalidRequest("a request with this id is already under way"))
                }
                inFlight[id] = call
            }
            waiting.append(call)
        }
    }

    /// Starts what may start; after a short while the rest later, so that nobody has to wait for a long batch of
    /// somebody else.
    func proceed() {
        guard let connection, !proceedDue else { return }
        let began = EventLoop.now()
        while !undecided, !isClosed, !connection.isCongested, let call = waiting.popFirst() {
            start(call, connection)
            guard !waiting.isEmpty, EventLoop.now() - began > Self.turn else { continue }
            proceedDue = true
            server.loop.later { [self, connection] in
                proceedDue = false
                guard !isClosed else { return }
                proceed()
                connection.requestEnded()
            }
            return
        }
    }

    /// In ms.
    private static let turn: Int64 = 2

    private func start(_ call: Call, _ connection: Connection) {
        if call.isEnded { return }
        let isFull = started.count >= server.limits.pendingRequests
        started[ObjectIdentifier(call)] = call
        call.began(self)
        if isFull { return call.fail(.limitReached("requests_pending", maximum: server.limits.pendingRequests)) }
        if call.isPartOfBatch, connection.batchBytes >= server.limits.sendQueue {
            // Its answers cannot leave before the last of them is there.
            return call.fail(.limitReached("send_queue_bytes", maximum: server.limits.sendQueue))
        }
        guard let method = server.methods[call.request.method] else {
            // The LSP base protocol: notifications of this form that are not known are ignored.
            return call.fail(.methodNotFound(call.request.method))
        }
        do {
            let parameters = try call.request.parameters.byName(method.memberNames)
            try parameters.requireObject(allowing: method.memberNames)
            for member in method.members where member.isRequired {
                _ = try parameters.requiredMember(member.name, expected: member.expected)
            }
            if method.delaysOthers {
                undecided = true
                call.holdsOthers = true
            }
            try method.run(call, parameters)
        } catch {
            call.fail(RPCError(error))
        }
    }

    private func cancel(_ request: Request) {
        guard case .named(let parameters) = request.parameters, let id = parameters["id"].flatMap(RequestID.init) else {
            return
        }
        inFlight[id]?.cancel()
    }

    // MARK: Out

    /// A spawn is decided: what came behind it may start.
    func decided() {
        undecided = false
        server.loop.later { [self, connection] in
            guard let connection, !isClosed else { return }
            proceed()
            connection.requestEnded()
        }
    }

    /// A call has been answered, or was a notification and is through.
    func ended(_ call: Call) {
        started[ObjectIdentifier(call)] = nil
        if let id = call.request.id, inFlight[id] === call { inFlight[id] = nil }
        if !isClosed { connection?.requestEnded() }
    }

    /// The connection is over: nothing more is answered.
    func close() {
        isClosed = true
        let calls = Array(started.values)
        inFlight = [:]
        started = [:]
        waiting = []
        for call in calls { call.abandon() }
    }
}

/// The calls of one message and what answers them: one reply, or an array of them when all are there.
final class Exchange {
    private let connection: Connection
    let isBatch: Bool
    private var outstanding = 0
    /// The array as far as it is written.
    private var body: [UInt8] = []
    private var holdsEvents = false
    private var held: [Int] = []

    init(_ connection: Connection, batch: Bool) {
        self.connection = connection
        isBatch = batch
    }

    func expect(_ members: [Incoming]) {
        outstanding = members.count
        holdsEvents = !members.contains { member in
            if case .request(let request) = member { request.method == "wait" } else { false }
        }
    }

    /// A process was spawned by a member. Nothing is told of it before the batch is answered, which is where the caller
    /// learns its id; unless the batch itself waits for what would be told.
    func spawned(_ process: Int) {
        guard isBatch, holdsEvents, outstanding > 0 else { return }
        held.append(process)
        connection.subscriptions.hold(process)
    }

    /// Nil: a notification, which is never answered.
    func answer(_ reply: JSONValue?) {
        guard let reply else { return answered() }
        write { reply.write(into: &$0) }
    }

    func answer(id: RequestID, result: (inout JSONWriter) -> Void) {
        write { Reply.writeSuccess(id: id, into: &$0, result: result) }
    }

    private func write(_ reply: (inout [UInt8]) -> Void) {
        guard isBatch else { return connection.send(reply) }
        let before = body.count
        body.append(body.isEmpty ? UInt8(ascii: "[") : UInt8(ascii: ","))
        reply(&body)
        connection.batchBytes += body.count - before
        answered()
    }

    private func answered() {
        guard isBatch else { return }
        outstanding -= 1
        guard outstanding == 0 else { return }
        if !body.isEmpty {
            connection.batchBytes -= body.count
            body.append(UInt8(ascii: "]"))
            connection.send { $0 += self.body }
            body = []
        }
        if !held.isEmpty { connection.subscriptions.letGo(held) }
    }
}
