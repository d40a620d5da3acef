// SPDX-License-Identifier: Apache-2.0
import Kernel
import SystemPackage

/// What callers send into a process: bytes for its input, and the size of its terminal.
extension Supervisor {
    /// Queues bytes for a process's stdin or terminal. `completion` is called when they are queued.
    /// - Returns: what to cancel it by; nil if it has been answered.
    public func write(
        _ data: [UInt8], endsInput: Bool, to process: ManagedProcess,
        completion: @escaping (Result<InputQueue.State, Refusal>) -> Void
    ) throws(Refusal) -> PendingWrite? {
        guard let input = process.input else {
            throw .wrongState(
                reason: "not_captured: \(process.stdinKind)", process: process.id, state: process.state)
        }
        // One that waits alone may be as long as a message can be.
        let waiting = input.waitingBytes
        if waiting > 0, waiting + data.count > limits.inputWaiting {
            throw .limitReached(name: "input_waiting_bytes", maximum: limits.inputWaiting)
        }
        return input.write(data, endsInput: endsInput) { result in
            completion(result.mapError { _ in .streamClosed(process: process.id, stream: "stdin") })
        }
    }

    public func cancel(_ write: PendingWrite, of process: ManagedProcess) {
        process.input?.cancel(write)
    }

    /// Gives a process's terminal another size; its foreground programs are told by SIGWINCH.
    public func resize(_ process: ManagedProcess, rows: UInt16, columns: UInt16) throws(Refusal) {
        guard process.spec.terminal != nil else {
            throw .wrongState(reason: "no_terminal", process: process.id, state: process.state)
        }
        guard let master = process.terminalMaster, process.terminal?.isOpen == true else {
            throw .streamClosed(process: process.id, stream: "terminal")
        }
        do throws(Errno) {
            try PseudoTerminal.resize(master, rows: rows, columns: columns)
        } catch {
            throw .streamClosed(process: process.id, stream: "terminal")
        }
        process.spec.terminal?.rows = rows
        process.spec.terminal?.columns = columns
    }
}
