// SPDX-License-Identifier: Apache-2.0

/// Bytes on their way to a peer. No I/O.
struct SendQueue {
    private var bytes: [UInt8] = []
    private var sent = 0

    var count: Int { bytes.count - sent }
    var isEmpty: Bool { count == 0 }

    /// Appends what `write` appends to the array it is given.
    mutating func append(_ write: (inout [UInt8]) -> Void) { write(&bytes) }

    /// Offers what is there to `send`, which returns how much it took, until it takes no more.
    mutating func drain<Failure: Error>(_ send: (UnsafeRawBufferPointer) throws(Failure) -> Int) throws(Failure) {
        while sent < bytes.count {
            let start = sent
            let taken = try bytes.withUnsafeBufferPointer { all throws(Failure) -> Int in
                try send(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[start...])))
            }
            sent += taken
        }
        bytes.removeAll(keepingCapacity: true)
        sent = 0
    }

    /// More memory than an idle connection should keep. To get it anew for each of many large replies costs a page fault
    /// for every 4 KiB of them.
    var isLarge: Bool { bytes.capacity > 64 << 10 }

    /// Gives a large burst's memory back, if nothing is queued.
    mutating func shrink() {
        if isLarge, bytes.isEmpty { bytes = [] }
    }

    /// Moves what is left to the front once more has been sent than is left: each byte is moved at most once.
    mutating func compact() {
        guard sent > bytes.count - sent else { return }
        bytes.removeFirst(sent)
        sent = 0
    }
}
