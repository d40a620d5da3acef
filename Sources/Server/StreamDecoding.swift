// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC
import Kernel
import ProcessControl

/// Where `stdin`, `stdout`, `stderr` and `fds` come from or go to.
extension ProgramDecoding {
    func stdin(_ cursor: JSONCursor) throws(JSONMismatch) -> StreamSpec {
        let expected = "\"null\", \"pipe\", {\"file\": …} or {\"fd\": …}"
        switch cursor.value.kind {
        case .string:
            let word = try cursor.string()
            if word == "pipe" { return .pipe }
            guard word == "null" else { throw cursor.mismatch(expected: expected, found: "\"\(word)\"") }
            return .null
        case .object:
            if let descriptor = try descriptor(in: cursor) { return .descriptor(descriptor) }
            try cursor.requireObject(allowing: ["file", "fd"])
            if cursor.member("file") == nil { throw cursor.mismatch(expected: expected, found: "neither") }
            return .file(
                path: try cursor.requiredMember("file", expected: "a path").cString(), mode: .truncate)
        default: throw cursor.mismatch(expected: expected)
        }
    }

    func output(_ cursor: JSONCursor, mayMerge: Bool) throws(JSONMismatch) -> StreamSpec {
        let words = mayMerge ? "\"pipe\", \"null\", \"stdout\"" : "\"pipe\", \"null\""
        let expected = "\(words), {\"file\": …} or {\"fd\": …}"
        switch cursor.value.kind {
        case .string:
            switch try cursor.string() {
            case "pipe": return .pipe
            case "null": return .null
            case "stdout" where mayMerge: return .stdout
            case let word: throw cursor.mismatch(expected: expected, found: "\"\(word)\"")
            }
        case .object:
            if let descriptor = try descriptor(in: cursor) { return .descriptor(descriptor) }
            try cursor.requireObject(allowing: ["file", "mode", "fd"])
            if cursor.member("file") == nil { throw cursor.mismatch(expected: expected, found: "neither") }
            let path = try cursor.requiredMember("file", expected: "a path").cString()
            let mode = try cursor.ifPresent("mode") { cursor throws(JSONMismatch) in
                try cursor.choice(StreamSpec.FileMode.self)
            }
            return .file(path: path, mode: mode ?? .truncate)
        default: throw cursor.mismatch(expected: expected)
        }
    }

    /// `{target: index}`. Targets 0 to 2 are another way to say stdin, stdout and stderr, if those are not there.
    func descriptors(
        _ cursor: JSONCursor, besides taken: Set<Int32>
    ) throws(JSONMismatch) -> [(target: Int32, source: SharedDescriptor)] {
        var mapped: [(target: Int32, source: SharedDescriptor)] = []
        var seen: Set<Int32> = []
        for (key, index) in try cursor.members(maximum: DescriptorArrivals.most) {
            guard let target = Int32(key), (0...65_535).contains(target), String(target) == key,
                seen.insert(target).inserted
            else {
                throw index.mismatch(
                    expected: "the number of a descriptor as key, \"0\" to \"65535\"", found: "\"\(key)\"")
            }
            if taken.contains(target) {
                throw index.mismatch(
                    expected: "a descriptor that stdin, stdout and stderr do not name", found: "\"\(key)\"")
            }
            mapped.append((target, try descriptors.descriptor(at: index)))
        }
        return mapped
    }
}
