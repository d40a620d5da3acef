// SPDX-License-Identifier: Apache-2.0

/// Bytes as C wants them.
enum CString {
    /// Lends them with a NUL at the end.
    static func with<R>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> R) -> R {
        body(bytes.map { CChar(bitPattern: $0) } + [0])
    }
}
