// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import Testing

@testable import Kernel

/// Programs that start, and what they find.
@MainActor @Suite(.serialized) struct LauncherTests {
    private let bench: LaunchBench

    init() throws { bench = try LaunchBench() }

    @Test(arguments: [0, 1, 127, 255]) func anExitCode(_ code: Int32) throws {
        let run = try bench.run(.shell("exit \(code)"))
        #expect(run.failure == nil)
        let exit = try #require(run.exit)
        #expect(!exit.bySignal && !exit.core && exit.status == code)
        #expect(exit.userMicroseconds >= 0 && exit.systemMicroseconds >= 0)
        #expect(exit.maxResidentKiB > 0 && exit.faults.minor > 0)
    }

    @Test(arguments: [SIGTERM, SIGKILL, SIGUSR1, SIGALRM]) func anEndBySignal(_ signal: Int32) throws {
        let run = try bench.run(.shell("kill -\(signal) $$; sleep 60"))
        #expect(run.failure == nil)
        #expect(run.exit?.bySignal == true)
        #expect(run.exit?.status == signal)
    }

    @Test func itsArgumentsAndItsEnvironment() throws {
        let script = #"printf '%s|' "$0" "$@"; exec /usr/bin/env"#
        let plan = LaunchPlan.program(
            "sh", "-c", script, "zero", "", "a b", "é", candidates: ["/bin/sh"],
            environment: ["PATH=/nowhere", "EMPTY=", "X=a=b"])
        let text = try bench.run(plan).text()
        #expect(text.hasPrefix("zero||a b|é|"))
        let environment = Set(text.dropFirst("zero||a b|é|".count).split(separator: "\n").map(String.init))
        #expect(environment.isSuperset(of: ["PATH=/nowhere", "EMPTY=", "X=a=b"]))
        // What the shell adds of its own.
        #expect(environment.count <= 6)
    }

    /// Nothing of ours: neither what is close-on-exec nor what somebody forgot to mark so, low or high.
    @Test func itHasItsDescriptorsAndNoOthers() throws {
        let forgotten = try #require([open("/dev/null", O_RDONLY)].first { $0 >= 0 })
        let high = fcntl(forgotten, F_DUPFD, 1500)
        defer {
            close(forgotten)
            close(high)
        }
        // The fourth is ls's own, of the directory that it lists.
        let run = try bench.run(.program("ls", "/proc/self/fd", candidates: ["/bin/ls"]))
        #expect(try run.lines() == ["0", "1", "2", "3"])
    }

    @Test func itsDescriptorsMayBeSwapped() throws {
        let pipes = try (0..<3).map { index in
            let pipe = try Pipe(.fromChild)
            #expect(Glibc.write(pipe.theirs.raw, "\(index)\n", 2) == 2)
            return pipe.ours
        }
        let numbers = pipes.map { "\($0.raw)" }.joined(separator: " ")
        var plan = LaunchPlan.shell("for i in \(numbers) 9; do read x </proc/self/fd/$i; echo $x; done")
        // Each where another one is now, as the server numbers them.
        for (index, pipe) in pipes.enumerated() {
            let target = pipes[(index + 1) % pipes.count].raw
            plan.mappings.append(LaunchPlan.Mapping(target: target, source: .descriptor(pipe), stage: .fds))
        }
        plan.mappings.append(LaunchPlan.Mapping(target: 9, source: .descriptor(try filled("nine\n")), stage: .fds))
        #expect(try bench.run(plan).lines() == ["2", "0", "1", "nine"])
    }

    private func filled(_ text: String) throws -> SharedDescriptor {
        let pipe = try Pipe(.fromChild)
        #expect(Glibc.write(pipe.theirs.raw, text, text.utf8.count) == text.utf8.count)
        return pipe.ours
    }

