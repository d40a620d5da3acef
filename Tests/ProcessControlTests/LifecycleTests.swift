// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ProcessControl

@Suite struct LifecycleTests {
    /// The whole table: where each event leads, and nil where it says nothing new.
    private static let transitions: [ProcessState: [Lifecycle.Event: ProcessState]] = [
        .starting: [.started: .running, .heldReady: .held, .ended: .exited],
        .held: [.started: .running, .ended: .exited],
        .running: [.stopped: .stopped, .ended: .exited],
        .stopped: [.continued: .running, .ended: .exited],
        .exited: [:],
    ]

    @Test(arguments: ProcessState.allCases, Lifecycle.Event.allCases)
    func event(in state: ProcessState, _ event: Lifecycle.Event) throws {
        var lifecycle = Lifecycle()
        for step in Lifecycle.way(to: state) {
            let isNews = lifecycle.take(step)
            #expect(isNews)
        }
        #expect(lifecycle.state == state)
        let next = try #require(Self.transitions[state])[event]
        let isNews = lifecycle.take(event)
        #expect(isNews == (next != nil))
        #expect(lifecycle.state == next ?? state)
    }

    /// A program may stop itself before its start is known here; what it is then shows when it is.
    @Test(arguments: [[], [.heldReady]] as [[Lifecycle.Event]])
    func whatWasStoppedBeforeItBeganBeginsStopped(_ way: [Lifecycle.Event]) {
        for (events, state) in [
            ([.stopped], .stopped), ([.stopped, .stopped], .stopped), ([.stopped, .continued], .running),
            ([.continued], .running), ([.stopped, .continued, .stopped], .stopped),
        ] as [([Lifecycle.Event], ProcessState)] {
            var lifecycle = Lifecycle()
            for event in way { _ = lifecycle.take(event) }
            let before = lifecycle.state
            for event in events {
                let isNews = lifecycle.take(event)
                #expect(!isNews)
                #expect(lifecycle.state == before)
            }
            let isNews = lifecycle.take(.started)
            #expect(isNews)
            #expect(lifecycle.state == state)
            _ = lifecycle.take(.continued)
            #expect(lifecycle.state == .running)
        }
    }

    @Test func aStopBeforeItIsHeldIsNotForgotten() {
        var lifecycle = Lifecycle()
        for event in [.stopped, .heldReady, .started] as [Lifecycle.Event] { _ = lifecycle.take(event) }
        #expect(lifecycle.state == .stopped)
    }

    /// The whole table: the reason of each refusal.
    private static let refusals: [Lifecycle.Request: [ProcessState: String]] = [
        .execReplace: [.exited: "exited"],
        .kill: [:],
        .release: [.held: "living", .running: "living", .stopped: "living"],
        .update: [:],
        .read: [:],
    ]

    @Test(arguments: Lifecycle.Request.allCases, ProcessState.allCases)
    func request(_ request: Lifecycle.Request, in state: ProcessState) throws {
        var lifecycle = Lifecycle()
        for step in Lifecycle.way(to: state) { _ = lifecycle.take(step) }
        let expected = state == .starting ? "starting" : try #require(Self.refusals[request])[state]
        #expect(lifecycle.refusal(of: request) == expected)
    }

    @Test func aStopAndItsEndMayComeAnyNumberOfTimes() {
        var lifecycle = Lifecycle()
        _ = lifecycle.take(.started)
        for _ in 0..<3 {
            let (first, second) = (lifecycle.take(.stopped), lifecycle.take(.stopped))
            #expect(first && !second)
            #expect(lifecycle.state == .stopped)
            let (third, fourth) = (lifecycle.take(.continued), lifecycle.take(.continued))
            #expect(third && !fourth)
            #expect(lifecycle.state == .running)
        }
    }

    /// The words of records.
    @Test func statesHaveTheirNames() {
        #expect(ProcessState.allCases.map(\.rawValue) == ["starting", "held", "running", "stopped", "exited"])
    }
}
