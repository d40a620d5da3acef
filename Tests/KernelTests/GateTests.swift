// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import Testing

@testable import Kernel

/// Held children: ready, but for their execve(2).
@MainActor @Suite(.serialized) struct GateTests {
    private let bench: LaunchBench

    init() throws { bench = try LaunchBench() }

    /// A held child, its gate, and what comes back from it.
    private final class Held {
        let run: LaunchBench.Run
        let gate: Gate
        var answers: [LaunchFailure?] = []
        var ends = 0

        @MainActor init(_ run: LaunchBench.Run) throws {
            self.run = run
            gate = try #require(run.child?.gate)
            try gate.watch { [self] in
                ends += 1
                run.child?.launch.standsOnItsStackNoMore()
            }
        }

        @MainActor func open(
            _ image: ProgramImage? = nil, directory: SharedDescriptor? = nil,
            signals: (ignored: UInt64, blocked: UInt64)? = nil
        ) throws {
            try gate.open(image: image, directory: directory, signals: signals) { [self] in answers.append($0) }
        }
    }

    private func hold(_ plan: LaunchPlan) throws -> Held {
        let run = try bench.hold(plan)
        #expect(run.failure == nil)
        return try Held(run)
    }

    private func finish(_ held: Held) throws {
        #expect(try bench.loop.serve { held.run.exit != nil && held.ends == 1 })
        #expect(held.ends == 1)
        #expect(!held.gate.isBusy)
    }

    @Test func itWaitsAndThenRuns() throws {
        let held = try hold(.shell("echo started; exit 5"))
        let pid = try #require(held.run.child?.pid)
        #expect(held.gate.stage == .gate)
        #expect(!held.gate.isBusy)
        #expect(ProcFS.stat(pid)?.isDead == false)
        #expect(ProcFS.stat(pid)?.comm != Array("sh".utf8))
        try held.open()
        #expect(held.gate.isBusy)
        try finish(held)
        #expect(held.answers == [nil])
        #expect(held.run.exit?.status == 5)
        #expect(try held.run.text() == "started\n")
    }

