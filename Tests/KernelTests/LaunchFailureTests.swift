// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import SystemPackage
import Testing

@testable import Kernel

/// Programs that do not start: which step it was, why, and nothing left behind.
@MainActor @Suite(.serialized) struct LaunchFailureTests {
    private let bench: LaunchBench
    private let scratch: Scratch

    init() throws {
        bench = try LaunchBench()
        scratch = try Scratch()
    }

    private func failure(_ plan: LaunchPlan) throws -> LaunchFailure? {
        let run = try bench.run(plan)
        if run.failure != nil {
            #expect(run.exit?.status == 127)
            #expect(try run.text() == "")
            #expect(kill(try #require(run.child?.pid), 0) == -1, "reaped")
        }
        return run.failure
    }

    private func candidates(_ paths: String...) throws -> LaunchFailure? {
        try failure(.program("program", candidates: paths))
    }

    /// A file of mode 0700.
    private func script(_ text: String) throws -> String {
        let path = try scratch.write(text, to: "script")
        chmod(path, 0o700)
        return path
    }

    // MARK: exec

    @Test func programsThatCannotBe() throws {
        let plain = try scratch.write("echo hello\n", to: "plain")
        #expect(try candidates("/no/such") == LaunchFailure(stage: .exec, error: .noSuchFileOrDirectory))
        #expect(try candidates(plain + "/x") == LaunchFailure(stage: .exec, error: .notDirectory))
        #expect(try candidates("/tmp") == LaunchFailure(stage: .exec, error: .permissionDenied))
        #expect(try candidates("") == LaunchFailure(stage: .exec, error: .noSuchFileOrDirectory))
        #expect(try candidates(plain) == LaunchFailure(stage: .exec, error: .permissionDenied), "not executable")
        let noFormat = LaunchFailure(stage: .exec, error: Errno(rawValue: ENOEXEC))
        #expect(try candidates(try script("echo hello\n")) == noFormat)
        #expect(
            try candidates(try script("#!/no/such/interpreter\n"))
                == LaunchFailure(stage: .exec, error: .noSuchFileOrDirectory))
        let long = String(repeating: "x", count: 300)
        #expect(try candidates("/" + long) == LaunchFailure(stage: .exec, error: .fileNameTooLong))
        #expect(try candidates(try script("#!/bin/sh\nexit 0\n")) == nil)
    }

    /// As execvp(3) goes on: EACCES wins at the end, and what is no error of the path stops.
    @Test func severalCandidates() throws {
        let text = try script("echo hello\n")
        #expect(try candidates("/no/such", "/tmp", "/bin/true") == nil)
        #expect(
            try candidates("/no/such", "/tmp", "/no/other")
                == LaunchFailure(stage: .exec, error: .permissionDenied, index: 1))
        #expect(
            try candidates("/no/such", "/no/other")
                == LaunchFailure(stage: .exec, error: .noSuchFileOrDirectory, index: 1))
        #expect(
            try candidates("/no/such", text, "/bin/true")
                == LaunchFailure(stage: .exec, error: Errno(rawValue: ENOEXEC), index: 1))
        #expect(
            try candidates("/tmp", text) == LaunchFailure(stage: .exec, error: Errno(rawValue: ENOEXEC), index: 1))
    }

    @Test func moreThanTheKernelTakes() throws {
        let plan = LaunchPlan.program("true", String(repeating: "x", count: 1 << 20), candidates: ["/bin/true"])
        #expect(try failure(plan) == LaunchFailure(stage: .exec, error: Errno(rawValue: E2BIG)))
    }

    /// Somebody has the program open for writing: another's fork that has not come to its exec yet. It is tried again.
    @Test func aBusyProgramIsTriedAgain() throws {
        let path = try script("")
        try copyTrue(to: path)
        let writer = SharedWriter(try Descriptor.open(path, O_WRONLY))
        let run = try bench.start(.program("busy", candidates: [path]))
        bench.loop.after(20) { writer.close() }
        #expect(try bench.loop.serve { run.isDecided && run.exit != nil })
        #expect(run.failure == nil)
        #expect(run.exit?.status == 0)
        let held = try Descriptor.open(path, O_WRONLY)
        let second = try bench.start(.program("busy", candidates: [path]))
        #expect(second.child?.launch.stage != LaunchStage.none)
        #expect(try bench.loop.serve { second.isDecided && second.exit != nil })
        #expect(second.failure == LaunchFailure(stage: .exec, error: .textFileBusy))
        withExtendedLifetime(held) {}
    }

    private final class SharedWriter {
        private var descriptor: SharedDescriptor?
        @MainActor init(_ own: consuming Descriptor) { descriptor = SharedDescriptor(own) }
        @MainActor func close() { descriptor = nil }
    }

    private func copyTrue(to path: String) throws {
        let bytes = try #require(ProcFS.contents(of: "/bin/true"))
        let file = try Descriptor.open(path, O_WRONLY | O_TRUNC)
        #expect(try bytes.withUnsafeBytes { try file.write($0) } == bytes.count)
    }

    // MARK: The steps before

    @Test func directories() throws {
        #expect(
            try failure(.shell("exit 0", directory: "/no/such"))
                == LaunchFailure(stage: .cwd, error: .noSuchFileOrDirectory))
        let file = try scratch.write("", to: "file")
        #expect(try failure(.shell("exit 0", directory: file)) == LaunchFailure(stage: .cwd, error: .notDirectory))
        var plan = LaunchPlan.shell("exit 0")
        plan.directory = SharedDescriptor(try Descriptor.open(file, O_RDONLY))
        #expect(try failure(plan) == LaunchFailure(stage: .cwd, error: .notDirectory))
    }

    @Test func files() throws {
        let there = try scratch.write("", to: "there")
        mkfifo(scratch.file("fifo"), 0o600)
        for (target, path, flags, stage, error) in [
            (0, "/no/such", O_RDONLY, .stdin, .noSuchFileOrDirectory),
            (1, there, O_WRONLY | O_CREAT | O_EXCL, .stdout, .fileExists),
            (2, "/tmp", O_WRONLY, .stderr, .isDirectory),
            // A FIFO without a reader does not hold the start up.
            (1, scratch.file("fifo"), O_WRONLY, .stdout, .noSuchAddressOrDevice),
            (9, there + "/x", O_RDONLY, .fds, .notDirectory),
        ] as [(CInt, String, CInt, LaunchStage, Errno)] {
            var plan = LaunchPlan.shell("exit 0")
            let source = LaunchPlan.Mapping.Source.file(path: Array(path.utf8), flags: flags, mode: 0o600)
            plan.mappings = [LaunchPlan.Mapping(target: target, source: source, stage: stage)]
            #expect(try failure(plan) == LaunchFailure(stage: stage, error: error), "\(path)")
        }
    }

    /// The program gets a FIFO blocking, as if it had opened it.
    @Test func aFIFOWithAReader() throws {
        let path = scratch.file("fifo")
        mkfifo(path, 0o600)
        let reader = try Descriptor.open(path, O_RDONLY | O_NONBLOCK)
        var plan = LaunchPlan.shell("grep flags: /proc/self/fdinfo/1 >&2; echo out")
        let pipe = try Pipe(.fromChild)
        plan.mappings = [
            LaunchPlan.Mapping(
                target: 1, source: .file(path: Array(path.utf8), flags: O_WRONLY, mode: 0), stage: .stdout),
            LaunchPlan.Mapping(target: 2, source: .descriptor(pipe.theirs), stage: .stderr),
        ]
        #expect(try failure(plan) == nil)
        var buffer = [UInt8](repeating: 0, count: 100)
        var count = try buffer.withUnsafeMutableBytes { try reader.read(into: $0) }
        #expect(String(decoding: buffer.prefix(count), as: UTF8.self) == "out\n")
        let errors = pipe.ours
        count = buffer.withUnsafeMutableBytes { Descriptor.read(errors.raw, into: $0) }
        let words = String(decoding: buffer.prefix(count), as: UTF8.self).split(whereSeparator: \.isWhitespace)
        let flags = try #require(words.last.flatMap { CInt($0, radix: 8) })
        #expect(flags & O_NONBLOCK == 0)
    }

    @Test func limits() throws {
        let core = LaunchPlan.Limit(resource: 4, soft: 0, hard: 0)
        for (limits, index) in [
            ([core, LaunchPlan.Limit(resource: 4, soft: 5, hard: 4)], 1),
            ([LaunchPlan.Limit(resource: 99, soft: 0, hard: 0)], 0),
        ] {
            var plan = LaunchPlan.shell("exit 0")
            plan.limits = limits
            #expect(try failure(plan) == LaunchFailure(stage: .rlimits, error: .invalidArgument, index: index))
        }
    }

    // MARK: Stages

    /// The names and the numbers of launch.h.
    @Test func stagesHaveTheNumbersOfC() {
        let numbers = [
            PK_STAGE_NONE, PK_STAGE_PIPE, PK_STAGE_CLONE, PK_STAGE_CGROUP, PK_STAGE_SIGNALS, PK_STAGE_SESSION,
            PK_STAGE_UMASK, PK_STAGE_NICE, PK_STAGE_RLIMITS, PK_STAGE_GROUPS, PK_STAGE_GID, PK_STAGE_UID, PK_STAGE_CWD,
            PK_STAGE_STDIN, PK_STAGE_STDOUT, PK_STAGE_STDERR, PK_STAGE_FDS, PK_STAGE_TERMINAL,
            PK_STAGE_NO_NEW_PRIVILEGES,
            PK_STAGE_GATE, PK_STAGE_EXEC,
        ].map { Int32($0.rawValue) }
        #expect(LaunchStage.allCases.map(\.number) == numbers)
        #expect(LaunchStage.allCases.map { LaunchStage(number: $0.number) } == LaunchStage.allCases)
        #expect(LaunchStage(number: 21) == LaunchStage.none)
        #expect(LaunchStage(number: -1) == LaunchStage.none)
    }
}
