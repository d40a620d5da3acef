// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import Testing

@testable import Kernel

@Suite struct ProgramImageTests {
    private func strings(_ list: UnsafePointer<UnsafePointer<CChar>?>?) -> [[UInt8]] {
        var strings: [[UInt8]] = []
        var next = list
        while let entry = next, let string = entry.pointee {
            strings.append((0..<strlen(string)).map { UInt8(bitPattern: string[$0]) })
            next = entry + 1
        }
        return strings
    }

    @Test(
        arguments: [
            (["/bin/true"], ["true"], [], nil),
            (["/bin/ls", "/usr/bin/ls", "ls"], ["ls", "-l", ""], ["A=1", "B=", "PATH=/bin"], "/tmp"),
            (["x"], [""], ["="], ""),
            ([], ["only"], ["A=\u{E9}"], "é"),
        ] as [([String], [String], [String], String?)])
    func whatIsPackedIsUnpacked(
        candidates: [String], arguments: [String], environment: [String], directory: String?
    ) throws {
        let image = ProgramImage.of(
            arguments, candidates: candidates, environment: environment, directory: directory)
        let unpacked = image.unpack()
        withExtendedLifetime(image) {
            #expect(strings(unpacked.candidates) == candidates.map { Array($0.utf8) })
            #expect(strings(unpacked.argv) == arguments.map { Array($0.utf8) })
            #expect(strings(unpacked.envp) == environment.map { Array($0.utf8) })
            #expect(unpacked.cwd.map { String(cString: $0) } == directory)
            #expect(unpacked.cwd_descriptor == -1)
        }
    }

    @Test func stringsAreBytes() {
        let every = (1...255).map { UInt8($0) }
        let image = ProgramImage(
            candidates: [every], arguments: [every, [0xFF]], environment: [[0xC3]], directory: every)
        let unpacked = image.unpack()
        withExtendedLifetime(image) {
            #expect(strings(unpacked.candidates) == [every])
            #expect(strings(unpacked.argv) == [every, [0xFF]])
            #expect(strings(unpacked.envp) == [[0xC3]])
            #expect(unpacked.cwd.map { strlen($0) } == 255)
        }
    }

    @Test func manyAndLong() {
        let arguments = (0..<10_000).map { Array("argument \($0)".utf8) }
        let long = [UInt8](repeating: 65, count: 1 << 17)
        let image = ProgramImage(
            candidates: [long], arguments: arguments, environment: Array(repeating: long, count: 8), directory: nil)
        let unpacked = image.unpack()
        withExtendedLifetime(image) {
            #expect(strings(unpacked.candidates) == [long])
            #expect(strings(unpacked.argv) == arguments)
            #expect(strings(unpacked.envp) == Array(repeating: long, count: 8))
            #expect(unpacked.cwd == nil)
        }
    }

    /// As a held child gets it: wherever it maps the file, the pointers are right.
    @Test func theFileHoldsTheSame() throws {
        let image = ProgramImage.of(["a", "b"], candidates: ["/c"], environment: ["D=e"], directory: "/f")
        let file = try image.memoryFile()
        let size = image.block.count
        var status = stat()
        #expect(fstat(file.raw, &status) == 0)
        #expect(status.st_size == size)
        #expect(fcntl(file.raw, F_GETFD) == FD_CLOEXEC)
        let map = try #require(mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.raw, 0))
        try #require(map != MAP_FAILED)
        defer { munmap(map, size) }
        #expect(UnsafeRawBufferPointer(start: map, count: size).elementsEqual(image.block))
        var unpacked = pk_image()
        pk_image_unpack(map, &unpacked)
        #expect(strings(unpacked.candidates) == [Array("/c".utf8)])
        #expect(strings(unpacked.argv) == ["a", "b"].map { Array($0.utf8) })
        #expect(strings(unpacked.envp) == [Array("D=e".utf8)])
        #expect(unpacked.cwd.map { String(cString: $0) } == "/f")
    }
}
