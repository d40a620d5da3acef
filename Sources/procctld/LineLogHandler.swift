// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Logging

/// Log lines as `key=value` pairs on a descriptor, each with one write(2).
///
/// A reader that has stopped (a full pipe, a terminal with ^S) must not stop the server: a line that cannot leave at
/// once is dropped, and their number told with the next one that can.
nonisolated struct LineLogHandler: LogHandler {
    var logLevel = Logger.Level.notice
    var metadata = Logger.Metadata()
    private let descriptor: CInt
    private let dropped = DroppedLines()

    init(descriptor: CInt) { self.descriptor = descriptor }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line =
            "time=\(Self.timestamp()) level=\(event.level.rawValue) msg=\(Self.quoted(event.message.description))"
        for (key, value) in (event.metadata ?? [:]).sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(Self.quoted("\(value)"))"
        }
        if dropped.count > 0 { line += " dropped_lines=\(dropped.count)" }
        line += "\n"
        if write(line) { dropped.count = 0 } else { dropped.count += 1 }
    }

    private func write(_ line: String) -> Bool {
        // A pipe that says POLLOUT takes PIPE_BUF bytes without blocking (pipe(7)).
        var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&query, 1, 0) > 0, query.revents & Int16(POLLOUT) != 0 else { return false }
        var text = line
        return text.withUTF8 { bytes in
            Glibc.write(descriptor, bytes.baseAddress, min(bytes.count, Self.most)) > 0
        }
    }

    private static let most = 4096

    /// Plain words as they are, all else in quotes, so that a line stays a line.
    private static func quoted(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=")
                && byte != UInt8(ascii: "\\")
        }
        if plain, !text.isEmpty { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\n": quoted += "\\n"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                quoted += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    /// RFC 3339 in UTC, with milliseconds.
    private static func timestamp() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func digits(_ number: Int, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let date = "\(Int(parts.tm_year) + 1900)-\(digits(Int(parts.tm_mon) + 1, 2))-\(digits(Int(parts.tm_mday), 2))"
        let time = "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):\(digits(Int(parts.tm_sec), 2))"
        return "\(date)T\(time).\(digits(now.tv_nsec / 1_000_000, 3))Z"
    }
}

/// How many lines could not leave. The server has one thread.
private nonisolated final class DroppedLines: @unchecked Sendable {
    var count = 0
}
