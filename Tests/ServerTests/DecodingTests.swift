// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl
import Testing

@testable import Server

/// Values that several methods take.
@Suite struct DecodingTests {
    // MARK: Which processes

    @Test func aProcessIsAnIdOrAName() throws {
        #expect(try JSONCursor.parse("1").process() == .id(1))
        #expect(try JSONCursor.parse("9223372036854775807").process() == .id(.max))
        #expect(try JSONCursor.parse("\"web\"").process() == .name("web"))
        #expect(try JSONCursor.parse("\"7\"").process() == .name("7"))
        let expected = "a process: its id (an integer from 1) or its name"
        for (json, found) in [("true", "boolean"), ("1.0", "real"), ("[1]", "array"), ("{}", "object")] {
            #expect(
                try mismatch(of: json, as: "process") { try $0.process() }
                    == Mismatch(path: "process", expected: expected, found: found))
        }
        for json in ["0", "-1"] {
            #expect(
                try mismatch(of: json) { try $0.process() }
                    == Mismatch(path: "m", expected: "an integer of at least 1", found: json))
        }
    }

    private func references(_ json: String) throws -> [ProcessReference]? {
        if case .these(let references) = try JSONCursor.parse(json).selector() { references } else { nil }
    }

    @Test func processesAreOneOrAList() throws {
        #expect(try references("3") == [.id(3)])
        #expect(try references("\"web\"") == [.name("web")])
        #expect(try references("[]") == [])
        #expect(try references("[3, \"web\", 3, \"all\"]") == [.id(3), .name("web"), .id(3), .name("all")])
        guard case .all = try JSONCursor.parse("\"all\"").selector() else {
            Issue.record("not all")
            return
        }
    }

    @Test func processesByLabels() throws {
        guard case .labels(let labels) = try JSONCursor.parse(#"{"labels": {"a": "1", "b": ""}}"#).selector() else {
            Issue.record("no labels")
            return
        }
        #expect(labels.map(\.0) == ["a", "b"])
        #expect(labels.map(\.1) == ["1", ""])
    }

    @Test(arguments: [
        ("[1, null]", "processes[1]", "null"), ("[1, \"a\", [2]]", "processes[2]", "array"),
        ("[0]", "processes[0]", "0"),
        ("true", "processes", "boolean"), ("1.5", "processes", "real"), ("{}", "processes.labels", "nothing"),
        (#"{"labels": null}"#, "processes.labels", "null"), (#"{"labels": {"a": 1}}"#, "processes.labels.a", "integer"),
        (#"{"labels": []}"#, "processes.labels", "array"), (#"{"label": {}}"#, "processes.label", "unknown member"),
        (#"{"labels": {}, "all": true}"#, "processes.all", "unknown member"),
    ])
    func otherProcessesAreRefused(_ json: String, path: String, found: String) throws {
        let wrong = try mismatch(of: json, as: "processes") { try $0.selector() }
        #expect(wrong?.path == path)
        #expect(wrong?.found == found)
    }

    // MARK: Labels and names

    @Test func labelsAreBounded() throws {
        var limits = Limits()
        limits.labels = 3
        limits.labelBytes = 10
        let labels = try JSONCursor.parse(#"{"b": "1", "a": "\u0000", "éé": "123456"}"#).labels(limits: limits)
        #expect(labels.map(\.0) == ["b", "a", "éé"])
        #expect(labels.map(\.1) == ["1", "\0", "123456"])
        #expect(
            try mismatch(of: #"{"a": "", "b": "", "c": "", "d": ""}"#) { try $0.labels(limits: limits) }
                == Mismatch(path: "m", expected: "an object of at most 3 members", found: "4 members"))
        #expect(
            try mismatch(of: #"{"éé": "1234567"}"#) { try $0.labels(limits: limits) }
                == Mismatch(path: "m.éé", expected: "at most 10 bytes of key and value", found: "11"))
        #expect(try mismatch(of: #"{"a": null}"#) { try $0.labels() }?.found == "null")
        #expect(try JSONCursor.parse("{}").labels().isEmpty)
    }

    @Test(arguments: ["a", "_", "Z9", "web-1.2_x", "ALL", "all_", String(repeating: "a", count: 64)])
    func names(_ name: String) throws {
        #expect(try JSONCursor.parse("\"\(name)\"").processName() == name)
    }

    @Test(arguments: [
        "", "1a", "-a", ".a", "all", "a b", "é", "a/b", "a\\u0000", "a:b", String(repeating: "a", count: 65),
    ])
    func otherNames(_ name: String) throws {
        let wrong = try mismatch(of: "\"\(name)\"", as: "name") { try $0.processName() }
        #expect(wrong?.path == "name")
        #expect(wrong?.expected == "a name: [A-Za-z_][A-Za-z0-9_.-]{0,63}, not \"all\"")
    }

    // MARK: Signals

    @Test(
        arguments: [
            ("15", 15), ("1", 1), ("64", 64), ("\"TERM\"", 15), ("\"SIGTERM\"", 15), ("\"SIGRTMIN+3\"", 37),
            ("\"RTMAX-1\"", 63),
        ] as [(String, Int32)])
    func signals(_ json: String, _ number: Int32) throws {
        #expect(try JSONCursor.parse(json).signal() == number)
    }

    @Test(arguments: [
        ("0", "0"), ("65", "65"), ("-15", "-15"), ("\"term\"", "\"term\""), ("\"15\"", "\"15\""), ("\"\"", "\"\""),
        ("null", "null"), ("15.0", "real"), ("[15]", "array"),
    ])
    func otherSignals(_ json: String, found: String) throws {
        let wrong = try mismatch(of: json, as: "signal") { try $0.signal() }
        #expect(wrong?.path == "signal")
        #expect(wrong?.found == found)
    }

    @Test func signalSets() throws {
        #expect(try JSONCursor.parse("[]").signalSet() == 0)
        #expect(try JSONCursor.parse("[1, \"KILL\", 64, 1]").signalSet() == 1 | 1 << 8 | 1 << 63)
        let all = "[" + (1...64).map(String.init).joined(separator: ",") + "]"
        #expect(try JSONCursor.parse(all).signalSet() == .max)
        #expect(try mismatch(of: "[1, 0]") { try $0.signalSet() }?.path == "m[1]")
        #expect(try mismatch(of: "\"TERM\"") { try $0.signalSet() }?.expected == "an array")
    }

    // MARK: Times and rules

    @Test func durations() throws {
        #expect(try JSONCursor.parse("0").duration() == 0)
        #expect(try JSONCursor.parse("31622400000").duration() == 31_622_400_000)
        for json in ["-1", "31622400001", "9223372036854775807"] {
            let wrong = try mismatch(of: json) { try $0.duration() }
            #expect(wrong == Mismatch(path: "m", expected: "an integer from 0 to 31622400000", found: json))
        }
        for json in ["1.5", "\"5\"", "1e3"] { #expect(try mismatch(of: json) { try $0.duration() } != nil) }
    }

    @Test func lifetimes() throws {
        #expect(try JSONCursor.parse("\"detached\"").lifetime() == .detached)
        #expect(try JSONCursor.parse("\"connection\"").lifetime() == .connection)
        #expect(try JSONCursor.parse(#"{"lease_ms": 1}"#).lifetime() == .lease(1))
    }

    @Test(arguments: [
        ("\"lease\"", "lifetime", "lease"), ("5", "lifetime", "integer"), ("{}", "lifetime.lease_ms", "nothing"),
        (#"{"lease_ms": 0}"#, "lifetime.lease_ms", "0"), (#"{"lease_ms": "1"}"#, "lifetime.lease_ms", "string"),
        (#"{"lease_ms": 31622400001}"#, "lifetime.lease_ms", "31622400001"),
        (#"{"lease_ms": 1, "lease": 2}"#, "lifetime.lease", "unknown member"), ("[]", "lifetime", "array"),
    ])
    func otherLifetimes(_ json: String, path: String, found: String) throws {
        let wrong = try mismatch(of: json, as: "lifetime") { try $0.lifetime() }
        #expect(wrong?.path == path)
        #expect(wrong?.found == found)
    }

    @Test func stopRules() throws {
        let rule = StopRule(signal: 15, grace: 10_000)
        for (json, expected) in [
            ("{}", rule), (#"{"signal": "INT"}"#, StopRule(signal: 2, grace: 10_000)),
            (#"{"grace_ms": 0}"#, StopRule(signal: 15, grace: 0)),
            (#"{"grace_ms": 5, "signal": 9}"#, StopRule(signal: 9, grace: 5)),
            (#"{"grace_ms": null, "signal": null}"#, rule),
        ] {
            #expect(rule.changed(try JSONCursor.parse(json).stopRule()) == expected)
        }
        for (json, path) in [
            (#"{"signal": 0}"#, "stop.signal"), (#"{"grace_ms": -1}"#, "stop.grace_ms"), ("[]", "stop"),
            (#"{"grace": 5}"#, "stop.grace"),
        ] {
            #expect(try mismatch(of: json, as: "stop") { try $0.stopRule() }?.path == path)
        }
    }

    @Test func wordsOfAList() throws {
        #expect(try JSONCursor.parse("\"discard-oldest\"").choice(WhenFull.self) == .discardOldest)
        #expect(
            try mismatch(of: "\"Block\"") { try $0.choice(WhenFull.self) }
                == Mismatch(path: "m", expected: "one of: discard-oldest, block, block-while-followed", found: "Block"))
        #expect(try mismatch(of: "1") { try $0.choice(KillScope.self) }?.expected == "one of: tree, group, process")
    }
}
