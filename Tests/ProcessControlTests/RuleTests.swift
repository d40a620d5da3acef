// SPDX-License-Identifier: Apache-2.0
import Kernel
import Testing

@testable import ProcessControl

/// How processes are stopped, and what is said of their end.
@Suite struct RuleTests {
    @Test func aStopRuleChangesByHalves() {
        let rule = StopRule(signal: 15, grace: 10_000)
        #expect(rule.changed((signal: nil, grace: nil)) == rule)
        #expect(rule.changed((signal: 2, grace: nil)) == StopRule(signal: 2, grace: 10_000))
        #expect(rule.changed((signal: nil, grace: 0)) == StopRule(signal: 15, grace: 0))
        #expect(rule.changed((signal: 1, grace: 5)) == StopRule(signal: 1, grace: 5))
    }

    @Test func theRuleOfThoseWhoSayNothing() {
        var limits = Limits()
        limits.stopGrace = 77
        limits.outputDefault = 88
        limits.startTimeout = 99
        let spec = SpawnSpec(program: ProgramSpec(arguments: [[65]]), limits: limits)
        #expect(spec.stop == StopRule(signal: 15, grace: 77))
        #expect(spec.outputLimit == 88)
        #expect(spec.startTimeout == 99)
        #expect(spec.lifetime == .detached)
        #expect(spec.whenFull == .discardOldest)
        #expect([spec.stdin, spec.stdout, spec.stderr].map(\.kind) == ["null", "pipe", "pipe"])
    }

    /// How it ended, the rule that was stopping it, the signals sent by requests, and the reason.
    nonisolated private static let reasons: [(End, ExitReason?, [UInt64], ExitReason)] = [
        (End.code(0), nil, [], .exited), (End.code(143), nil, [15], .exited),
        (End.signal(15, core: false), nil, [], .signalled), (End.signal(15, core: false), nil, [15], .killed),
        (End.signal(9, core: false), nil, [15], .signalled), (End.signal(9, core: false), nil, [15, 9], .killed),
        (End.signal(1, core: false), nil, [1], .killed), (End.signal(64, core: false), nil, [64], .killed),
        (End.signal(64, core: false), nil, [1, 63], .signalled), (End.signal(11, core: true), nil, [15], .signalled),
        // A rule that was stopping it counts whichever way it ended.
        (End.code(0), .deadline, [], .deadline), (End.signal(9, core: false), .lease, [9], .lease),
        (End.signal(15, core: false), .connection, [], .connection), (End.code(3), .shutdown, [15], .shutdown),
    ]

    @Test(arguments: reasons)
    func theReasonOfAnEnd(_ status: End, rule: ExitReason?, sent: [UInt64], _ reason: ExitReason) {
        var set: UInt64 = 0
        for signal in sent { set |= 1 << (signal - 1) }
        #expect(ExitReason(status, rule: rule, sent: set) == reason)
    }

    @Test func onlyCodeZeroIsSuccess() {
        #expect(End.code(0).isSuccess)
        #expect(!End.code(1).isSuccess)
        #expect(!End.code(-1).isSuccess)
        #expect(!End.signal(0, core: false).isSuccess)
    }

    @Test func whatWasPassedIsLetGoOfAndItsKindStays() throws {
        var spec = SpawnSpec(program: ProgramSpec(arguments: [[65]]), limits: Limits())
        weak var weakly: SharedDescriptor?
        do {
            let shared = SharedDescriptor(try Descriptor.open("/dev/null", 0))
            weakly = shared
            spec.stdin = .descriptor(shared)
            spec.stdout = .descriptor(shared)
            spec.program.directory = .descriptor(shared)
            spec.descriptors = [(5, shared)]
        }
        #expect(weakly != nil)
        spec.letGoOfWhatWasPassed()
        #expect(weakly == nil)
        #expect([spec.stdin, spec.stdout, spec.stderr].map(\.kind) == ["descriptor", "descriptor", "pipe"])
    }
}