    /// The stage of a spawn: all steps but execve are done when it is ready.
    @Test func whatCannotBeHeldFails() throws {
        let run = try bench.start(.shell("exit 0", directory: "/no/such"), held: true)
        #expect(try bench.loop.serve { run.isDecided && run.exit != nil })
        #expect(run.failure == LaunchFailure(stage: .cwd, error: .noSuchFileOrDirectory))
        let held = try hold(.program("program", candidates: ["/no/such"]))
        try held.open()
        #expect(try bench.loop.serve { !held.answers.isEmpty })
        #expect(held.answers == [LaunchFailure(stage: .exec, error: .noSuchFileOrDirectory)])
        kill(try #require(held.run.child?.pid), SIGKILL)
        try finish(held)
    }

    @Test func anotherProgramInItsPlace() throws {
        let scratch = try Scratch()
        let held = try hold(.shell("echo wrong", directory: "/usr"))
        let script = #"echo "$0 $1 $A $B"; pwd"#
        try held.open(
            .of(
                ["sh", "-c", script, "x", "y"], candidates: ["/no/such", "/bin/sh"], environment: ["A=1"],
                directory: scratch.path))
        try finish(held)
        #expect(held.answers == [nil])
        #expect(try held.run.lines() == ["x y 1 ", scratch.path])
    }

    @Test func itStaysWhereItIsUnlessTold() throws {
        let held = try hold(.shell("echo wrong", directory: "/usr"))
        try held.open(.of(["pwd"], candidates: ["/bin/pwd"]))
        try finish(held)
        #expect(try held.run.lines() == ["/usr"])
    }

    @Test func aDirectoryByDescriptor() throws {
        let scratch = try Scratch()
        let held = try hold(.shell("pwd -P"))
        try held.open(directory: SharedDescriptor(try Descriptor.open(scratch.path, O_RDONLY | O_DIRECTORY)))
        try finish(held)
        #expect(try held.run.lines() == [scratch.path])
    }

    /// A failure leaves it as it was, as often as somebody tries.
    @Test func itStaysHeldWhenTheProgramCannotBeStarted() throws {
        let held = try hold(.shell("pwd; exec cat /proc/self/status", directory: "/usr"))
        for (image, expected) in [
            (
                .of(["x"], candidates: ["/no/such"], directory: "/tmp"),
                LaunchFailure(stage: .exec, error: .noSuchFileOrDirectory)
            ),
            (.of(["x"], directory: "/no/such"), LaunchFailure(stage: .cwd, error: .noSuchFileOrDirectory)),
            (
                .of(["x"], candidates: ["/no/such", "/tmp"]),
                LaunchFailure(stage: .exec, error: .permissionDenied, index: 1)
            ),
        ] as [(ProgramImage, LaunchFailure)] {
            held.answers = []
            try held.open(image, signals: (ignored: 1, blocked: 1 << 14))
            #expect(try bench.loop.serve { !held.answers.isEmpty })
            #expect(held.answers == [expected])
            #expect(held.ends == 0)
            #expect(!held.gate.isBusy)
        }
        held.answers = []
        try held.open()
        try finish(held)
        #expect(held.answers == [nil])
        let text = try held.run.text()
        #expect(text.hasPrefix("/usr\n"))
        #expect(StatusFields(text)["SigBlk"] == "0000000000000000")
        #expect(StatusFields(text)["SigIgn"].map { $0.hasSuffix("0000") } == true)
    }

    @Test func signalsMayBeSetAnew() throws {
        func dispositions(_ anew: (ignored: UInt64, blocked: UInt64)?) throws -> [String?] {
            var plan = LaunchPlan.program("cat", "/proc/self/status", candidates: ["/bin/cat"])
            plan.ignored = 1
            plan.blocked = 2
            let held = try hold(plan)
            try held.open(signals: anew)
            try finish(held)
            let fields = StatusFields(try held.run.text())
            return ["SigBlk", "SigIgn", "SigCgt"].map { fields[$0] }
        }
        let (none, own) = ("0000000000000000", ownIgnoredSignals())
        #expect(try dispositions(nil) == ["0000000000000002", StatusFields.hex(1 | own), none])
        // All are set then, and nothing of ours shows.
        #expect(try dispositions((ignored: 1 << 12, blocked: 0)) == [none, "0000000000001000", none])
    }

    /// At its gate it has its own descriptors and no others: what it keeps open would keep others waiting.
    @Test func itHoldsNothingOfOthers() throws {
        func openWithoutFlag() throws -> (low: CInt, high: CInt, reading: SharedDescriptor) {
            let forgotten = try Pipe(.fromChild)
            return (
                fcntl(forgotten.theirs.raw, F_DUPFD, 3), fcntl(forgotten.theirs.raw, F_DUPFD, 1500), forgotten.ours
            )
        }
        let (low, high, reading) = try openWithoutFlag()
        let held = try hold(.program("ls", "/proc/self/fd", candidates: ["/bin/ls"]))
        close(low)
        close(high)
        #expect(eventually { Descriptor.hasHungUp(reading.raw) })
        try held.open()
        try finish(held)
        #expect(try held.run.lines() == ["0", "1", "2", "3"])
    }

    // MARK: Its end

    @Test(arguments: [SIGTERM, SIGKILL]) func aSignalActsOnIt(_ signal: CInt) throws {
        let held = try hold(.shell("echo wrong"))
        try ChildProcess.signal(try #require(held.run.child).pidfd, signal)
        try finish(held)
        #expect(held.run.exit?.bySignal == true)
        #expect(held.run.exit?.status == signal)
        #expect(held.answers.isEmpty)
        #expect(try held.run.text() == "")
    }

    @Test func aStoppedOneRunsWhenItGoesOn() throws {
        let held = try hold(.shell("echo started"))
        let child = try #require(held.run.child)
        try ChildProcess.signal(child.pidfd, SIGSTOP)
        #expect(eventually { ProcFS.stat(child.pid)?.state == "T" })
        try held.open()
        try bench.loop.serve(rounds: 10)
        #expect(held.answers.isEmpty && held.gate.isBusy)
        try ChildProcess.signal(child.pidfd, SIGCONT)
        try finish(held)
        #expect(try held.run.text() == "started\n")
    }

    /// It died before it had read its order: no program has run, whatever it had tried before.
    @Test(arguments: [false, true]) func itsEndIsNoProgram(afterAFailure: Bool) throws {
        let held = try hold(.shell("echo wrong"))
        let child = try #require(held.run.child)
        if afterAFailure {
            try held.open(.of(["x"], candidates: ["/no/such"]))
            #expect(try bench.loop.serve { !held.answers.isEmpty })
            held.answers = []
        }
        try ChildProcess.signal(child.pidfd, SIGSTOP)
        #expect(eventually { ProcFS.stat(child.pid)?.state == "T" })
        try held.open()
        try ChildProcess.signal(child.pidfd, SIGKILL)
        try finish(held)
        #expect(held.answers == [LaunchFailure(stage: .gate, error: .interrupted)])
        #expect(try held.run.text() == "")
    }

    @Test func anOrderThatIsForgottenIsNotAnswered() throws {
        let held = try hold(.program("program", candidates: ["/no/such"]))
        let child = try #require(held.run.child)
        try held.open()
        held.gate.forgetOrder()
        #expect(!held.gate.isBusy)
        try ChildProcess.signal(child.pidfd, SIGKILL)
        try finish(held)
        #expect(held.answers.isEmpty)
    }

    /// When the server ends, so do those it holds.
    @Test func itEndsWithTheServer() throws {
        let run = try bench.hold(.shell("echo wrong"))
        let pidfd: Descriptor
        do {
            let child = try #require(run.child)
            pidfd = try ChildProcess.open(child.pid)
            bench.loop.remove(child.pidfd.raw)
        }
        run.child = nil
        var exit: ChildExit?
        #expect(
            try bench.loop.serve {
                if exit == nil { exit = try? ChildProcess.reap(pidfd) }
                return exit != nil
            })
        #expect(exit?.bySignal == false && exit?.status == 125)
    }

    @Test func manyAtATime() throws {
        let all = try (0..<8).map { try hold(.shell("exit \($0)")) }
        for held in all.reversed() { try held.open() }
        for held in all { try finish(held) }
        #expect(all.map { $0.run.exit?.status } == (0..<8).map { Int32($0) })
    }
}
