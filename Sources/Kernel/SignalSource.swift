// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// Signals to this process as events of the loop (signalfd(2)). They are blocked from then on.
@MainActor
public final class SignalSource {
    private let loop: EventLoop
    private let descriptor: Descriptor
    /// Nobody is told of what comes meanwhile before this is over.
    public var isMuted = false {
        didSet {
            // A watch that is there is changed without memory: it does not fail.
            if isMuted != oldValue { try? loop.change(descriptor.raw, isMuted ? [] : .readable) }
        }
    }

    /// - Parameter handler: called for each signal taken; SIGCHLD and the like coalesce, so a call means "at
    ///   least one".
    public init(
        loop: EventLoop, signals: [CInt], handler: @escaping @MainActor (_ signal: CInt, _ sender: Int32) -> Void
    ) throws(Errno) {
        self.loop = loop
        descriptor = Descriptor(taking: try kernelResult(pk_signal_descriptor(signals, signals.count)))
        let number = descriptor.raw
        try loop.add(number, .readable) { _ in
            // What does not fit is told again at once.
            var taken = InlineArray<8, pk_signal>(repeating: pk_signal())
            let atMost = CInt(taken.count)
            let count = withUnsafeMutableBytes(of: &taken) { room in
                pk_take_signals(number, room.bindMemory(to: pk_signal.self).baseAddress, atMost)
            }
            for index in 0..<max(0, Int(count)) { handler(taken[index].number, taken[index].sender) }
        }
    }

    /// Blocks signals that a source will take later; those that come meanwhile wait.
    public static func block(_ signals: [CInt]) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        sigprocmask(SIG_BLOCK, &set, nil)
    }

    /// Ends the watch; the signals stay blocked.
    public func close() { loop.remove(descriptor.raw) }
}
