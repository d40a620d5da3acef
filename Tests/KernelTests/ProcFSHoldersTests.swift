// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@Suite struct ProcFSHoldersTests {
    /// A program's child keeps its output open after it: the case that `drained` waits for.
    @Test func whoHoldsTheWritingEnd() throws {
        let pipe = try makePipe()
        let inode = try inode(of: pipe.reading.raw)
        let writer = try Helper(["sh", "-c", "sleep 60 & exec sleep 61"], descriptors: [1: pipe.writing.raw])
        let reader = try Helper(["sleep", "62"], descriptors: [0: pipe.reading.raw])
        let session = writer.pid
        // Both sleeps have the pipe and nobody else has: other tests fork, too, and hold all for a moment.
        func holders() -> [pid_t] { ProcFS.holders(pipe: inode) }
        #expect(eventually { holders().count == 2 && holders().allSatisfy { ProcFS.stat($0)?.session == session } })
        #expect(holders().contains(writer.pid))
        #expect(eventually { ProcFS.holders(pipe: inode, writersOnly: false).contains(reader.pid) })
        #expect(ProcFS.holders(pipe: inode, excluding: writer.pid).contains(getpid()))
        kill(writer.pid, SIGKILL)
        #expect(eventually { holders().count == 1 && !holders().contains(writer.pid) })
    }

    @Test func nobodyHoldsAnUnknownPipe() throws {
        let pipe = try makePipe()
        let inode = try inode(of: pipe.reading.raw)
        #expect(eventually { ProcFS.holders(pipe: inode) == [] })
        // An inode number that is the beginning of another must not match.
        #expect(!ProcFS.holders(pipe: inode / 10, excluding: 0).contains(getpid()))
    }
}
