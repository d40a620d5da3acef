// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl

/// The params of `spawn`, and of `exec-replace` with `connection`, into a `SpawnSpec`.
struct SpawnDecoding {
    let program: ProgramDecoding
    let limits: Limits
    private let identity = IdentityDecoding()

    static let programMembers = ["file", "env", "env_base", "cwd"]
    static let streamMembers = ["stdin", "stdout", "stderr", "fds"]

    func decode(_ parameters: JSONCursor) throws -> SpawnSpec {
        var program = ProgramSpec(arguments: try self.program.arguments(try parameters.need("argv")))
        program.file = try parameters.ifPresent("file") { try self.program.file($0) }
        program.environment = try parameters.ifPresent("env") { try self.program.environment($0) } ?? []
        program.environmentBase = try parameters.ifPresent("env_base", environmentBase) ?? .inherit
        program.directory = try parameters.ifPresent("cwd") { try self.program.directory($0) }
        program.signals = try parameters.ifPresent("signals") { try self.program.signals($0) }
        var spec = SpawnSpec(program: program, limits: limits)
        try decodeStreams(parameters, into: &spec)
        try identity.decode(parameters, into: &spec)
        try decodeAttributes(parameters, into: &spec)
        try decodeManagement(parameters, into: &spec)
        return spec
    }

    private func environmentBase(_ cursor: JSONCursor) throws(JSONMismatch) -> ProgramSpec.EnvironmentBase {
        try cursor.oneOf(["inherit", "empty"]) == "empty" ? .empty : .inherit
    }

    private func decodeStreams(_ parameters: JSONCursor, into spec: inout SpawnSpec) throws {
        if let cursor = parameters.member("pty") {
            spec.terminal = try terminal(cursor)
            (spec.stdin, spec.stdout, spec.stderr) = (.terminal, .terminal, .terminal)
        }
        if let cursor = parameters.member("stdin") { spec.stdin = try program.stdin(cursor) }
        if let cursor = parameters.member("stdout") { spec.stdout = try program.output(cursor, mayMerge: false) }
        if let cursor = parameters.member("stderr") { spec.stderr = try program.output(cursor, mayMerge: true) }
        guard let cursor = parameters.member("fds") else { return }
        let taken = ["stdin", "stdout", "stderr"].enumerated().filter { parameters.member($0.element) != nil }
        for (target, source) in try program.descriptors(cursor, besides: Set(taken.map { Int32($0.offset) })) {
            switch target {
            case 0: spec.stdin = .descriptor(source)
            case 1: spec.stdout = .descriptor(source)
            case 2: spec.stderr = .descriptor(source)
            default: spec.descriptors.append((target, source))
            }
        }
    }

    private func terminal(_ cursor: JSONCursor) throws(JSONMismatch) -> TerminalSpec {
        try cursor.requireObject(allowing: ["rows", "cols", "term"])
        var terminal = TerminalSpec()
        if let rows = cursor.member("rows") { terminal.rows = UInt16(try rows.integer(1...65_535)) }
        if let columns = cursor.member("cols") { terminal.columns = UInt16(try columns.integer(1...65_535)) }
        if let kind = cursor.member("term") { terminal.kind = try kind.cString() }
        return terminal
    }

    private func decodeAttributes(_ parameters: JSONCursor, into spec: inout SpawnSpec) throws(JSONMismatch) {
        if let cursor = parameters.member("umask") { spec.umask = try identity.umask(cursor) }
        if let cursor = parameters.member("nice") { spec.nice = Int32(try cursor.integer(-20...19)) }
        if let cursor = parameters.member("rlimits") { spec.limits = try identity.limits(cursor) }
        if let cursor = parameters.member("no_new_privileges") { spec.noNewPrivileges = try cursor.boolean() }
        if let cursor = parameters.member("session") {
            spec.session = try session(cursor)
            if spec.terminal != nil, spec.session != .new {
                throw cursor.mismatch(expected: "\"new\" beside \"pty\"", found: "another session")
            }
        }
    }

    /// A word, or `{"group": PGID}` for a process group that exists.
    private func session(_ cursor: JSONCursor) throws(JSONMismatch) -> LaunchPlan.Session {
        if cursor.value.kind == .object {
            try cursor.requireObject(allowing: ["group"])
            let group = try cursor.requiredMember("group", expected: "a process group's number")
            return .join(Int32(try group.integer(1...Int64(Int32.max))))
        }
        guard cursor.value.kind == .string else {
            throw cursor.mismatch(expected: "a word, or {\"group\": …} with a process group's number")
        }
        return switch try cursor.oneOf(["new", "group", "apart", "inherit"]) {
        case "group": .group
        case "apart": .apart
        case "inherit": .inherit
        default: .new
        }
    }

    private func decodeManagement(_ parameters: JSONCursor, into spec: inout SpawnSpec) throws(JSONMismatch) {
        let longest = ServerLimits.longest
        if let cursor = parameters.member("name") { spec.name = try cursor.processName() }
        if let cursor = parameters.member("labels") { spec.labels = try cursor.labels(limits: limits) }
        if let cursor = parameters.member("timeout_ms") { spec.timeout = try cursor.duration(1...longest) }
        if let cursor = parameters.member("stop") { spec.stop = spec.stop.changed(try cursor.stopRule()) }
        if let cursor = parameters.member("lifetime") { spec.lifetime = try cursor.lifetime() }
        if let cursor = parameters.member("hold") { spec.hold = try cursor.boolean() }
        if let cursor = parameters.member("start_timeout_ms") {
            spec.startTimeout = try cursor.duration(1...limits.startTimeoutMost)
        }
        if let cursor = parameters.member("output") {
            try cursor.requireObject(allowing: ["limit", "when_full"])
            if let limit = cursor.member("limit") {
                spec.outputLimit = Int(try limit.integer(1...Int64(limits.outputMost)))
            }
            if let whenFull = cursor.member("when_full") { spec.whenFull = try whenFull.choice(WhenFull.self) }
        }
    }
}
