// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import SystemPackage

/// What execve(2) needs, in one block: the candidates for the path, argv, the environment, the directory.
///
/// `pk_packed_image` (image.h) has the format. The block is made with offsets; the child that gets it by a memfd
/// turns them into pointers where it maps it, `unpack` does so here.
public final class ProgramImage {
    let block: UnsafeMutableRawBufferPointer

    /// Strings without NUL, in the bytes the program will see. `environment` holds `NAME=value`.
    public init(candidates: [[UInt8]], arguments: [[UInt8]], environment: [[UInt8]], directory: [UInt8]?) {
        let words = candidates.count + arguments.count + environment.count + 3
        let head = MemoryLayout<pk_packed_image>.size + words * MemoryLayout<UInt64>.size
        var size = head
        for list in [candidates, arguments, environment] {
            for string in list { size += string.count + 1 }
        }
        size += directory.map { $0.count + 1 } ?? 0

        block = .allocate(byteCount: size, alignment: 16)
        var word = MemoryLayout<pk_packed_image>.size
        var text = head
        for list in [candidates, arguments, environment] {
            for string in list {
                block.storeBytes(of: UInt64(text), toByteOffset: word, as: UInt64.self)
                word += MemoryLayout<UInt64>.size
                text = Self.store(string, in: block, at: text)
            }
            block.storeBytes(of: 0, toByteOffset: word, as: UInt64.self)
            word += MemoryLayout<UInt64>.size
        }
        var cwd: UInt64 = 0
        if let directory {
            cwd = UInt64(text)
            text = Self.store(directory, in: block, at: text)
        }
        block.storeBytes(
            of: pk_packed_image(
                size: UInt64(size), words: UInt64(words), argv: UInt64(candidates.count + 1),
                envp: UInt64(candidates.count + arguments.count + 2), cwd: cwd),
            as: pk_packed_image.self)
    }

    deinit { block.deallocate() }

    private static func store(_ string: [UInt8], in block: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        string.withUnsafeBytes { bytes in
            UnsafeMutableRawBufferPointer(rebasing: block[offset...]).copyMemory(from: bytes)
        }
        block[offset + string.count] = 0
        return offset + string.count + 1
    }

    /// Makes pointers of the offsets. Once, and not before the block is copied elsewhere.
    func unpack() -> pk_image {
        var image = pk_image()
        pk_image_unpack(block.baseAddress, &image)
        image.cwd_descriptor = -1
        return image
    }

    /// The block in a memory file (memfd_create(2)), for a child with a memory of its own.
    func memoryFile() throws(Errno) -> Descriptor {
        let file = Descriptor(taking: try kernelResult(pk_memory_file("procctl-image")))
        var written = 0
        while written < block.count {
            written += try file.write(UnsafeRawBufferPointer(rebasing: block[written...]))
        }
        return file
    }
}
