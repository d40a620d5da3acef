// SPDX-License-Identifier: Apache-2.0
import Glibc
public import SystemPackage

/// The one place where a system call's -1 becomes an `Errno`.
///
/// EINTR is repeated: no handler of ours ever wants to interrupt a call. EBADF and EFAULT can only come from a
/// mistake in this program (a descriptor used after its close), and going on would act on somebody else's
/// descriptor: they end the process.
@discardableResult
public func systemCall<Result: FixedWidthInteger>(
    _ name: StaticString = #function, _ call: () -> Result
) throws(Errno) -> Result {
    while true {
        let result = call()
        if result != -1 { return result }
        let error = Errno(rawValue: errno)
        switch error {
        case .interrupted: continue
        case .badFileDescriptor, .badAddress: fatalError("\(name): unacceptable errno \(error.rawValue)")
        default: throw error
        }
    }
}

/// Turns the `-errno` that the functions of `CKernel` return into an `Errno`.
@discardableResult
public func kernelResult<Result: FixedWidthInteger & SignedInteger>(_ value: Result) throws(Errno) -> Result {
    if value < 0 { throw Errno(rawValue: CInt(-value)) }
    return value
}
