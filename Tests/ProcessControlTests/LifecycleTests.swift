// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ProcessControl

@Suite struct LifecycleTests {
    @Test func placeholder() { #expect(Lifecycle().state == .starting) }
}
