// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl
import SystemPackage
import Testing

@testable import Server

@Suite struct WireErrorTests {
    @Test func placeholder() { #expect(WireErrorCode.allCases.count == 10) }
}
