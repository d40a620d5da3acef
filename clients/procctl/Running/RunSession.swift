// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import JSONRPC
import Kernel

/// A program run in the foreground: started, signals sent on, waited for, forgotten.
struct RunSession: ~Copyable {
    private let client: Client
    private let signals: SignalForwarding
    private let spawnID: RequestID
    private let ownGroup: Bool
    /// It has a terminal of the server's; else it has our descriptors.
    private let hasTerminal: Bool
    private var process: JSONValue?
    private var record: JSONValue?
    private var waitID: RequestID?
    private var forwards: Set<RequestID> = []
    /// What came before there was a program.
    private var early: [SignalForwarding.Order] = []
    /// A signal that asks to end, and how long a start that hangs may keep it.
    private var ending: (signal: Int32, deadline: Int64)?

    private static let patience: Int64 = 1000

    /// Sends the request. From here on signals are the program's.
    init(_ client: Client, _ request: SpawnRequest, ownGroup: Bool, hasTerminal: Bool) throws(Failure) {
        // Blocked before the program can exist: none may end us and leave it without its end being told.
        let signals = try SignalForwarding()
        let spawnID = try client.send("spawn", request.params, descriptors: request.descriptors)
        self.client = client
        self.ownGroup = ownGroup
        self.hasTerminal = hasTerminal
        self.signals = signals
        self.spawnID = spawnID
    }

    /// The record of the program's end.
    mutating func run() throws(Failure) -> JSONValue {
        while true {
            while let message = try client.buffered() {
                if let record = try handle(message) { return record }
            }
            try wait()
        }
    }

    /// Starts it, and leaves the rest to a session on this terminal.
    consuming func onTerminal(_ escape: EscapeWord) throws(Failure) -> (TerminalSession, [SignalForwarding.Order]) {
        while record == nil {
            while record == nil, let message = try client.buffered() { _ = try handle(message) }
            if record == nil { try wait() }
        }
        let session = try TerminalSession(
            client, .run, record: record ?? .null, offset: 0, signals: signals, escape: escape)
        return (session, early)
    }

    private mutating func wait() throws(Failure) {
        var watched = [
            pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&watched, 2, timeout()) > 0 else { return }
        if watched[1].revents != 0 {
            for order in signals.pending() { try obey(order) }
        }
        if watched[0].revents != 0 { try client.receive() }
    }

    /// For poll(2). Ends us, and with our connection the start, when that hangs and a signal wants an end.
    private func timeout() -> Int32 {
        guard process == nil, let ending else { return -1 }
        let left = ending.deadline - Clock.milliseconds()
        if left <= 0 { exit(128 + ending.signal) }
        return Int32(left)
    }

    private mutating func handle(_ message: ServerMessage) throws(Failure) -> JSONValue? {
        guard case .response(let id, let result) = message else { return nil }
        switch result {
        case .failure(let error):
            guard forwards.remove(id) == nil else {
                Output.complain("procctl: cannot send the signal on: \(error.message)")
                return nil
            }
            throw Failure(error)
        case .success(let value):
            if id == spawnID {
                try started(value)
            } else if id == waitID {
                guard let record = value["done"]?[0] else { throw Failure("the server does not tell how it ended") }
                return record
            } else {
                forwards.remove(id)
            }
            return nil
        }
    }

    private mutating func started(_ record: JSONValue) throws(Failure) {
        self.record = record
        if hasTerminal { return }
        StandardDescriptors.giveAway()
        let id = record["id"] ?? .null
        process = id
        // The answer to spawn comes at the program's execve: the wait is there long before any exit.
        waitID = try client.send("wait", .object(["processes": .array([id])]))
        for order in early { try obey(order) }
        early = []
    }

    private mutating func obey(_ order: SignalForwarding.Order) throws(Failure) {
        guard let process else { return hold(order) }
        switch order {
        case .forward(let number, let scope): try send(number, scope, to: process)
        case .stop:
            // SIGTSTP does nothing in a group that no shell of its session looks after, as the program's is.
            try send(SIGSTOP, "group", to: process)
            // It does nothing here either when our group is such a one: then nobody would let the program go on.
            if !SignalForwarding.stopOurselves() { try send(SIGCONT, "group", to: process) }
        }
    }

    private mutating func send(_ number: Int32, _ scope: String, to process: JSONValue) throws(Failure) {
        // With --session inherit the group is the server's own.
        let scope = ownGroup ? scope : "process"
        forwards.insert(
            try client.send(
                "kill",
                .object([
                    "processes": .array([process]), "signal": .integer(Int64(number)), "scope": .string(scope),
                ])))
    }

    /// Before there is a program: it gets what came, in order, once it is there.
    private mutating func hold(_ order: SignalForwarding.Order) {
        early.append(order)
        if case .forward(let number, _) = order, [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(number), ending == nil {
            ending = (number, Clock.milliseconds() + Self.patience)
        }
    }

    /// Its status has been told to whom it concerns: the server need not remember it.
    func forget() {
        if let process { Self.forget(process, client) }
    }

    static func forget(_ process: JSONValue, _ client: Client) {
        guard let id = try? client.send("release", .object(["processes": .array([process])])) else {
            return
        }
        var watched = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&watched, 1, 1000) > 0 { _ = try? client.answer(to: id) }
    }
}
