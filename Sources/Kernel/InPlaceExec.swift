// SPDX-License-Identifier: Apache-2.0
import CKernel

/// Whether programs can be replaced in place here: the kernel's Yama, a container's filter or SELinux may forbid it,
/// and only the attempt tells.
public enum InPlaceExec {
    /// Tries it on a child of its own, which takes a millisecond or two. Nil: it works; else what is in the way, if
    /// that has a name.
    public static func obstacle() -> (refusal: ReplaceRefusal?, errno: Int32)? {
        var refusal = PK_REFUSAL_NONE
        var error: Int32 = 0
        if pk_inject_works(&refusal, &error) { return nil }
        return (ReplaceRefusal(number: Int32(refusal.rawValue)), error)
    }
}
