// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import Kernel
import ProcessControl

/// The members of `spawn` and `exec-replace` that say which program is to run. One place for both.
struct ProgramDecoding {
    let descriptors: ReceivedDescriptors

    func arguments(_ cursor: JSONCursor) throws(JSONMismatch) -> [[UInt8]] {
        let elements = try cursor.elements()
        if elements.isEmpty { throw cursor.mismatch(expected: "at least one argument", found: "an empty array") }
        var arguments: [[UInt8]] = []
        arguments.reserveCapacity(elements.count)
        for element in elements { arguments.append(try element.cString()) }
        return arguments
    }

    func file(_ cursor: JSONCursor) throws(JSONMismatch) -> ProgramSpec.File {
        guard cursor.value.kind == .array else { return .name(try cursor.cString()) }
        let elements = try cursor.elements(maximum: 1024)
        if elements.isEmpty { throw cursor.mismatch(expected: "at least one candidate", found: "an empty array") }
        var candidates: [[UInt8]] = []
        for element in elements { candidates.append(try element.cString()) }
        return .candidates(candidates)
    }

    /// An object, or pairs of name and value, whose names need not be UTF-8. Null unsets.
    func environment(_ cursor: JSONCursor) throws(JSONMismatch) -> [(name: [UInt8], value: [UInt8]?)] {
        var environment: [(name: [UInt8], value: [UInt8]?)] = []
        if cursor.value.kind == .array {
            for pair in try cursor.elements() {
                let both = try pair.elements(maximum: 2)
                guard both.count == 2 else { throw pair.mismatch(expected: "[name, value]", found: "\(both.count)") }
                environment.append((try variableName(both[0].cString(), both[0]), try variableValue(both[1])))
            }
        } else {
            for (name, value) in try cursor.members() {
                environment.append((try variableName(Array(name.utf8), value), try variableValue(value)))
            }
        }
        return environment
    }

    /// Not empty, without "=" and NUL. environ(7).
    private func variableName(_ name: [UInt8], _ place: JSONCursor) throws(JSONMismatch) -> [UInt8] {
        if name.isEmpty || name.contains(UInt8(ascii: "=")) || name.contains(0) {
            throw place.mismatch(
                expected: "the name of a variable: not empty, without \"=\" and U+0000",
                found: "\"\(String(decoding: name, as: UTF8.self))\"")
        }
        return name
    }

    private func variableValue(_ cursor: JSONCursor) throws(JSONMismatch) -> [UInt8]? {
        cursor.value.kind == .null ? nil : try cursor.cString()
    }

    func directory(_ cursor: JSONCursor) throws(JSONMismatch) -> ProgramSpec.Directory {
        if cursor.value.kind == .object, let descriptor = try descriptor(in: cursor) { return .descriptor(descriptor) }
        return .path(try cursor.cString())
    }

    /// `"fresh"`, or the signals to start with ignored and blocked.
    func signals(_ cursor: JSONCursor) throws(JSONMismatch) -> ProgramSpec.SignalSetup {
        if cursor.value.kind == .string {
            _ = try cursor.oneOf(["fresh"])
            return ProgramSpec.SignalSetup()
        }
        guard cursor.value.kind == .object else {
            throw cursor.mismatch(expected: "\"fresh\" or {\"ignored\": […], \"blocked\": […]}")
        }
        try cursor.requireObject(allowing: ["ignored", "blocked"])
        return ProgramSpec.SignalSetup(
            ignored: try cursor.ifPresent("ignored") { cursor throws(JSONMismatch) in try cursor.signalSet() } ?? 0,
            blocked: try cursor.ifPresent("blocked") { cursor throws(JSONMismatch) in try cursor.signalSet() } ?? 0)
    }

    /// The same, or `"inherit"`: as execve(2) leaves them.
    func replacementSignals(_ cursor: JSONCursor) throws(JSONMismatch) -> Replacement.Signals {
        guard cursor.value.kind == .string else { return .setup(try signals(cursor)) }
        return try cursor.oneOf(["fresh", "inherit"]) == "inherit" ? .inherit : .setup(ProgramSpec.SignalSetup())
    }

    /// The descriptor of an object `{"fd": index}`; nil if it is another object.
    func descriptor(in cursor: JSONCursor) throws(JSONMismatch) -> SharedDescriptor? {
        guard let index = cursor.member("fd") else { return nil }
        try cursor.requireObject(allowing: ["fd"])
        return try descriptors.descriptor(at: index)
    }
}
