// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import Kernel

/// What the kernel and the container allow, each thing tried and not guessed.
public struct KernelFacts {
    public let release: String
    public let machine: String
    public let clone3: Bool
    public let cloneIntoCgroup: Bool
    public let cgroupKill: Bool
    public let closeRangeUnshare: Bool
    public let inPlaceExec: Bool
}

/// Looks at the kernel's view of a process; only when somebody asks.
extension Supervisor {
    /// The living members of its tree.
    public func treeMembers(of process: ManagedProcess) -> [ProcStat] {
        members(of: process, .tree).compactMap { ProcFS.stat($0) }
    }

    /// Who holds the captured streams of a process open, by stream. Nobody has one that is not captured or has ended.
    public func streamHolders(of process: ManagedProcess) -> [(stream: String, pids: [Int32])] {
        ["stdout", "stderr"].map { name in
            (name, process.stream(name)?.inode().map { ProcFS.holders(pipe: $0) } ?? [])
        }
    }

    public func kernelFacts() -> KernelFacts {
        var name = utsname()
        uname(&name)
        return KernelFacts(
            release: Self.text(&name.release), machine: Self.text(&name.machine), clone3: pk_clone3_works(),
            cloneIntoCgroup: containers != nil, cgroupKill: containers?.canKill ?? false,
            closeRangeUnshare: pk_close_range_unshare_works(),
            inPlaceExec: inPlaceExec)
    }

    private static func text<Field>(_ field: inout Field) -> String {
        withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
