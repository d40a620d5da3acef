// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import JSONRPC
import Kernel

/// A person's terminal and the terminal of a program, which the server owns: keys go there, output comes here.
///
/// `run` is the program's caller: signals go on to it and it stops together with us. `attach` is a window: what ends
/// it leaves the program alone. `watch` is one without a keyboard, whose size does not count.
final class TerminalSession {
    enum Role { case run, attach, watch }
    enum End {
        case exited(JSONValue)
        case detached
        /// A signal that ended a window.
        case signal(Int32)
    }

    /// Whether program and session run, and what is under way to change that.
    enum Standing: Equatable {
        case going
        /// The program has been asked to stop, and when it is done we do.
        case stopping(RequestID)
        /// Until SIGCONT comes.
        case suspended
        case goingOn(RequestID)
    }

    /// Output that waits for the screen; beyond this none is taken from the server.
    private static let mostWaiting = 131_072
    /// A program under `run` waits for its terminal, ^S and ^Z included, for as long as it would for any: a year, in ms.
    private static let stall: Int64 = 31_622_400_000

    let client: Client
    let role: Role
    let process: JSONValue
    let pid: Int64?
    let signals: SignalForwarding
    let terminal = UserTerminal()
    private let follower: OutputFollower
    private var keys: EscapeKeys
    /// Escape keys that may be for us.
    private var held: [UInt8] = []
    var queue: KeyQueue
    var modes = ScreenModes()
    private var replay: (end: Int64, filter: QueryFilter)?
    /// Whether its output is shown from its first byte on. Else a program that draws has to draw anew for this window;
    /// but one that is just starting must not be made to, for it may see the size that a nudge passes through and not
    /// the one it ends with.
    private let showsAll: Bool
    var screen: [UInt8] = []
    private var end: End?
    private var detaching: RequestID?
    private var resizing: Set<RequestID> = []
    var standing = Standing.going

    /// - Parameters:
    ///   - record: the process, with a terminal.
    ///   - offset: the first byte of its output to show; what is older than `record` may not ask this terminal anything.
    init(
        _ client: Client, _ role: Role, record: JSONValue, offset: Int64, signals: consuming SignalForwarding,
        escape: EscapeWord
    ) throws(Failure) {
        self.client = client
        self.role = role
        self.signals = signals
        process = record["id"] ?? .null
        pid = record["pid"]?.integer
        keys = EscapeKeys(escape)
        queue = KeyQueue(client, process: process)
        showsAll = offset == 0 && record["streams"]?["terminal"]?["start"]?.integer == 0
        if role != .run, let end = record["streams"]?["terminal"]?["end"]?.integer, end > offset {
            replay = (end, QueryFilter())
        }
        follower = try OutputFollower(
            client, process: process, offsets: ["terminal": offset], events: ["stopped", "exited"],
            stall: role == .run ? Self.stall : nil)
    }

    /// Until the program has exited or is left alone; the terminal is as it was found then.
    func run(early: [SignalForwarding.Order] = []) throws(Failure) -> End {
        terminal.enter()
        defer { leaveTerminal() }
        if role == .attach { try resize(nudging: !showsAll) }
        for order in early { try obey(order) }
        while true {
            while screen.count < Self.mostWaiting, let message = try client.buffered() { try handle(message) }
            flush()
            if let end, screen.isEmpty { return end }
            try wait()
        }
    }

    private func wait() throws(Failure) {
        let takesOutput = screen.count < Self.mostWaiting && end == nil
        let takesKeys = terminal.takesKeys && queue.hasRoom && end == nil
        var watched = [
            pollfd(fd: takesOutput ? client.descriptor : -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: takesKeys ? terminal.input : -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: screen.isEmpty ? -1 : terminal.output, events: Int16(POLLOUT), revents: 0),
        ]
        guard poll(&watched, 4, timeout()) > 0 else {
            if !held.isEmpty { try release() }
            // A shell's fg of a job that ran does not tell it.
            if terminal.isTerminal, !terminal.isRaw { try resume() }
            return
        }
        if watched[1].revents != 0 {
            for order in signals.pending() { try obey(order) }
        }
        if watched[2].revents != 0 { try readKeys() }
        if watched[0].revents != 0 { try client.receive() }
    }

    private func timeout() -> CInt {
        if !held.isEmpty { return CInt(keys.remaining(at: Clock.milliseconds())) }
        return terminal.isTerminal && !terminal.isRaw ? 250 : -1
    }

    // MARK: From the server

