// SPDX-License-Identifier: Apache-2.0
import CSchema
import Glibc
import JSON
import JSONRPC
import Kernel
import Logging
import ProcessControl
import Testing

@testable import Server

/// The method table and the document that `rpc.discover` serves say the same.
@Suite struct SchemaTests {
    /// A method as both sides describe it: its params in the order of params by position.
    private struct Signature: Equatable {
        let name: String
        let params: [String]
        let required: [Bool]
    }

    nonisolated private static func document() throws -> JSONValue {
        try JSONValue.parse(UnsafeRawBufferPointer(start: procctl_schema_start(), count: procctl_schema_length))
    }

    private static func described() throws -> [Signature] {
        let methods = try #require(try document()["methods"]?.elements)
        return try methods.map { method in
            let params = try #require(method["params"]?.elements)
            return Signature(
                name: try #require(method["name"]?.string), params: try params.map { try #require($0["name"]?.string) },
                required: params.map { $0["required"]?.boolean ?? false })
        }
    }

    /// In a process of its own: a supervisor changes the one it lives in (signals, subreaper).
    @Test func methodsAreThoseOfTheDocument() async {
        await #expect(processExitsWith: .success) {
            try await MainActor.run {
                var template = Array("/tmp/psXXXXXX".utf8CString)
                let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
                defer { rmdir(directory) }
                let path = directory + "/s"
                let lock = try ServerLock.acquire(beside: path)
                let listener = try ListeningSocket.bind(path, under: lock)
                defer {
                    listener.unlink()
                    unlink(lock.path)
                }
                let loop = try EventLoop()
                let supervisor = try Supervisor(
                    loop: loop,
                    settings: Supervisor.Settings(
                        instance: "test", environment: [], socketPath: nil,
                        descriptorLimit: rlimit(rlim_cur: 1024, rlim_max: 4096), cgroups: nil))
                let server = try Server(
                    loop: loop, supervisor: supervisor, listener: listener, log: Logger(label: "test"), ended: {})
                try Self.compare(server.methods)
            }
        }
    }

    private static func compare(_ methods: [String: Method]) throws {
        let described = try described()
        #expect(Set(methods.keys) == Set(described.map(\.name)))
        #expect(methods.count == described.count)
        for signature in described {
            let method = try #require(methods[signature.name])
            #expect(method.name == signature.name)
            #expect(method.memberNames == signature.params, "\(signature.name)")
            #expect(method.members.map(\.name) == signature.params, "\(signature.name)")
            #expect(method.members.map(\.isRequired) == signature.required, "\(signature.name)")
            #expect(method.members.allSatisfy { $0.isRequired == !$0.expected.isEmpty }, "\(signature.name)")
        }
    }

    /// By position, what must be there comes first.
    @Test func requiredParamsComeFirst() throws {
        for signature in try Self.described() {
            #expect(signature.required == signature.required.sorted { $0 && !$1 }, "\(signature.name)")
            #expect(Set(signature.params).count == signature.params.count, "\(signature.name)")
        }
    }

    @Test func errorsAreThoseOfTheDocument() throws {
        let errors = try #require(try Self.document()["components"]?["errors"]?.members).map(\.value)
        let ours = errors.filter { ($0["code"]?.integer ?? 0) > 0 }
        #expect(ours.map { $0["code"]?.integer } == WireErrorCode.allCases.map { Int64($0.rawValue) })
        #expect(ours.map { $0["data"]?["kind"]?.string } == WireErrorCode.allCases.map(\.kind))
        let standard: [RPCError] = [
            .parseError(try #require(throws: JSONSyntaxError.self) { try JSONValue.parse("") }), .invalidRequest(""),
            .methodNotFound(""), .invalidParams(JSONCursor(1).mismatch(expected: "")), .internalError(""),
            .requestCancelled(),
        ]
        let others = errors.filter { ($0["code"]?.integer ?? 0) < 0 }
        #expect(others.map { $0["code"]?.integer } == standard.map { Int64($0.code) })
        #expect(others.map { $0["data"]?["kind"] } == standard.map { $0.data?["kind"] })
    }

    /// Errors that methods name are all described, and the other way round.
    @Test func errorsOfMethodsAreThere() throws {
        let document = try Self.document()
        let known = Set(try #require(document["components"]?["errors"]?.members).map(\.key))
        for method in try #require(document["methods"]?.elements) {
            for error in method["errors"]?.elements ?? [] {
                let reference = try #require(error["$ref"]?.string)
                #expect(reference.hasPrefix("#/components/errors/"))
                #expect(known.contains(String(reference.dropFirst("#/components/errors/".count))), "\(reference)")
            }
        }
    }
}
