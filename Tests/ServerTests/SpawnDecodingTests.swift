// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl
import Testing

@testable import Server

/// The params of `spawn` as a whole.
@Suite struct SpawnDecodingTests {
    private func decode(_ json: String, descriptors: Int = 2) throws -> SpawnSpec {
        let decoding = SpawnDecoding(program: ProgramDecoding(descriptors: try received(descriptors)), limits: Limits())
        return try decoding.decode(JSONCursor(JSONValue.parse(json)))
    }

    private func wrongPath(_ members: String) throws -> String? {
        do {
            _ = try decode("{\"argv\": [\"a\"], \(members)}")
            return nil
        } catch let mismatch as JSONMismatch {
            return mismatch.path.description
        }
    }

    @Test(arguments: [
        #"{"argv": ["a"]}"#,
        #"{"argv": ["a"], "file": null, "env": null, "env_base": null, "cwd": null, "stdin": null, "stdout": null}"#,
        #"{"argv": ["a"], "stderr": null, "fds": null, "umask": null, "nice": null, "rlimits": null, "signals": null}"#,
        #"{"argv": ["a"], "name": null, "labels": null, "timeout_ms": null, "stop": null, "lifetime": null}"#,
        #"{"argv": ["a"], "output": null, "hold": null, "session": null, "start_timeout_ms": null}"#,
    ])
    func whatIsNotSaidIsTheDefault(_ json: String) throws {
        let spec = try decode(json)
        #expect(spec.program.arguments == [[97]])
        #expect(spec.program.file == nil && spec.program.environment.isEmpty && spec.program.directory == nil)
        #expect(spec.program.environmentBase == .inherit)
        #expect(spec.program.signals == nil)
        #expect([spec.stdin, spec.stdout, spec.stderr].map(\.kind) == ["null", "pipe", "pipe"])
        #expect(spec.descriptors.isEmpty && spec.limits.isEmpty)
        #expect(spec.umask == nil && spec.nice == nil && !spec.noNewPrivileges && spec.session == .new)
        #expect(spec.name == nil && spec.labels.isEmpty && spec.timeout == nil && !spec.hold)
        #expect(spec.stop == StopRule(signal: 15, grace: 10_000))
        #expect(spec.lifetime == .detached)
        #expect(spec.outputLimit == 1 << 20 && spec.whenFull == .discardOldest)
        #expect(spec.startTimeout == 10_000)
    }

    @Test func everythingSaid() throws {
        let spec = try decode(
            #"""
            {"argv": ["a", "b"], "file": "c", "env": {"A": "1"}, "env_base": "empty", "cwd": "/",
             "stdin": {"fd": 1}, "stdout": {"file": "o"}, "stderr": "stdout", "fds": {"5": 0}, "umask": "077", "nice": -20,
             "rlimits": {"core": 0}, "no_new_privileges": true, "signals": {"blocked": [1]}, "name": "n",
             "labels": {"k": "v"}, "timeout_ms": 5, "stop": {"signal": "INT"}, "lifetime": {"lease_ms": 9},
             "output": {"limit": 100, "when_full": "block"}, "hold": true, "session": "group", "start_timeout_ms": 600000}
            """#)
        guard case .name([99]) = spec.program.file, case .path([47]) = spec.program.directory else {
            Issue.record("another program")
            return
        }
        #expect(spec.program.environmentBase == .empty)
        #expect(spec.program.environment.map(\.name) == [[65]])
        #expect([spec.stdin, spec.stdout, spec.stderr].map(\.kind) == ["descriptor", "file", "stdout"])
        #expect(spec.descriptors.map(\.target) == [5])
        #expect(spec.umask == 0o77 && spec.nice == -20 && spec.noNewPrivileges && spec.hold)
        #expect(spec.limits == [LaunchPlan.Limit(resource: 4, soft: 0, hard: 0)])
        #expect(spec.program.signals?.blocked == 1)
        #expect(spec.name == "n" && spec.labels.map(\.1) == ["v"])
        #expect(spec.timeout == 5 && spec.startTimeout == 600_000)
        #expect(spec.stop == StopRule(signal: 2, grace: 10_000))
        #expect(spec.lifetime == .lease(9))
        #expect(spec.outputLimit == 100 && spec.whenFull == .block)
        #expect(spec.session == .group)
    }

    /// Targets 0 to 2 of `fds` are another way to say the three streams.
    @Test func standardDescriptorsAmongTheOthers() throws {
        let spec = try decode(#"{"argv": ["a"], "fds": {"0": 0, "2": 1, "7": 1}, "stdout": "null"}"#)
        #expect([spec.stdin, spec.stdout, spec.stderr].map(\.kind) == ["descriptor", "null", "descriptor"])
        #expect(spec.descriptors.map(\.target) == [7])
    }

    @Test(arguments: [
        (#""nice": 20"#, "nice"), (#""nice": -21"#, "nice"), (#""nice": "0""#, "nice"), (#""umask": 512"#, "umask"),
        (#""no_new_privileges": 1"#, "no_new_privileges"), (#""session": "old""#, "session"),
        (#""hold": "yes""#, "hold"),
        (#""env_base": "keep""#, "env_base"), (#""timeout_ms": 0"#, "timeout_ms"),
        (#""timeout_ms": "none""#, "timeout_ms"),
        (#""start_timeout_ms": 0"#, "start_timeout_ms"), (#""start_timeout_ms": 600001"#, "start_timeout_ms"),
        (#""output": "block""#, "output"), (#""output": {"limit": 0}"#, "output.limit"),
        (#""output": {"limit": 1073741825}"#, "output.limit"),
        (#""output": {"when_full": "drop"}"#, "output.when_full"),
        (#""output": {"size": 1}"#, "output.size"), (#""name": "all""#, "name"), (#""labels": {"a": 1}"#, "labels.a"),
        (#""stop": {"signal": 65}"#, "stop.signal"), (#""fds": {"9": 2}"#, "fds.9"),
        (#""fds": {"1": 0}, "stdout": "pipe""#, "fds.1"), (#""cwd": {"fd": 9}"#, "cwd.fd"),
        (#""env": {"A": 1}"#, "env.A"),
        (#""user": -1"#, "user"), (#""rlimits": {"core": -1}"#, "rlimits.core"), (#""signals": 1"#, "signals"),
        (#""stdin": {"fd": 2}"#, "stdin.fd"), (#""stderr": {"mode": "x"}"#, "stderr"), (#""file": []"#, "file"),
        (#""lifetime": "lease""#, "lifetime"),
    ])
    func whatIsWrongIsNamed(_ members: String, path: String) throws {
        #expect(try wrongPath(members) == path)
    }

    @Test func argumentsAreNeeded() throws {
        for (json, path) in [("{}", "argv"), (#"{"argv": null}"#, "argv"), (#"{"argv": []}"#, "argv")] {
            let error = #expect(throws: JSONMismatch.self) { try decode(json) }
            #expect(error?.path.description == path)
        }
    }

    /// The greatest values that are allowed.
    @Test func theBoundsBelong() throws {
        for members in [
            #""nice": 19"#, #""nice": -20"#, #""umask": 511"#, #""start_timeout_ms": 1"#, #""timeout_ms": 31622400000"#,
            #""output": {"limit": 1073741824}"#, #""output": {"limit": 1}"#, #""output": {}"#, #""session": "inherit""#,
            #""session": {"group": 1}"#, #""session": "apart""#,
        ] {
            #expect(try wrongPath(members) == nil)
        }
    }
}
