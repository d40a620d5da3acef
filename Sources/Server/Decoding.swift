// SPDX-License-Identifier: Apache-2.0
import JSON
import Kernel
import ProcessControl

/// Values that several methods take, from the wire. Each failure names the member, what it is and what was expected.
extension JSONCursor {
    func process() throws(JSONMismatch) -> ProcessReference {
        switch value.kind {
        case .integer: .id(Int(try integer(1...Int64.max)))
        case .string: .name(try string())
        default: throw mismatch(expected: "a process: its id (an integer from 1) or its name")
        }
    }

    func selector() throws(JSONMismatch) -> ProcessSelector {
        switch value.kind {
        case .integer: return .these([try process()])
        case .string:
            let text = try string()
            return text == "all" ? .all : .these([.name(text)])
        case .array:
            var references: [ProcessReference] = []
            for element in try elements() { references.append(try element.process()) }
            return .these(references)
        case .object:
            try requireObject(allowing: ["labels"])
            return .labels(try requiredMember("labels", expected: "an object of strings").labels())
        default:
            throw mismatch(expected: "processes: an id, a name, a list of them, {\"labels\": …} or \"all\"")
        }
    }

    func labels(limits: Limits = Limits()) throws(JSONMismatch) -> [(String, String)] {
        var labels: [(String, String)] = []
        for (key, value) in try members(maximum: limits.labels) {
            let text = try value.string()
            guard key.utf8.count + text.utf8.count <= limits.labelBytes else {
                throw value.mismatch(
                    expected: "at most \(limits.labelBytes) bytes of key and value",
                    found: "\(key.utf8.count + text.utf8.count)")
            }
            labels.append((key, text))
        }
        return labels
    }

    /// A number from 1 to 64, or a name.
    func signal() throws(JSONMismatch) -> Int32 {
        switch value.kind {
        case .integer: return Int32(try integer(1...Int64(SignalName.maximum)))
        case .string:
            let text = try string()
            if let number = SignalName.number(of: text) { return number }
            throw mismatch(
                expected: "a signal: a name (\"TERM\", \"SIGTERM\") or a number from 1 to 64", found: "\"\(text)\"")
        default: throw mismatch(expected: "a signal: a name (\"TERM\", \"SIGTERM\") or a number from 1 to 64")
        }
    }

    /// Bit n-1 is signal n.
    func signalSet() throws(JSONMismatch) -> UInt64 {
        var set: UInt64 = 0
        for element in try elements(maximum: Int(SignalName.maximum)) { set |= 1 << UInt64(try element.signal() - 1) }
        return set
    }

    func duration(_ range: ClosedRange<Int64> = 0...ServerLimits.longest) throws(JSONMismatch) -> Int64 {
        try integer(range)
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ type: Choice.Type
    ) throws(JSONMismatch) -> Choice where Choice.RawValue == String {
        let text = try oneOf(Choice.allCases.map(\.rawValue))
        guard let choice = Choice(rawValue: text) else { throw mismatch(expected: "a known word") }
        return choice
    }

    func processName() throws(JSONMismatch) -> String {
        let name = try string()
        let letters = name.utf8
        func isLetter(_ byte: UInt8) -> Bool {
            (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_")
        }
        func isFurther(_ byte: UInt8) -> Bool {
            isLetter(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        }
        guard let first = letters.first, isLetter(first), letters.allSatisfy(isFurther), letters.count <= 64,
            name != "all"
        else {
            throw mismatch(expected: "a name: [A-Za-z_][A-Za-z0-9_.-]{0,63}, not \"all\"", found: "\"\(name)\"")
        }
        return name
    }

    func lifetime() throws(JSONMismatch) -> Lifetime {
        if value.kind == .object {
            try requireObject(allowing: ["lease_ms"])
            return .lease(
                try requiredMember("lease_ms", expected: "a time in ms").duration(1...ServerLimits.longest))
        }
        guard value.kind == .string else {
            throw mismatch(expected: "\"detached\", \"connection\" or {\"lease_ms\": …}")
        }
        return try oneOf(["detached", "connection"]) == "connection" ? .connection : .detached
    }

    /// The halves that are given.
    func stopRule() throws(JSONMismatch) -> (signal: Int32?, grace: Int64?) {
        try requireObject(allowing: ["signal", "grace_ms"])
        return (
            try ifPresent("signal") { cursor throws(JSONMismatch) in try cursor.signal() },
            try ifPresent("grace_ms") { cursor throws(JSONMismatch) in try cursor.duration() }
        )
    }

    /// Runs `decode` on a member if it is there and not null.
    func ifPresent<Value, Failure: Error>(
        _ name: String, _ decode: (JSONCursor) throws(Failure) -> Value
    ) throws(Failure) -> Value? {
        guard let cursor = member(name) else { return nil }
        return try decode(cursor)
    }

    /// A member that `requireObject` and the method's table say is there.
    func need(_ name: String) throws(JSONMismatch) -> JSONCursor {
        try requiredMember(name, expected: "a value")
    }
}
