// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl
import Testing

@testable import Server

/// `argv`, `file`, `env`, `cwd`, `signals` and the streams.
@Suite(.serialized) struct ProgramDecodingTests {
    private let descriptors: ReceivedDescriptors
    private let decoding: ProgramDecoding

    init() throws {
        descriptors = try received(2)
        decoding = ProgramDecoding(descriptors: descriptors)
    }

    private func descriptor(_ index: Int64) throws -> SharedDescriptor {
        try descriptors.descriptor(at: JSONCursor(.integer(index)))
    }

    @Test func arguments() throws {
        #expect(try decoding.arguments(.parse(#"[""]"#)) == [[]])
        #expect(try decoding.arguments(.parse(#"["a", {"base64": "/w=="}]"#)) == [[97], [0xFF]])
        for (json, path, found) in [
            ("[]", "argv", "an empty array"), (#""ls""#, "argv", "string"), (#"["a", 1]"#, "argv[1]", "integer"),
            (#"["a\u0000"]"#, "argv[0]", "a string with U+0000"),
            (#"[{"base64": "AA=="}]"#, "argv[0]", "a string with U+0000"),
            (#"["a", {"base64": "/w"}]"#, "argv[1].base64", "malformed base64"),
            (#"[{"base64": "", "text": ""}]"#, "argv[0].text", "unknown member"), (#"[null]"#, "argv[0]", "null"),
        ] {
            let wrong = try mismatch(of: json, as: "argv") { try decoding.arguments($0) }
            #expect(wrong?.path == path)
            #expect(wrong?.found == found)
        }
    }

    @Test func aFileIsANameOrCandidates() throws {
        guard case .name([108, 115]) = try decoding.file(.parse(#""ls""#)),
            case .name([0xFF]) = try decoding.file(.parse(#"{"base64": "/w=="}"#)),
            case .candidates([[97], []]) = try decoding.file(.parse(#"["a", ""]"#))
        else {
            Issue.record("another file")
            return
        }
        for (json, path) in [("[]", "file"), ("1", "file"), (#"["a", 1]"#, "file[1]"), (#""a\u0000""#, "file")] {
            #expect(try mismatch(of: json, as: "file") { try decoding.file($0) }?.path == path)
        }
        let many = "[" + Array(repeating: "\"a\"", count: 1025).joined(separator: ",") + "]"
        #expect(try mismatch(of: many) { try decoding.file($0) }?.expected == "an array of at most 1024")
    }

    @Test func anEnvironmentOfPairs() throws {
        let environment = try decoding.environment(.parse(#"[["B", "2"], [{"base64": "/w=="}, null]]"#))
        #expect(environment.map(\.name) == [[66], [0xFF]])
        #expect(environment.map(\.value) == [[50], nil])
    }

    @Test func anEnvironmentSetsAndUnsets() throws {
        let environment = try decoding.environment(.parse(#"{"B": "2", "A": null, "é": {"base64": "/w=="}, "C": ""}"#))
        #expect(environment.map(\.name) == [[66], [65], [0xC3, 0xA9], [67]])
        #expect(environment.map(\.value) == [[50], nil, [0xFF], []])
        for (json, path) in [
            (#"{"": "x"}"#, "env."), (#"{"A=B": "x"}"#, "env.A=B"), (#"{"=": null}"#, "env.="),
            (#"{"A": 1}"#, "env.A"), (#"{"A": "\u0000"}"#, "env.A"), (#"["A=1"]"#, "env[0]"),
        ] {
            #expect(try mismatch(of: json, as: "env") { try decoding.environment($0) }?.path == path)
        }
    }

    @Test func aDirectoryIsAPathOrADescriptor() throws {
        guard case .path([47]) = try decoding.directory(.parse(#""/""#)),
            case .path([0xFF]) = try decoding.directory(.parse(#"{"base64": "/w=="}"#)),
            case .descriptor(let second) = try decoding.directory(.parse(#"{"fd": 1}"#))
        else {
            Issue.record("another directory")
            return
        }
        #expect(try second === descriptor(1))
        for (json, path) in [
            (#"{"fd": 2}"#, "cwd.fd"), (#"{"fd": "0"}"#, "cwd.fd"), (#"{"fd": 0, "path": "/"}"#, "cwd.path"),
            (#"{"fd": null}"#, "cwd.fd"), ("{}", "cwd"), ("3", "cwd"),
        ] {
            #expect(try mismatch(of: json, as: "cwd") { try decoding.directory($0) }?.path == path)
        }
    }

    @Test func signals() throws {
        for (json, ignored, blocked) in [
            (#""fresh""#, 0, 0), ("{}", 0, 0), (#"{"ignored": ["HUP"]}"#, 1, 0), (#"{"blocked": [2, 2]}"#, 0, 2),
            (#"{"ignored": [1], "blocked": ["INT", 1]}"#, 1, 3), (#"{"ignored": null}"#, 0, 0),
        ] as [(String, UInt64, UInt64)] {
            let setup = try decoding.signals(.parse(json))
            #expect([setup.ignored, setup.blocked] == [ignored, blocked])
        }
        for (json, path) in [
            (#""inherit""#, "signals"), ("[]", "signals"), (#"{"ignored": "HUP"}"#, "signals.ignored"),
            (#"{"blocked": [1, 65]}"#, "signals.blocked[1]"), (#"{"caught": []}"#, "signals.caught"),
        ] {
            #expect(try mismatch(of: json, as: "signals") { try decoding.signals($0) }?.path == path)
        }
    }

    // MARK: Streams

    private func shown(_ stream: StreamSpec) -> String {
        guard case .file(let path, let mode) = stream else { return stream.kind }
        return "\(mode.rawValue) \(String(decoding: path, as: UTF8.self))"
    }

    @Test func whereInputComesFrom() throws {
        for (json, expected) in [
            (#""null""#, "null"), (#"{"file": "/x"}"#, "truncate /x"), (#"{"fd": 0}"#, "descriptor"),
        ] {
            #expect(shown(try decoding.stdin(.parse(json))) == expected)
        }
        for (json, path) in [
            (#""stdout""#, "stdin"), ("null", "stdin"), ("{}", "stdin"),
            (#"{"file": "/x", "mode": "append"}"#, "stdin.mode"),
            (#"{"file": "/x", "fd": 0}"#, "stdin.file"), (#"{"fd": 5}"#, "stdin.fd"),
            (#"{"file": "\u0000"}"#, "stdin.file"), ("0", "stdin"),
        ] {
            #expect(try mismatch(of: json, as: "stdin") { try decoding.stdin($0) }?.path == path)
        }
    }

    @Test func whereOutputGoes() throws {
        for (json, expected) in [
            (#""pipe""#, "pipe"), (#""null""#, "null"), (#"{"file": "/x"}"#, "truncate /x"),
            (#"{"file": "/x", "mode": "truncate"}"#, "truncate /x"), (#"{"file": "/x", "mode": null}"#, "truncate /x"),
            (#"{"mode": "append", "file": "x"}"#, "append x"), (#"{"file": "", "mode": "create-new"}"#, "create-new "),
            (#"{"fd": 1}"#, "descriptor"),
        ] {
            #expect(shown(try decoding.output(.parse(json), mayMerge: false)) == expected)
        }
        #expect(shown(try decoding.output(.parse(#""stdout""#), mayMerge: true)) == "stdout")
        for (json, path) in [
            (#""stdout""#, "stdout"), (#""stderr""#, "stdout"), ("{}", "stdout"), (#"{"mode": "append"}"#, "stdout"),
            (#"{"file": "x", "mode": "excl"}"#, "stdout.mode"), (#"{"fd": 0, "mode": "append"}"#, "stdout.mode"),
            (#"{"fd": -1}"#, "stdout.fd"), (#"{"path": "x"}"#, "stdout.path"), ("true", "stdout"),
        ] {
            #expect(try mismatch(of: json, as: "stdout") { try decoding.output($0, mayMerge: false) }?.path == path)
        }
    }

    @Test func furtherDescriptors() throws {
        let mapped = try decoding.descriptors(.parse(#"{"65535": 0, "3": 1, "0": 1, "7": 0}"#), besides: [1])
        #expect(mapped.map(\.target) == [65_535, 3, 0, 7])
        let (first, second) = (try descriptor(0), try descriptor(1))
        #expect(mapped.map(\.source).elementsEqual([first, second, second, first]) { $0 === $1 })
    }

    @Test(arguments: [
        (#"{"3": 2}"#, "fds.3", "2"), (#"{"3": null}"#, "fds.3", "null"), (#"{"3": {"fd": 0}}"#, "fds.3", "object"),
        (#"{"-1": 0}"#, "fds.-1", "\"-1\""), (#"{"65536": 0}"#, "fds.65536", "\"65536\""),
        (#"{"03": 0}"#, "fds.03", "\"03\""),
        (#"{"+3": 0}"#, "fds.+3", "\"+3\""), (#"{" 3": 0}"#, "fds. 3", "\" 3\""), (#"{"": 0}"#, "fds.", "\"\""),
        (#"{"x": 0}"#, "fds.x", "\"x\""), (#"{"1": 0}"#, "fds.1", "\"1\""), ("[0]", "fds", "array"),
    ])
    func otherDescriptors(_ json: String, path: String, found: String) throws {
        let wrong = try mismatch(of: json, as: "fds") { try decoding.descriptors($0, besides: [1]) }
        #expect(wrong?.path == path)
        #expect(wrong?.found == found)
    }
}