    private func handle(_ message: ServerMessage) throws(Failure) {
        if case .response(let id, let result) = message {
            if try queue.take(id, result) { return }
            if id == detaching {
                if case .failure(let error) = result { throw Failure(error) }
                end = .detached
            }
            if resizing.remove(id) != nil { return }
            if standing == .stopping(id) { return try suspend(withProgram: true) }
            if standing == .goingOn(id) { standing = .going }
        }
        switch try follower.take(message) {
        case .output(_, let offset, let bytes): show(bytes, at: offset)
        case .gap(let stream, let offset, let length):
            let text = "procctl: " + StreamData.gap(stream, offset: offset, length: length)
            if terminal.isRaw { screen += "\r\n\(text)\r\n".utf8 } else { Output.complain(text) }
        case .happened("stopped", _):
            // By itself or by somebody else: as under a shell, its command stops with it. The word may be a late one of a
            // stop of ours, so what counts is how it stands now.
            if role == .run, standing == .going, let pid, ProgramTerminal.isStopped(pid) {
                try suspend(withProgram: true)
            }
        case .happened("exited", let params): end = end ?? .exited(params["record"] ?? .null)
        default: break
        }
    }

    private func show(_ bytes: [UInt8], at offset: Int64) {
        var bytes = bytes
        if let replayed = replay {
            let end = replayed.end
            var filter = replayed.filter
            let old = Int(max(0, min(Int64(bytes.count), end - offset)))
            let rest = bytes[old...]
            bytes = filter.filtered(Array(bytes[..<old]))
            if offset + Int64(old) >= end {
                bytes += filter.finish()
                replay = nil
            } else {
                replay = (end, filter)
            }
            bytes += rest
        }
        modes.note(bytes)
        screen += bytes
    }

    /// Writes what the screen takes.
    func flush() {
        var written = 0
        while written < screen.count {
            guard let count = terminal.write(screen[written...]) else {
                // It is gone: nobody looks any more, and reading keys will tell.
                screen = []
                return
            }
            if count == 0 { break }
            written += count
        }
        screen.removeFirst(written)
    }

    // MARK: From the person

    private func readKeys() throws(Failure) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(terminal.input, &buffer, buffer.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return try inputEnded() }
        var bytes = buffer[..<count]
        let now = Clock.milliseconds()
        if !held.isEmpty, keys.remaining(at: now) == 0 { try release() }
        if terminal.isTerminal, let (wish, offset) = keys.find(in: bytes, at: now) {
            // All but the two escape keys before it, some of which may be held.
            try type(bytes[..<max(0, offset - 2)])
            held = []
            if wish == .detach { return try detach() }
            bytes = bytes[(offset + 1)...]
            if role == .run { try stopProgram() } else { try suspend(withProgram: false) }
        }
        if role == .run, terminal.isTerminal, let place = bytes.firstIndex(of: EscapeKeys.controlZ), let pid,
            ProgramTerminal.wouldStop(pid, key: EscapeKeys.controlZ)
        {
            try type(bytes[..<place])
            bytes = bytes[(place + 1)...]
            try stopProgram()
        }
        let pending = min(keys.pending, bytes.count)
        // They stay held only if this goes on with them.
        if keys.pending != held.count + bytes.count { try release() }
        try type(bytes.dropLast(pending))
        held += bytes.suffix(pending)
    }

    private func type(_ keys: ArraySlice<UInt8>) throws(Failure) {
        if role != .watch { try queue.add(keys) }
    }

    /// The keys that were held are the program's.
    private func release() throws(Failure) {
        let keys = held
        held = []
        if !keys.isEmpty { try type(keys[...]) }
        if self.keys.remaining(at: Clock.milliseconds()) == 0 { self.keys.forget() }
    }

    private func inputEnded() throws(Failure) {
        guard terminal.isTerminal else { return role == .run ? try queue.end() : queue.abandon() }
        // The window was closed: what a kernel would tell a program whose terminal it was.
        if role == .run { try send(SIGHUP, "group") }
        screen = []
        end = .signal(SIGHUP)
    }

    private func detach() throws(Failure) {
        guard role == .run else {
            end = .detached
            return
        }
        guard detaching == nil else { return }
        detaching = try client.send("update", .object(["process": process, "lifetime": "detached"]))
    }

    /// The size of this terminal for that one. `nudging`: the kernel tells a program of a new size only.
    func resize(nudging: Bool = false) throws(Failure) {
        guard terminal.isTerminal, role != .watch, let (rows, columns) = UserTerminal.size() else { return }
        for rows in nudging ? [rows == 1 ? 2 : rows - 1, rows] : [rows] {
            resizing.insert(
                try client.send(
                    "resize",
                    .object(["process": process, "rows": .integer(rows), "cols": .integer(columns)])))
        }
    }

    /// A signal that ends: at once when the program's end is known and only the screen is waited for.
    func finish(_ number: Int32) {
        if end != nil { screen = [] }
        if role != .run { end = end ?? .signal(number) }
    }
}
