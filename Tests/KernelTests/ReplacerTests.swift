// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import Testing

@testable import Kernel

/// Running programs that are replaced, as the server does it. What the engine does to programs of every kind is looked
/// at from closer by, in Tests/Behaviour/test_injection_*.py.
@MainActor @Suite(.serialized) struct ReplacerTests {
    private let bench: LaunchBench
    private let replacer: Replacer

    init() throws {
        bench = try LaunchBench()
        replacer = Replacer(loop: bench.loop)
    }

    /// A program that runs, until it is replaced or killed.
    private func waiting(_ plan: LaunchPlan = .program("sleep", "600", candidates: ["/bin/sleep"])) throws
        -> LaunchBench.Run
    {
        let run = try bench.start(plan)
        try #require(try bench.loop.serve { run.isDecided })
        try #require(run.failure == nil)
        return run
    }

    private func plan(_ image: ProgramImage, of run: LaunchPlan = .shell("")) -> ReplacePlan {
        ReplacePlan(
            image: image, started: ProcessCredentials(user: run.user, group: run.group, groups: run.groups))
    }

    private func replace(_ run: LaunchBench.Run, by plan: ReplacePlan) throws -> ReplaceOutcome {
        var outcomes: [ReplaceOutcome] = []
        let child = try #require(run.child)
        replacer.replace(child, by: plan) { outcomes.append($0) }
        #expect(outcomes.isEmpty)
        #expect(try bench.loop.serve { !outcomes.isEmpty })
        #expect(!replacer.isAtWork)
        return try #require(outcomes.first)
    }

    private func end(_ run: LaunchBench.Run) throws {
        try ChildProcess.signal(try #require(run.child).pidfd, SIGKILL)
        #expect(try bench.loop.serve { run.exit != nil })
        #expect(run.exit?.status == SIGKILL)
    }

    @Test func theSameProcessRunsAnotherProgram() throws {
        let run = try waiting()
        let image = ProgramImage.of(
            ["sh", "-c", "echo $$ $NAME; pwd; exit 7"], candidates: ["/nowhere", "/bin/sh"],
            environment: ["NAME=value"], directory: "/usr")
        #expect(try replace(run, by: plan(image)) == .replaced(unclean: nil))
        #expect(try bench.loop.serve { run.exit != nil })
        #expect(run.exit?.status == 7)
        #expect(try run.lines() == ["\(try #require(run.child).pid) value", "/usr"])
    }

    @Test func whatCannotBeStartedLeavesTheOldOne() throws {
        let run = try waiting()
        for (candidates, error, index) in [
            (["/nowhere"], .noSuchFileOrDirectory, 0), (["/nowhere", "/"], .permissionDenied, 1),
            (["/nowhere", "/etc/passwd/below"], .notDirectory, 1),
        ] as [([String], Errno, Int)] {
            let image = ProgramImage.of(["program"], candidates: candidates)
            #expect(try replace(run, by: plan(image)) == .failed(.exec, error, index: index))
        }
        let elsewhere = ProgramImage.of(["true"], candidates: ["/bin/true"], directory: "/nowhere")
        #expect(try replace(run, by: plan(elsewhere)) == .failed(.cwd, .noSuchFileOrDirectory, index: 0))
        #expect(ProcFS.stat(try #require(run.child).pid)?.comm == Array("sleep".utf8))
        try end(run)
    }

    @Test func aDirectoryMayBeADescriptor() throws {
        let scratch = try Scratch()
        let run = try waiting()
        var there = plan(.of(["pwd", "-P"], candidates: ["/bin/pwd"], directory: "/nowhere"))
        there.directory = SharedDescriptor(try Descriptor.open(scratch.path, O_RDONLY | O_DIRECTORY))
        #expect(try replace(run, by: there) == .replaced(unclean: nil))
        #expect(try bench.loop.serve { run.exit != nil })
        #expect(try run.lines() == [scratch.path])
    }

    /// Nothing that was started with less than it has now is touched; here it is told that it was.
    @Test func itMustHaveWhatItWasStartedWith() throws {
        let run = try waiting()
        var other = plan(.of(["true"], candidates: ["/bin/true"]))
        other.started.user = 4242
        #expect(try replace(run, by: other) == .refused(.credentials, .credentials, .notPermitted))
        try end(run)
    }

    @Test func oneThatHasEnded() throws {
        let run = try bench.run(.shell("exit 3"))
        #expect(try replace(run, by: plan(.of(["true"], candidates: ["/bin/true"]))) == .ended)
    }

    @Test func moreThanThereAreThreadsFor() throws {
        let runs = try (0..<40).map { _ in try waiting() }
        var outcomes: [ReplaceOutcome] = []
        for (index, run) in runs.enumerated() {
            let image = ProgramImage.of(["sh", "-c", "exit \(index)"], candidates: ["/bin/sh"])
            replacer.replace(try #require(run.child), by: plan(image)) { outcomes.append($0) }
        }
        #expect(try bench.loop.serve { outcomes.count == 40 && runs.allSatisfy { $0.exit != nil } })
        #expect(outcomes.allSatisfy { $0 == .replaced(unclean: nil) })
        #expect(runs.map { $0.exit?.status } == (0..<40).map { Int32($0) })
        #expect(!replacer.isAtWork)
    }

    /// The second of the same child waits for the first.
    @Test func twoOfTheSame() throws {
        let run = try waiting()
        let child = try #require(run.child)
        var outcomes: [ReplaceOutcome] = []
        for script in ["sleep 600", "exit 9"] {
            let image = ProgramImage.of(["sh", "-c", script], candidates: ["/bin/sh"], environment: ["PATH=/bin"])
            replacer.replace(child, by: plan(image)) { outcomes.append($0) }
        }
        #expect(try bench.loop.serve { run.exit != nil && outcomes.count == 2 })
        #expect(outcomes == [.replaced(unclean: nil), .replaced(unclean: nil)])
        #expect(run.exit?.status == 9)
    }

    @Test func theProbe() throws {
        // Whatever forbids it here forbids it to the other tests too.
        #expect(InPlaceExec.obstacle() == nil)
    }

    @Test func whatAChildIsStartedWith() throws {
        let own = ProcessCredentials(user: nil, group: nil, groups: nil)
        #expect(own.user == geteuid() && own.group == getegid())
        let other = ProcessCredentials(user: 4242, group: 4343, groups: [4444])
        #expect(other.user == 4242 && other.group == 4343 && other.groups == [4444])
        #expect(geteuid() != 0 || other.capabilities == 0)
    }
}
