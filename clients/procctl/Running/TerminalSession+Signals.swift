// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import JSONRPC

/// What signals mean to a session on a terminal, and its stopping and going on.
extension TerminalSession {
    func obey(_ order: SignalForwarding.Order) throws(Failure) {
        switch order {
        case .forward(SIGWINCH, _): try resize()
        case .forward(SIGCONT, _):
            // Perhaps from the background to the foreground, with another size.
            try resume()
            try goOn(withProgram: role == .run)
        case .forward(let number, let scope):
            let ends = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(number)
            if ends { finish(number) }
            if role == .run { try send(number, scope) }
        case .stop:
            if role == .run { try stopProgram() } else { try suspend(withProgram: false) }
        }
    }

    @discardableResult
    func send(_ number: Int32, _ scope: String) throws(Failure) -> RequestID {
        try client.send(
            "kill",
            .object([
                "processes": .array([process]), "signal": .integer(Int64(number)), "scope": .string(scope),
            ]))
    }

    /// The program first, and when that is done we stop.
    func stopProgram() throws(Failure) {
        // SIGTSTP does nothing in a group that no shell of its session looks after, as the program's is.
        standing = .stopping(try send(SIGSTOP, "group"))
    }

    /// Gives the terminal back and stops, as any job does; goes on at SIGCONT.
    func suspend(withProgram: Bool) throws(Failure) {
        flush()
        leaveTerminal()
        standing = .suspended
        if SignalForwarding.stopOurselves() { return }
        // Nobody would let us go on, so the kernel did not stop us.
        try resume()
        try goOn(withProgram: withProgram)
    }

    private func goOn(withProgram: Bool) throws(Failure) {
        standing = withProgram ? .goingOn(try send(SIGCONT, "group")) : .going
    }

    /// Takes the terminal again, if it is our turn.
    func resume() throws(Failure) {
        let wasRaw = terminal.isRaw
        terminal.enter()
        guard terminal.isRaw, !wasRaw else { return }
        screen = modes.enter + screen
        try resize()
    }

    /// The terminal as it was found; what a program left turned on is turned off.
    func leaveTerminal() {
        if terminal.isRaw {
            let rest = modes.leave
            if !rest.isEmpty { _ = terminal.write(rest[...]) }
        }
        terminal.leave()
    }
}
