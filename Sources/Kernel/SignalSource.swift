// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// Signals to this process as events of the loop (signalfd(2)). They are blocked from then on.
@MainActor
public final class SignalSource {
    private let loop: EventLoop
    private let descriptor: Descriptor

    /// - Parameter handler: called for each signal taken; SIGCHLD and the like coalesce, so a call means "at
    ///   least one".
    public init(
        loop: EventLoop, signals: [CInt], handler: @escaping @MainActor (_ signal: CInt, _ sender: Int32) -> Void
    ) throws(Errno) {
        self.loop = loop
        descriptor = Descriptor(taking: try kernelResult(pk_signal_descriptor(signals, signals.count)))
        let number = descriptor.raw
        try loop.add(number, .readable) { _ in
            var sender: CInt = 0
            while true {
                let signal = pk_next_signal(number, &sender)
                if signal <= 0 { break }
                handler(signal, sender)
            }
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
