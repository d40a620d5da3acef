// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// The server's end of a held child's gate: orders go in, "failed" or the end comes back.
///
/// The end means that the child became its program (the socket is close-on-exec) or died; the pidfd tells which.
@MainActor
public final class Gate {
    private let loop: EventLoop
    private let socket: Descriptor
    private let outcome: UnsafeMutablePointer<pk_outcome>
    private var answered: (@MainActor (LaunchFailure?) -> Void)?
    private var ended: (@MainActor () -> Void)?

    init(loop: EventLoop, socket: consuming Descriptor, outcome: UnsafeMutablePointer<pk_outcome>) {
        self.loop = loop
        self.socket = socket.lifted()
        self.outcome = outcome
    }

    /// Starts to listen. `ended` is called once, when the child has left the gate, in whichever way, and after
    /// the answer to an order under way.
    public func watch(ended: @escaping @MainActor () -> Void) throws(Errno) {
        self.ended = ended
        try loop.add(socket.raw, .readable) { _ in self.read() }
    }

    /// Where the child is now.
    public var stage: LaunchStage { LaunchStage(number: outcome.pointee.stage) }

    /// Whether an order has not been answered yet.
    public var isBusy: Bool { answered != nil }

    /// Tells the child to become its program.
    ///
    /// - Parameters:
    ///   - image: instead of the one it was created with.
    ///   - directory: to change to before.
    ///   - signals: ignored and blocked ones, instead of those it was created with.
    ///   - answered: nil when it left the gate, else why it is still there.
    /// - Throws: when the order could not be given; the child waits on.
    public func open(
        image: ProgramImage?, directory: SharedDescriptor?, signals: (ignored: UInt64, blocked: UInt64)?,
        answered: @escaping @MainActor (LaunchFailure?) -> Void
    ) throws(Errno) {
        var order = pk_gate_order()
        var descriptors: [CInt] = []
        let file = try image.map { image throws(Errno) in SharedDescriptor(try image.memoryFile()) }
        if let image, let file {
            order.has_image = 1
            order.image_size = UInt64(image.block.count)
            descriptors.append(file.raw)
        }
        if let directory {
            order.has_cwd = 1
            descriptors.append(directory.raw)
        }
        if let signals {
            order.set_signals = 1
            order.ignored = signals.ignored
            order.blocked = signals.blocked
        }
        self.answered = answered
        let number = socket.raw
        outcome.pointee.stage = LaunchStage.gate.number
        let sent = withUnsafeBytes(of: &order) { bytes in
            pk_send_descriptors(number, bytes.baseAddress, bytes.count, descriptors, descriptors.count)
        }
        // A child that has just died answers as well: by the end of the socket, which is on its way.
        if sent != -Int(EPIPE), sent != -Int(ECONNRESET) {
            do throws(Errno) { try kernelResult(sent) } catch {
                self.answered = nil
                throw error
            }
        }
        withExtendedLifetime(file) {}
    }

    /// The order under way has been given up; it is not answered.
    public func forgetOrder() { answered = nil }

    private func read() {
        var byte: UInt8 = 0
        var count = 0
        do throws(Errno) {
            count = try withUnsafeMutableBytes(of: &byte) { buffer throws(Errno) in
                try socket.read(into: buffer)
            }
        } catch {
            // ECONNRESET: it died with an order unread. The same as the end.
        }
        let tell = answered
        answered = nil
        if count > 0 {
            let outcome = outcome.pointee
            tell?(
                LaunchFailure(
                    stage: LaunchStage(number: outcome.stage), error: Errno(rawValue: outcome.error),
                    index: Int(outcome.index)))
            return
        }
        loop.remove(socket.raw)
        // The end is that of a program that has begun, or of a child that was killed on its way there.
        tell?(stage == .exec ? nil : LaunchFailure(stage: stage, error: .interrupted))
        ended?()
        ended = nil
    }
}
