// SPDX-License-Identifier: Apache-2.0
@preconcurrency import Glibc
import JSON

/// This process's own environment (environ(7)).
enum Environment {
    /// As execve(2) wants it.
    static var block: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? { environ }

    static func value(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// The two that decide where the socket is; a dictionary of all of them would cost more than the connection.
    static func socketVariables() -> [String: String] {
        var result: [String: String] = [:]
        for name in ["PROCCTL_SOCKET", "XDG_RUNTIME_DIR"] { result[name] = value(name) }
        return result
    }

    /// Every variable, the first of those that have one name (getenv(3) finds that one). A name that is not UTF-8
    /// cannot be a member of a JSON object: it is left out.
    static func members() -> [(String, JSONValue)] {
        var names: Set<String> = []
        var result: [(String, JSONValue)] = []
        var entry = environ
        while let text = entry.pointee {
            entry += 1
            let bytes = UnsafeRawBufferPointer(start: text, count: strlen(text))
            guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0,
                let name = String(validating: bytes[..<equals], as: UTF8.self), names.insert(name).inserted
            else { continue }
            result.append((name, JSONValue.bytes(bytes[(equals + 1)...])))
        }
        return result
    }
}
