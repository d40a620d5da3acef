// SPDX-License-Identifier: Apache-2.0
import CKernel
public import SystemPackage

extension Errno {
    /// The symbol as errno(3) lists it, "ENOENT"; "E" and the number for a value this C library does not know.
    public var name: String {
        guard let symbol = pk_errno_name(rawValue) else { return "E\(rawValue)" }
        return String(cString: symbol)
    }

    /// The English text, "No such file or directory": the same in every locale, so that clients may log or compare it.
    public var text: String {
        guard let text = pk_errno_text(rawValue) else { return "Unknown error \(rawValue)" }
        return String(cString: text)
    }
}
