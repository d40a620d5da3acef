// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import SystemPackage
import Testing

@testable import Kernel

extension EventLoop {
    /// Serves events until a condition holds, for 10 s at most. Whether it holds.
    func serve(until condition: @escaping @MainActor () -> Bool) throws -> Bool {
        let limit = EventLoop.now() + 10_000
        @MainActor func look() {
            if condition() || EventLoop.now() > limit { stop() } else { after(1, look) }
        }
        later { look() }
        try run()
        return condition()
    }

    /// Goes round so often.
    func serve(rounds: Int) throws {
        var left = rounds
        @MainActor func next() {
            left -= 1
            if left <= 0 { stop() } else { later(next) }
        }
        later { next() }
        try run()
    }
}

/// Starts children, and follows each to its end.
@MainActor
struct LaunchBench {
    let loop: EventLoop
    let launcher: Launcher

    init() throws {
        loop = try EventLoop()
        launcher = Launcher(loop: loop)
    }

    /// A child and what has become of it.
    @MainActor
    final class Run {
        var child: LaunchedChild?
        /// What the start was decided with, once it has been.
        var decisions: [LaunchFailure?] = []
        var exit: ChildExit?
        fileprivate var output: SharedDescriptor?

        var isDecided: Bool { !decisions.isEmpty }
        var failure: LaunchFailure? { decisions.first ?? nil }

        /// All that it has written, when nobody can write any more.
        func text() throws -> String {
            // One that lives may have nothing to say for ever.
            try #require(exit != nil)
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while let output {
                let count = try buffer.withUnsafeMutableBytes { room in
                    try systemCall { Descriptor.read(output.raw, into: room) }
                }
                if count == 0 { break }
                bytes += buffer.prefix(count)
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        func lines() throws -> [String] { try text().split(separator: "\n").map(String.init) }
    }

    /// Starts a child with its output in a pipe and nothing to read.
    func start(_ plan: LaunchPlan, held: Bool = false) throws -> Run {
        let run = Run()
        var plan = plan
        let pipe = try Pipe(.fromChild)
        let null = SharedDescriptor(try Descriptor.open("/dev/null", O_RDWR))
        let given = Set(plan.mappings.map(\.target))
        for (target, source, stage) in [(0, null, .stdin), (1, pipe.theirs, .stdout), (2, null, .stderr)]
            as [(CInt, SharedDescriptor, LaunchStage)] where !given.contains(target)
        {
            plan.mappings.append(LaunchPlan.Mapping(target: target, source: .descriptor(source), stage: stage))
        }
        run.output = pipe.ours
        let child = try launcher.launch(plan, held: held) { run.decisions.append($0) }
        run.child = child
        try loop.add(child.pidfd.raw, [.readable, .edge]) { [loop] _ in
            guard let exit = try? ChildProcess.reap(child.pidfd) else { return }
            loop.remove(child.pidfd.raw)
            child.launch.childHasParted()
            run.exit = exit
        }
        return run
    }

    /// Starts a child and waits for its end.
    func run(_ plan: LaunchPlan) throws -> Run {
        let run = try start(plan)
        try #require(try loop.serve { run.isDecided && run.exit != nil })
        #expect(run.decisions.count == 1)
        return run
    }

    /// A held one, at its gate.
    func hold(_ plan: LaunchPlan) throws -> Run {
        let run = try start(plan, held: true)
        try #require(try loop.serve { run.isDecided })
        return run
    }
}

extension LaunchPlan {
    /// A program with its arguments; for one start, as every image is.
    static func program(
        _ arguments: String..., candidates: [String]? = nil, environment: [String] = ["PATH=/usr/bin:/bin"],
        directory: String? = nil
    ) -> LaunchPlan {
        LaunchPlan(image: .of(arguments, candidates: candidates, environment: environment, directory: directory))
    }

    static func shell(_ script: String, directory: String? = nil) -> LaunchPlan {
        program("sh", "-c", script, candidates: ["/bin/sh"], directory: directory)
    }
}

extension ProgramImage {
    static func of(
        _ arguments: [String], candidates: [String]? = nil, environment: [String] = [], directory: String? = nil
    ) -> ProgramImage {
        ProgramImage(
            candidates: (candidates ?? [arguments[0]]).map { Array($0.utf8) },
            arguments: arguments.map { Array($0.utf8) }, environment: environment.map { Array($0.utf8) },
            directory: directory.map { Array($0.utf8) })
    }
}

/// The fields of /proc/PID/status, proc(5).
struct StatusFields {
    private var fields: [String: String] = [:]

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":\t", maxSplits: 1).map(String.init)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
    }

    subscript(_ name: String) -> String? { fields[name] }

    /// A signal set as it stands there.
    static func hex(_ set: UInt64) -> String {
        let digits = String(set, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// What this process ignores is ignored in its children too; a server ignores nothing. (posix_spawn(3), by which test
/// runners start tests, leaves signal 32 ignored.)
func ownIgnoredSignals() -> UInt64 {
    let text = String(decoding: ProcFS.contents(of: "/proc/self/status") ?? [], as: UTF8.self)
    return StatusFields(text)["SigIgn"].flatMap { UInt64($0, radix: 16) } ?? 0
}
