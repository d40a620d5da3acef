// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import JSON
import Kernel
import ProcessControl
import Testing

@testable import Server

/// `user`, `group`, `groups`, `umask`, `rlimits`: with the users of this machine of which there is always root.
@Suite struct IdentityDecodingTests {
    private let decoding = IdentityDecoding()

    private func spec(_ json: String) throws -> SpawnSpec {
        var spec = SpawnSpec(program: ProgramSpec(arguments: [[65]]), limits: Limits())
        try decoding.decode(JSONCursor(JSONValue.parse(json)), into: &spec)
        return spec
    }

    private func wrong(_ json: String) throws -> Mismatch? {
        do {
            _ = try spec(json)
            return nil
        } catch let mismatch as JSONMismatch {
            return Mismatch(path: mismatch.path.description, expected: mismatch.expected, found: mismatch.found)
        }
    }

    @Test func nothingSaidIsNothingChanged() throws {
        let spec = try spec(#"{"user": null}"#)
        #expect(spec.user == nil && spec.group == nil && spec.groups == nil)
    }

    @Test(arguments: ["\"root\"", "0"]) func aUserBringsItsGroups(_ user: String) throws {
        let spec = try spec("{\"user\": \(user)}")
        #expect(spec.user == 0)
        #expect(spec.group == 0)
        #expect(spec.groups == UserDatabase().supplementaryGroups(of: "root", primary: 0))
    }

    @Test func groupsThatAreGivenCount() throws {
        let spec = try spec(#"{"user": "root", "group": 7, "groups": [9, "root", 4294967294]}"#)
        #expect(spec.user == 0)
        #expect(spec.group == 7)
        #expect(spec.groups == [9, 0, 4_294_967_294])
        // Who may not set any need not, if it has none.
        let saysNothing = geteuid() != 0 && getgroups(0, nil) == 0
        #expect(try self.spec(#"{"groups": []}"#).groups == (saysNothing ? nil : []))
    }

    /// A uid of no user: nothing says what its group is, and it is in no other.
    @Test func aUserNobodyKnowsNeedsAGroup() throws {
        let unknown = try #require((3_000_000_000...3_000_000_100).first { UserDatabase().user(id: $0) == nil })
        let refused = try wrong("{\"user\": \(unknown)}")
        #expect(refused?.path == "user")
        #expect(refused?.found == "uid \(unknown), which is not there")
        let spec = try spec("{\"user\": \(unknown), \"group\": 5}")
        #expect(spec.user == unknown)
        #expect(spec.group == 5)
        #expect(spec.groups == [])
    }

    @Test(arguments: [
        (#"{"user": "no such user"}"#, "user", "\"no such user\""), (#"{"user": -1}"#, "user", "-1"),
        (#"{"user": 4294967295}"#, "user", "4294967295"), (#"{"user": true}"#, "user", "boolean"),
        (#"{"group": "no such group"}"#, "group", "\"no such group\""),
        (#"{"group": 4294967295}"#, "group", "4294967295"),
        (#"{"group": [0]}"#, "group", "array"), (#"{"groups": "root"}"#, "groups", "string"),
        (#"{"groups": [0, "no such group"]}"#, "groups[1]", "\"no such group\""),
        (#"{"groups": [1.5]}"#, "groups[0]", "real"),
    ])
    func otherIdsAreRefused(_ json: String, path: String, found: String) throws {
        let wrong = try wrong(json)
        #expect(wrong?.path == path)
        #expect(wrong?.found == found)
    }

    // MARK: umask

    @Test(
        arguments: [
            ("0", 0), ("511", 0o777), ("\"022\"", 0o22), ("\"0\"", 0), ("\"777\"", 0o777), ("\"0022\"", 0o22),
            ("18", 0o22),
        ] as [(String, Int32)])
    func masks(_ json: String, _ mask: Int32) throws {
        #expect(try decoding.umask(.parse(json)) == mask)
    }

    @Test(arguments: [
        ("512", "512"), ("-1", "-1"), ("\"1000\"", "\"1000\""), ("\"8\"", "\"8\""), ("\"\"", "\"\""),
        ("\"0o22\"", "\"0o22\""),
        ("\"+22\"", "\"+22\""), ("\"77777777777777777777\"", "\"77777777777777777777\""), ("true", "boolean"),
    ])
    func otherMasks(_ json: String, found: String) throws {
        let wrong = try mismatch(of: json, as: "umask") { try decoding.umask($0) }
        #expect(wrong?.path == "umask")
        #expect(wrong?.found == found)
    }

    // MARK: rlimits

    private func limits(_ json: String) throws -> [LaunchPlan.Limit] { try decoding.limits(.parse(json)) }

    @Test func limitsOfBothHalvesOrOne() throws {
        let file = UInt32(RLIMIT_NOFILE.rawValue)
        for (json, soft, hard) in [
            ("5", 5, 5), ("\"unlimited\"", .max, .max), (#"{"soft": 5}"#, 5, nil), (#"{"hard": 5}"#, nil, 5),
            (#"{"soft": 5, "hard": "unlimited"}"#, 5, .max), (#"{"soft": 5, "hard": 5}"#, 5, 5), ("{}", nil, nil),
            (#"{"soft": null, "hard": 0}"#, nil, 0), ("9223372036854775807", 1 << 63 - 1, 1 << 63 - 1),
        ] as [(String, UInt64?, UInt64?)] {
            #expect(
                try limits("{\"nofile\": \(json)}")
                    == [LaunchPlan.Limit(resource: file, soft: soft, hard: hard)])
        }
        #expect(try limits("{}").isEmpty)
        #expect(try limits(#"{"core": null}"#).isEmpty)
    }

    /// The names of getrlimit(2), each at its number.
    @Test func everyLimitHasItsName() throws {
        let all = [
            ("as", RLIMIT_AS), ("core", RLIMIT_CORE), ("cpu", RLIMIT_CPU), ("data", RLIMIT_DATA),
            ("fsize", RLIMIT_FSIZE),
            ("nofile", RLIMIT_NOFILE), ("stack", RLIMIT_STACK),
        ]
        for (name, resource) in all {
            #expect(try limits("{\"\(name)\": 1}").map(\.resource) == [UInt32(resource.rawValue)])
        }
        // <asm-generic/resource.h> has these; the C library names them for its own extensions only.
        let further = [
            "rss": 5, "nproc": 6, "memlock": 8, "locks": 10, "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14,
            "rttime": 15,
        ]
        for (name, resource) in further {
            #expect(try limits("{\"\(name)\": 1}").map(\.resource) == [UInt32(resource)])
        }
        #expect(IdentityDecoding.resources.count == 16)
        #expect(Set(IdentityDecoding.resources.map(\.resource)) == Set(0...15))
    }

    @Test(arguments: [
        (#"{"nofile": -1}"#, "rlimits.nofile", "-1"), (#"{"nofile": "many"}"#, "rlimits.nofile", "many"),
        (#"{"nofile": 1.5}"#, "rlimits.nofile", "real"), (#"{"files": 1}"#, "rlimits.files", "unknown member"),
        (#"{"nofile": {"soft": 6, "hard": 5}}"#, "rlimits.nofile", "6 > 5"),
        (#"{"nofile": {"soft": "unlimited", "hard": 5}}"#, "rlimits.nofile", "18446744073709551615 > 5"),
        (#"{"nofile": {"soft": -2}}"#, "rlimits.nofile.soft", "-2"),
        (#"{"nofile": {"max": 5}}"#, "rlimits.nofile.max", "unknown member"), ("[]", "rlimits", "array"),
        (#"{"NOFILE": 1}"#, "rlimits.NOFILE", "unknown member"),
    ])
    func otherLimits(_ json: String, path: String, found: String) throws {
        let wrong = try mismatch(of: json, as: "rlimits") { try decoding.limits($0) }
        #expect(wrong?.path == path)
        #expect(wrong?.found == found)
    }
}
