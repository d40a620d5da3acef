// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import SystemPackage

/// A descriptor with several owners, closed with the last of them.
///
/// One that came with a message belongs to each use that the message makes of its index; closing it may block
/// for as long as its file's server likes, and happens aside (`pk_close_foreign`).
@MainActor
public final class SharedDescriptor {
    public let raw: CInt
    private let foreign: Bool

    /// Takes over one of ours.
    public init(_ own: consuming Descriptor) {
        raw = own.release()
        foreign = false
    }

    /// Takes over one that was received.
    public init(received raw: CInt) {
        self.raw = raw
        foreign = true
    }

    deinit {
        if foreign { pk_close_foreign(raw) } else { _ = close(raw) }
    }
}

extension Descriptor {
    /// Where the server keeps what it holds for long. Below live only descriptors in passing, those for the
    /// next children among them: a start copies the table up to the highest of those (`pk_launch`), and its
    /// cost does not grow with the number of processes. Of a few processes it copies all, the empty places below too.
    static let longLivedFloor: CInt = 256

    /// Moves a descriptor that will stay to the upper numbers; it stays where it is if the limit forbids.
    public consuming func lifted() -> Descriptor {
        guard raw < Descriptor.longLivedFloor else { return self }
        let number = fcntl(raw, F_DUPFD_CLOEXEC, Descriptor.longLivedFloor)
        return number < 0 ? self : Descriptor(taking: number)
    }
}
