// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import ProcessControl

/// One request on its way: what it asks, what cancels it, and its answer, once.
final class Call {
    let request: Request
    let connection: Connection
    let descriptors: ReceivedDescriptors
    private let exchange: Exchange
    private weak var dialogue: Dialogue?
    private(set) var isEnded = false
    /// What came behind it waits until it is decided.
    var holdsOthers = false
    /// Undoes what waits on its behalf.
    private var undo: (() -> Void)?
    private var isCancellable = false
    private var cancelledData: JSONValue?
    private var leases: [ManagedProcess] = []
    private let supervisor: Supervisor

    init(_ request: Request, exchange: Exchange, connection: Connection, descriptors: ReceivedDescriptors) {
        self.request = request
        self.exchange = exchange
        self.connection = connection
        self.descriptors = descriptors
        supervisor = connection.supervisor
    }

    var isPartOfBatch: Bool { exchange.isBatch }
    var peer: Peer { connection.peer }

    func began(_ dialogue: Dialogue) { self.dialogue = dialogue }

    /// It waits for something.
    /// - Parameters:
    ///   - undo: ends the wait without an answer.
    ///   - cancelled: `data` of the error that a cancel answers with.
    func wait(cancelled: JSONValue? = nil, undo: @escaping () -> Void) {
        if isEnded { return }
        isCancellable = true
        cancelledData = cancelled
        self.undo = undo
    }

    /// Requests of a process's owner that name it renew its lease, and keep it while they last.
    func names(_ processes: [ManagedProcess], by selector: ProcessSelector? = nil) {
        switch selector {
        case .all, .labels: return
        case .these, nil: break
        }
        for process in processes where process.owner.uid == peer.uid {
            leases.append(process)
            supervisor.holdLease(process)
        }
    }

    /// It has made a process.
    func spawned(_ process: ManagedProcess) { exchange.spawned(process.id) }

    // MARK: Answers

    func succeed(_ result: JSONValue) {
        succeed(writing: { $0.value(result) })
    }

    /// With a result that is written straight into the send queue.
    func succeed(writing result: (inout JSONWriter) -> Void) {
        guard begin() else { return }
        if let id = request.id { exchange.answer(id: id, result: result) } else { exchange.answer(nil) }
        finish()
    }

    /// With a result that is large and made when it can leave.
    func succeedWhenThereIsRoom(writing result: @escaping (inout JSONWriter) -> Void) {
        undo = nil
        connection.whenThereIsRoom { self.succeed(writing: result) }
    }

    func fail(_ error: RPCError) {
        guard begin() else { return }
        exchange.answer(request.id.map { Reply.failure(id: $0, error) })
        finish()
    }

    /// Success that is silence: the connection belongs to a program now.
    func succeedSilently() {
        guard begin() else { return }
        finish()
    }

    /// Answers a call that was never started.
    func refuseUnstarted(_ error: RPCError) {
        isEnded = true
        exchange.answer(request.id.map { Reply.failure(id: $0, error) })
    }

    private func begin() -> Bool {
        if isEnded { return false }
        isEnded = true
        return true
    }

    private func finish() {
        undo = nil
        releaseLeases()
        dialogue?.ended(self)
        if holdsOthers {
            holdsOthers = false
            dialogue?.decided()
        }
    }

    private func releaseLeases() {
        for process in leases { supervisor.letLeaseRun(process) }
        leases = []
    }

    // MARK: Cancelling

    /// `$/cancelRequest`: the request is answered with -32800 if it is still to be answered and can be called back.
    func cancel() {
        if isEnded { return }
        if dialogue == nil {
            // Not started: it never will be.
            refuseUnstarted(.requestCancelled())
            connection.dialogue.ended(self)
            return
        }
        guard isCancellable else { return }
        let act = undo
        undo = nil
        act?()
        var error = RPCError.requestCancelled()
        if let cancelledData { error.data = cancelledData }
        fail(error)
    }

    /// Its connection is over.
    func abandon() {
        if isEnded { return }
        isEnded = true
        let act = undo
        undo = nil
        act?()
        releaseLeases()
    }
}
