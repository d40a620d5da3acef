// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import Testing

@testable import Kernel

@Suite struct ServiceManagerTests {
    @Test func aPassedSocketIsTakenOnce() throws {
        let number = try makeSocket(SOCK_STREAM).release()
        try #require(fcntl(number, F_SETFD, 0) == 0)
        let environment = ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "1"]
        guard let taken = try ServiceManager.passedSocket(environment: environment, first: number) else {
            Issue.record("the socket was not taken")
            return
        }
        #expect(taken.raw == number)
        #expect(fcntl(number, F_GETFD) == FD_CLOEXEC)
    }

    @Test(arguments: [
        [:], ["LISTEN_FDS": "1"], ["LISTEN_PID": "1", "LISTEN_FDS": "1"], ["LISTEN_PID": "", "LISTEN_FDS": "1"],
        ["LISTEN_PID": "\(getpid())"],
    ])
    func whatIsForAnotherProcessIsLeftAlone(_ environment: [String: String]) throws {
        let none = try ServiceManager.passedSocket(environment: environment) == nil
        #expect(none)
    }

    @Test func exactlyOneSocketWillDo() {
        for count in ["0", "2", "-1", "x", ""] {
            #expect(throws: ServiceManagerError.notOneSocket(count)) {
                _ = try ServiceManager.passedSocket(environment: ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": count])
            }
        }
        #expect(throws: ServiceManagerError.missing(999_999)) {
            let environment = ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "1"]
            _ = try ServiceManager.passedSocket(environment: environment, first: 999_999)
        }
    }

    @Test func readinessReachesAFileOrAnAbstractSocket() throws {
        let scratch = try Scratch()
        let path = scratch.file("notify")
        for name in [path, "@procctl-test-\(getpid())-\(scratch.path)"] {
            let receiver = try makeSocket(SOCK_DGRAM)
            let bytes = name == path ? Array(name.utf8) + [0] : [0] + name.utf8.dropFirst()
            try #require(SocketPath.withAddress(bytes: bytes) { Glibc.bind(receiver.raw, $0, $1) } == 0)
            #expect(try ServiceManager.notify("READY=1", environment: ["NOTIFY_SOCKET": name]))
            #expect(try ServiceManager.notify("STOPPING=1", environment: ["NOTIFY_SOCKET": name]))
            for expected in ["READY=1", "STOPPING=1"] {
                var buffer = [UInt8](repeating: 0, count: 64)
                let count = try buffer.withUnsafeMutableBytes { try receiver.read(into: $0) }
                #expect(String(decoding: buffer[..<count], as: UTF8.self) == expected)
            }
        }
    }

    @Test func withoutAManagerNothingIsSent() throws {
        #expect(try !ServiceManager.notify("READY=1", environment: [:]))
        #expect(try !ServiceManager.notify("READY=1", environment: ["NOTIFY_SOCKET": ""]))
        let long = "/" + String(repeating: "x", count: 107)
        let failures: [(String, Errno)] = [
            ("vsock:2:1", .addressFamilyNotSupported), ("relative", .addressFamilyNotSupported),
            (long, .fileNameTooLong), ("/nonexistent/notify", .noSuchFileOrDirectory),
        ]
        for (name, error) in failures {
            #expect(throws: error) { try ServiceManager.notify("READY=1", environment: ["NOTIFY_SOCKET": name]) }
        }
    }
}
