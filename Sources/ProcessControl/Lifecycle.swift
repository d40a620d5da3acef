// SPDX-License-Identifier: Apache-2.0

/// What a process is doing, as records say it. `starting` is never shown: its spawn is not answered yet.
public enum ProcessState: String, CaseIterable, Sendable {
    case starting, held, running, stopped, exited
}

/// The states of a process and what may happen in each. No I/O.
public struct Lifecycle {
    public private(set) var state = ProcessState.starting
    /// Stopped while its program had not begun: what it will be when it has.
    private(set) var startsStopped = false

    /// What happens to a process.
    enum Event: CaseIterable {
        /// The program runs.
        case started
        /// The child is ready at its gate.
        case heldReady
        case stopped
        case continued
        case ended
    }

    /// What a caller may ask of one.
    public enum Request: CaseIterable, Sendable {
        case execReplace, kill, release, update, read
    }

    /// Takes an event. False if it says nothing new: a stop told twice, anything after the end.
    mutating func take(_ event: Event) -> Bool {
        switch (state, event) {
        case (.starting, .started), (.held, .started): state = startsStopped ? .stopped : .running
        case (.starting, .heldReady): state = .held
        case (.running, .stopped): state = .stopped
        case (.stopped, .continued): state = .running
        case (.starting, .ended), (.held, .ended), (.running, .ended), (.stopped, .ended): state = .exited
        // The program may be stopped by its own first instruction, before its start is known here; a held child that
        // is stopped stays held.
        case (.starting, .stopped), (.held, .stopped):
            startsStopped = true
            return false
        case (.starting, .continued), (.held, .continued):
            startsStopped = false
            return false
        case (.held, .heldReady): return false
        case (.running, .started), (.running, .heldReady), (.running, .continued): return false
        case (.stopped, .started), (.stopped, .heldReady), (.stopped, .stopped): return false
        case (.exited, .started), (.exited, .heldReady), (.exited, .stopped), (.exited, .continued),
            (.exited, .ended):
            return false
        }
        return true
    }

    /// Nil if the request is allowed now, else the reason that stands in the error.
    public func refusal(of request: Request) -> String? {
        switch (request, state) {
        case (_, .starting): "starting"
        case (.execReplace, .held), (.execReplace, .running), (.execReplace, .stopped): nil
        case (.execReplace, .exited): "exited"
        case (.kill, .held), (.kill, .running), (.kill, .stopped), (.kill, .exited): nil
        case (.release, .held), (.release, .running), (.release, .stopped): "living"
        case (.release, .exited): nil
        case (.update, .held), (.update, .running), (.update, .stopped), (.update, .exited): nil
        case (.read, .held), (.read, .running), (.read, .stopped), (.read, .exited): nil
        }
    }
}