    @Test func standardErrorMayBeStandardOutput() throws {
        var plan = LaunchPlan.shell("echo one; echo two >&2; echo three")
        let pipe = try Pipe(.fromChild)
        plan.mappings = [
            LaunchPlan.Mapping(target: 1, source: .descriptor(pipe.theirs), stage: .stdout),
            LaunchPlan.Mapping(target: 2, source: .target(1), stage: .stderr),
        ]
        let run = try bench.run(plan)
        #expect(run.exit?.status == 0)
        let reading = pipe.ours
        var buffer = [UInt8](repeating: 0, count: 100)
        let count = buffer.withUnsafeMutableBytes { Descriptor.read(reading.raw, into: $0) }
        #expect(String(decoding: buffer.prefix(count), as: UTF8.self) == "one\ntwo\nthree\n")
    }

    @Test func filesAreOpenedInItsDirectory() throws {
        let scratch = try Scratch()
        try scratch.write("in", to: "input")
        try scratch.write("old\n", to: "log")
        var plan = LaunchPlan.shell("cat; echo err >&2", directory: scratch.path)
        for (target, path, flags, stage) in [
            (0, "input", O_RDONLY, .stdin), (1, "output", O_WRONLY | O_CREAT | O_EXCL, .stdout),
            (2, "log", O_WRONLY | O_APPEND, .stderr),
        ] as [(CInt, String, CInt, LaunchStage)] {
            let source = LaunchPlan.Mapping.Source.file(path: Array(path.utf8), flags: flags, mode: 0o666)
            plan.mappings.append(LaunchPlan.Mapping(target: target, source: source, stage: stage))
        }
        plan.umask = 0o077
        #expect(try bench.run(plan).exit?.status == 0)
        #expect(ProcFS.contents(of: scratch.file("output")) == Array("in".utf8))
        #expect(ProcFS.contents(of: scratch.file("log")) == Array("old\nerr\n".utf8))
        var status = stat()
        #expect(stat(scratch.file("output"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test func itsDirectoryMayBeADescriptor() throws {
        let scratch = try Scratch()
        var plan = LaunchPlan.shell("pwd -P; pwd -P >&2", directory: "/nowhere")
        plan.directory = SharedDescriptor(try Descriptor.open(scratch.path, pathOnly | O_DIRECTORY))
        #expect(try bench.run(plan).lines() == [scratch.path])
        #expect(try bench.run(.shell("pwd", directory: "/usr")).lines() == ["/usr"])
    }

    /// O_PATH, which Swift does not import (fcntl.h).
    private var pathOnly: CInt { 0o10000000 }

    // MARK: Attributes

    @Test func maskNicenessAndLimits() throws {
        var plan = LaunchPlan.shell("umask; nice; ulimit -c; ulimit -H -n; ulimit -S -n")
        plan.umask = 0o027
        plan.nice = 7
        plan.limits = [
            LaunchPlan.Limit(resource: 4, soft: 0, hard: 0), LaunchPlan.Limit(resource: 7, soft: 50, hard: 60),
        ]
        #expect(try bench.run(plan).lines() == ["0027", "7", "0", "60", "50"])
    }

    /// A soft limit follows a hard one down; a half that is not given stays.
    @Test(arguments: [(nil, 40, ["40", "40"]), (30, nil, ["30"])] as [(UInt64?, UInt64?, [String])])
    func halvesOfALimit(soft: UInt64?, hard: UInt64?, shown: [String]) throws {
        var plan = LaunchPlan.shell("ulimit -H -n; ulimit -S -n")
        plan.limits = [LaunchPlan.Limit(resource: 7, soft: soft, hard: hard)]
        #expect(try bench.run(plan).lines().suffix(shown.count) == shown[...])
    }

