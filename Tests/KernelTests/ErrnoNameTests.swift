// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage
import Testing

@Suite struct ErrnoNameTests {
    @Test func aKnownNumberHasItsSymbolAndText() {
        #expect(Errno.noSuchFileOrDirectory.name == "ENOENT")
        #expect(Errno.noSuchFileOrDirectory.text == "No such file or directory")
        #expect(Errno(rawValue: ETIMEDOUT).name == "ETIMEDOUT")
        #expect(Errno(rawValue: EAGAIN).name == "EAGAIN")
    }

    @Test func anUnknownNumberIsGivenAsIt() {
        #expect(Errno(rawValue: 9999).name == "E9999")
        #expect(Errno(rawValue: 9999).text == "Unknown error 9999")
    }
}
