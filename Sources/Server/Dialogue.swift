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
    private unowned let connection: Connection
    /// Not started yet.
    private var waiting = Deque<Call>()
    /// Received and not answered, by id.
    private var inFlight: [RequestID: Call] = [:]
    /// Started and not answered, notifications too.
    private var started = 0
    private var undecided = false
    private var isClosed = false

    init(connection: Connection, server: Server) {
        self.connection = connection
        self.server = server
    }

    var isIdle: Bool { waiting.isEmpty && started == 0 }
    var hasStartedAll: Bool { waiting.isEmpty }
    /// So many wait for their start that the peer must wait too.
    var isFull: Bool { waiting.count >= server.limits.pendingRequests }
    /// Whether anything but `call` is under way.
    func isBusy(besides call: Call) -> Bool { !waiting.isEmpty || started > 1 }

    // MARK: In

    /// Takes one message.
    func take(_ bytes: [UInt8], _ descriptors: ReceivedDescriptors) {
        let message = bytes.withUnsafeBytes {
            Message.parse($0, maximumBatch: server.limits.batch, maximumDepth: server.limits.nesting)
        }
        switch message {
        case .single(let incoming): take(incoming, Exchange(connection, batch: false), descriptors)
        case .batch(let members):
            let exchange = Exchange(connection, batch: true)
            exchange.expect(members.count)
            for member in members { take(member, exchange, descriptors) }
        }
        proceed()
    }

    private func take(_ incoming: Incoming, _ exchange: Exchange, _ descriptors: ReceivedDescriptors) {
        switch incoming {
        case .invalid(let id, let error): exchange.answer(Reply.failure(id: id, error))
        case .request(let request):
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

    /// Starts what may start.
    func proceed() {
        while !undecided, !isClosed, !connection.isCongested, let call = waiting.popFirst() {
            start(call)
        }
    }

    private func start(_ call: Call) {
        if call.isEnded { return }
        let isFull = started >= server.limits.pendingRequests
        started += 1
        call.began(self)
        if call.request.method == "$/cancelRequest" {
            cancel(call)
            return call.succeed(.object([:]))
        }
        if isFull { return call.fail(.limitReached("requests_pending", maximum: server.limits.pendingRequests)) }
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

    private func cancel(_ call: Call) {
        guard case .named(let parameters) = call.request.parameters, let id = parameters["id"].flatMap(RequestID.init),
            let target = inFlight[id], target !== call
        else { return }
        target.cancel()
    }

    // MARK: Out

    /// A spawn is decided: what came behind it may start.
    func decided() {
        undecided = false
        server.loop.later { [weak self] in
            guard let self, !isClosed else { return }
            proceed()
            connection.requestEnded()
        }
    }

    /// A call has been answered, or was a notification and is through.
    func ended(_ call: Call, wasStarted: Bool) {
        if wasStarted { started -= 1 }
        if let id = call.request.id, inFlight[id] === call { inFlight[id] = nil }
        if !isClosed { connection.requestEnded() }
    }

    /// The connection is over: nothing more is answered.
    func close() {
        isClosed = true
        let calls = Array(inFlight.values)
        inFlight = [:]
        waiting = []
        for call in calls { call.abandon() }
    }
}

/// The calls of one message and what answers them: one reply, or an array of them when all are there.
final class Exchange {
    private let connection: Connection
    private let isBatch: Bool
    private var outstanding = 0
    private var replies: [JSONValue] = []

    init(_ connection: Connection, batch: Bool) {
        self.connection = connection
        isBatch = batch
    }

    func expect(_ count: Int) { outstanding = count }

    /// Nil: a notification, which is never answered.
    func answer(_ reply: JSONValue?) {
        guard isBatch else {
            if let reply { connection.send(reply) }
            return
        }
        if let reply { replies.append(reply) }
        outstanding -= 1
        if outstanding == 0, !replies.isEmpty { connection.send(.array(replies)) }
    }

    /// The quick way for the one answer of a message that is no batch.
    func answer(id: RequestID, result: JSONValue) {
        if isBatch { return answer(Reply.success(id: id, result: result)) }
        connection.send { Reply.writeSuccess(id: id, result: result, into: &$0) }
    }

    var isPartOfBatch: Bool { isBatch }
}
