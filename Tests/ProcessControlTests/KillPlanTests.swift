// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ProcessControl

@Suite struct KillPlanTests {
    /// What has happened to a plan before.
    enum Before: CaseIterable {
        /// A signal that is not SIGKILL has been sent; with or without an escalation to come.
        case signalled, signalledToEscalate
        /// SIGKILL has been sent, at first or as the escalation.
        case killedAtOnce, escalated
        case over
    }

    private func plan(_ before: Before, completion: @escaping (KillReport) -> Void = { _ in }) -> KillPlan {
        let report = KillReport(
            process: makeProcess(1), signal: before == .killedAtOnce ? 9 : 15, method: .descendants, isExact: false)
        let escalates = before == .signalledToEscalate || before == .escalated
        let plan = KillPlan(
            report, scope: .tree, escalateAfter: escalates ? 100 : nil, waits: true, completion: completion)
        if before == .escalated { _ = plan.take(.escalationDue) }
        if before == .over { _ = plan.take(.emptied) }
        return plan
    }

    @Test(
        arguments: [
            (.signalled, .emptied, .finish), (.signalled, .escalationDue, .kill), (.signalled, .lookAgain, .none),
            (.signalled, .boundPassed, .finish),
            (.signalledToEscalate, .emptied, .finish), (.signalledToEscalate, .escalationDue, .kill),
            (.signalledToEscalate, .lookAgain, .none), (.signalledToEscalate, .boundPassed, .answer),
            (.killedAtOnce, .emptied, .finish), (.killedAtOnce, .escalationDue, .none),
            (.killedAtOnce, .lookAgain, .kill), (.killedAtOnce, .boundPassed, .finish),
            (.escalated, .emptied, .finish), (.escalated, .escalationDue, .none), (.escalated, .lookAgain, .kill),
            (.escalated, .boundPassed, .answer),
            (.over, .emptied, .none), (.over, .escalationDue, .none), (.over, .lookAgain, .none),
            (.over, .boundPassed, .none),
        ] as [(Before, KillPlan.Event, KillPlan.Action)])
    func takes(_ before: Before, _ event: KillPlan.Event, _ action: KillPlan.Action) {
        let plan = plan(before)
        #expect(plan.isOver == (before == .over))
        #expect(plan.isKilling == (before == .killedAtOnce || before == .escalated))
        #expect(plan.take(event) == action)
        switch action {
        case .finish: #expect(plan.isOver)
        case .kill: #expect(plan.isKilling)
        case .answer, .none: #expect(plan.isOver == (before == .over))
        }
    }

    /// The caller's time is up, SIGKILL still comes, and the plan ends when nothing is left.
    @Test func anEscalationGoesOnWithoutItsCaller() {
        var answers = 0
        let plan = plan(.signalledToEscalate) { _ in answers += 1 }
        #expect(plan.take(.boundPassed) == .answer)
        plan.answer(survivors: [7])
        #expect(plan.isAnswered && !plan.isOver)
        #expect(plan.take(.escalationDue) == .kill)
        #expect(plan.take(.lookAgain) == .kill)
        #expect(plan.take(.emptied) == .finish)
        plan.answer(survivors: [])
        #expect(answers == 1)
    }

    @Test func anAnswerIsGivenOnceAndHasTheSurvivors() {
        var answers: [[Int32]?] = []
        let plan = plan(.signalled) { answers.append($0.survivors) }
        #expect(!plan.isAnswered)
        plan.answer(survivors: [3, 4])
        plan.answer(survivors: [])
        #expect(plan.isAnswered)
        #expect(answers == [[3, 4]])
    }

    @Test func aCallerWhoHasGoneIsNotAnswered() {
        let plan = plan(.signalledToEscalate) { _ in Issue.record("answered") }
        plan.forgetCaller()
        #expect(plan.isAnswered && !plan.isOver)
        #expect(plan.take(.escalationDue) == .kill)
        #expect(plan.take(.emptied) == .finish)
        plan.answer(survivors: [])
    }
}
