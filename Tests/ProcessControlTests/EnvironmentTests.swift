// SPDX-License-Identifier: Apache-2.0
import Dice
import Testing

@testable import ProcessControl

@Suite struct EnvironmentTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func environment(_ entries: [String]) -> Environment { Environment(entries: entries.map(bytes)) }

    private func shown(_ environment: Environment) -> [String] {
        environment.entries.map { String(decoding: $0, as: UTF8.self) }
    }

    private func value(_ name: String, of environment: Environment) -> String? {
        environment.value(of: name).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func theOrderIsKept() {
        let environment = environment(["B=2", "A=1", "C="])
        #expect(shown(environment) == ["B=2", "A=1", "C="])
        #expect(value("C", of: environment) == "")
        #expect(value("D", of: environment) == nil)
    }

    /// As getenv(3) reads them.
    @Test func ofDuplicatesTheFirstCounts() {
        let environment = environment(["A=1", "B=2", "A=3"])
        #expect(shown(environment) == ["A=1", "B=2"])
        #expect(value("A", of: environment) == "1")
    }

    @Test func whatIsNoVariableIsDropped() {
        #expect(shown(environment(["", "A", "=1", "==", "B=2=3"])) == ["B=2=3"])
    }

    @Test func setReplacesInPlaceAndAppends() {
        var environment = environment(["A=1", "B=2"])
        environment.set(bytes("A"), to: bytes("x=y"))
        environment.set(bytes("C"), to: [])
        #expect(shown(environment) == ["A=x=y", "B=2", "C="])
        #expect(value("A", of: environment) == "x=y")
    }

    @Test func unsetMovesTheOthersUp() {
        var environment = environment(["A=1", "B=2", "C=3"])
        environment.set(bytes("A"), to: nil)
        environment.set(bytes("Z"), to: nil)
        #expect(shown(environment) == ["B=2", "C=3"])
        environment.set(bytes("C"), to: bytes("4"))
        environment.set(bytes("B"), to: bytes("5"))
        environment.set(bytes("A"), to: bytes("6"))
        #expect(shown(environment) == ["B=5", "C=4", "A=6"])
        for name in ["A", "B", "C"] { environment.set(bytes(name), to: nil) }
        #expect(environment.entries.isEmpty)
    }

    @Test func namesAreBytesAndNoPrefixes() {
        var environment = Environment()
        environment.set([0xFF], to: [0xFE])
        environment.set(bytes("PATHEXT"), to: bytes("x"))
        environment.set(bytes("\u{E9}"), to: bytes("composed"))
        environment.set(bytes("e\u{301}"), to: bytes("decomposed"))
        #expect(environment.entries.first == [0xFF, 0x3D, 0xFE])
        #expect(environment.entries.count == 4)
        #expect(value("PATH", of: environment) == nil)
        #expect(value("\u{E9}", of: environment) == "composed")
    }

    @Test func whatProgramsInherit() {
        let names = ["A=1", "PROCCTL_PROCESS=7", "LISTEN_FDS=1", "NOTIFY_SOCKET=x", "WATCHDOG_USEC=1", "Z=2"].map(bytes)
        let inherited = Environment(inheritedFrom: names, socketPath: bytes("/s"))
        #expect(shown(inherited) == ["A=1", "PROCCTL_PROCESS=", "Z=2", "PROCCTL_SOCKET=/s"])
        var (first, second) = (inherited, inherited)
        first.set(Environment.processName, to: bytes("1"))
        second.set(Environment.processName, to: bytes("2"))
        second.set(bytes("Z"), to: nil)
        #expect(shown(first) == ["A=1", "PROCCTL_PROCESS=1", "Z=2", "PROCCTL_SOCKET=/s"])
        #expect(shown(second) == ["A=1", "PROCCTL_PROCESS=2", "PROCCTL_SOCKET=/s"])
        #expect(shown(Environment(inheritedFrom: [], socketPath: nil)) == ["PROCCTL_PROCESS="])
    }

    /// Random steps, against a list that is searched from its start.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func saysWhatAListSays(_ seed: UInt64) {
        var dice = Dice(seed: seed)
        var list: [(name: String, value: String)] = []
        var environment = Environment()
        if seed % 2 == 0 {
            list = (0..<6).map { ("N\($0)", "made") }
            environment = self.environment(list.map { "\($0.name)=\($0.value)" })
        }
        for step in 0..<200 {
            let name = "N\(Int.random(in: 0..<12, using: &dice))"
            let place = list.firstIndex { $0.name == name }
            if Bool.random(using: &dice) {
                environment.set(bytes(name), to: nil)
                if let place { list.remove(at: place) }
            } else {
                environment.set(bytes(name), to: bytes("\(step)"))
                if let place { list[place].value = "\(step)" } else { list.append((name, "\(step)")) }
            }
            #expect(shown(environment) == list.map { "\($0.name)=\($0.value)" })
            #expect(value(name, of: environment) == list.first { $0.name == name }?.value)
        }
    }

    /// Not timed: with a search, or a move of all others, for each name this would take hours.
    @Test func many() {
        let count = 200_000
        var environment = Environment(entries: (0..<count).map { bytes("N\($0)=\($0)") })
        for index in 0..<count { environment.set(bytes("N\(index)"), to: bytes("new")) }
        for index in 0..<count { environment.set(bytes("M\(index)"), to: bytes("more")) }
        #expect(environment.entries.count == 2 * count)
        for index in 0..<count { environment.set(bytes("N\(index)"), to: nil) }
        #expect(environment.entries.count == count)
        #expect(value("N\(count - 1)", of: environment) == nil)
        #expect(value("M\(count - 1)", of: environment) == "more")
    }
}
