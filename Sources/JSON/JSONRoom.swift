// SPDX-License-Identifier: Apache-2.0

/// Where JSON is made: memory that stays in the nearest cache, from which it goes to an array in large pieces. What an
/// array does for its safety at each append costs more than most of what is appended.
struct JSONRoom: ~Copyable {
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    private var used = 0
    private var output: [UInt8] = []
    private static let size = 8192

    deinit { room.deallocate() }

    /// Gives away the array it appends to, with all that was made, for another one.
    mutating func exchange(_ bytes: inout [UInt8]) {
        flush()
        swap(&output, &bytes)
    }

    private mutating func flush() {
        output.append(contentsOf: UnsafeRawBufferPointer(rebasing: room[..<used]))
        used = 0
    }

    /// How many bytes there are.
    var count: Int { output.count + used }

    /// Takes back all behind the first `count`.
    mutating func cut(to count: Int) {
        if count < output.count { output.removeSubrange(count...) }
        used = count - output.count
    }

    // MARK: Appending

    /// Appends what `fill` writes to the place it is given: at most `most` bytes, 4 KiB at the very most. Returns how
    /// many, as `fill` did.
    @inline(__always) @discardableResult
    mutating func append(most: Int, _ fill: (UnsafeMutableRawPointer) -> Int) -> Int {
        if used > Self.size - most { flush() }
        let count = fill(room.baseAddress.unsafelyUnwrapped + used)
        used += count
        return count
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        append(most: 1) {
            $0.storeBytes(of: byte, as: UInt8.self)
            return 1
        }
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count <= Self.size / 2 else {
            flush()
            output.append(contentsOf: bytes)
            return
        }
        append(most: bytes.count) {
            $0.copyMemory(from: start, byteCount: bytes.count)
            return bytes.count
        }
    }

    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// In decimal.
    mutating func append(_ integer: Int64) {
        append(most: 20) { place in
            var (rest, length) = (integer.magnitude, integer < 0 ? 1 : 0)
            repeat { (rest, length) = (rest / 10, length + 1) } while rest > 0
            rest = integer.magnitude
            var position = length
            repeat {
                position -= 1
                place.storeBytes(of: UInt8(ascii: "0") + UInt8(rest % 10), toByteOffset: position, as: UInt8.self)
                rest /= 10
            } while rest > 0
            if integer < 0 { place.storeBytes(of: UInt8(ascii: "-"), as: UInt8.self) }
            return length
        }
    }

    /// Appends what `write` appends to an array.
    mutating func append(_ write: (inout [UInt8]) -> Void) {
        flush()
        write(&output)
    }
}
