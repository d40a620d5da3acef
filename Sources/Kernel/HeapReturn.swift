// SPDX-License-Identifier: Apache-2.0
import CKernel

/// Gives free memory back to the kernel when a burst is over.
@MainActor
public final class HeapReturn {
    private let loop: EventLoop
    private var isDue = false
    private var isQuiet = true

    public init(loop: EventLoop) { self.loop = loop }

    /// Something has ended that may have held memory. When no more has for a second or two, the heap is looked at: pages
    /// that are soon needed again are cheaper kept. Between bursts there is no timer.
    public func somethingEnded() {
        isQuiet = false
        guard !isDue else { return }
        isDue = true
        look()
    }

    private func look() {
        isQuiet = true
        loop.after(1000) { [weak self] in
            guard let self else { return }
            if !isQuiet { return look() }
            isDue = false
            if pk_memory_unused() > Self.worthwhile { pk_memory_give_back() }
        }
    }

    /// In bytes. Less is left to what comes next.
    private static let worthwhile = 1 << 20
}