    @Test(arguments: [LaunchPlan.Session.new, .group, .inherit, .apart]) func sessions(_ session: LaunchPlan.Session)
        throws
    {
        var plan = LaunchPlan.program("cat", "/proc/self/stat", candidates: ["/bin/cat"])
        plan.session = session
        let run = try bench.run(plan)
        let stat = try #require(ProcStat(parsing: Array(try run.text().utf8)))
        let pid = try #require(run.child?.pid)
        #expect(stat.pid == pid && stat.ppid == getpid())
        #expect(stat.session == (session == .new ? pid : getsid(0)))
        if session == .apart {
            #expect(stat.pgid != getpgrp() && stat.pgid != pid)
            #expect(run.child?.launch.groupApart == stat.pgid)
        } else {
            #expect(stat.pgid == (session == .inherit ? getpgrp() : pid))
        }
    }

    private func statusPlan() -> LaunchPlan { .program("cat", "/proc/self/status", candidates: ["/bin/cat"]) }

    /// Whatever this process, its threads and its test runner have done to theirs.
    @Test func signalsAreAsAsked() throws {
        var plan = statusPlan()
        var fields = StatusFields(try bench.run(plan).text())
        let (none, own) = (StatusFields.hex(0), ownIgnoredSignals())
        #expect(["SigBlk", "SigCgt", "SigPnd", "ShdPnd"].map { fields[$0] } == [none, none, none, none])
        #expect(fields["SigIgn"] == StatusFields.hex(own))
        #expect(fields["NoNewPrivs"] == "0")
        plan = statusPlan()
        plan.ignored = 1 << (1 - 1) | 1 << (13 - 1) | 1 << (64 - 1)
        plan.blocked = 1 << (15 - 1) | 1 << (34 - 1)
        plan.noNewPrivileges = true
        fields = StatusFields(try bench.run(plan).text())
        #expect(fields["SigIgn"] == StatusFields.hex(0x8000_0000_0000_1001 | own))
        #expect(fields["SigBlk"] == "0000000200004000")
        #expect(fields["SigCgt"] == none)
        #expect(fields["NoNewPrivs"] == "1")
    }

    @Test func idsAreAsAsked() throws {
        var plan = statusPlan()
        plan.user = 4242
        plan.group = 4343
        plan.groups = [4444, 4343, 4545]
        let run = try bench.run(plan)
        guard geteuid() == 0 else {
            #expect(run.failure == LaunchFailure(stage: .groups, error: .notPermitted))
            return
        }
        let fields = StatusFields(try run.text())
        #expect(fields["Uid"] == "4242\t4242\t4242\t4242")
        #expect(fields["Gid"] == "4343\t4343\t4343\t4343")
        #expect(fields["Groups"].map { Set($0.split(separator: " ")) } == ["4343", "4444", "4545"])
        #expect(fields["CapEff"] == "0000000000000000")
    }

    // MARK: Many, in processes of their own, where nobody else opens descriptors

    @Test func manyAtATime() async {
        await #expect(processExitsWith: .success) {
            try await MainActor.run {
                let bench = try LaunchBench()
                let runs = try (0..<60).map { try bench.start(.shell("exit \($0)")) }
                #expect(try bench.loop.serve { runs.allSatisfy { $0.isDecided && $0.exit != nil } })
                #expect(runs.map { $0.exit?.status } == (0..<60).map { Int32($0) })
                #expect(runs.allSatisfy { $0.failure == nil && $0.decisions.count == 1 })
            }
        }
    }

    @Test func oneAfterTheOtherLeavesNothingBehind() async {
        await #expect(processExitsWith: .success) {
            try await MainActor.run {
                let bench = try LaunchBench()
                for (index, candidate) in ["/bin/true", "/no/such"].enumerated() {
                    @MainActor func start() throws -> Int32? {
                        try bench.run(.program("program", candidates: [candidate])).exit?.status
                    }
                    #expect(try start() == [0, 127][index])
                    let before = ProcFS.ownDescriptorCount()
                    for _ in 0..<100 { _ = try start() }
                    #expect(ProcFS.ownDescriptorCount() == before)
                    #expect(ProcFS.children(of: getpid()).isEmpty)
                }
            }
        }
    }
}
