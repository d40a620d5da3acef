// SPDX-License-Identifier: Apache-2.0

/// How messages are told apart in a stream of bytes.
public enum Framing: Equatable, Sendable {
    /// One line per message (NDJSON).
    case lines
    /// `Content-Length` headers before each message (base protocol of the Language Server Protocol 3.17).
    case headers

    /// Appends a message with its framing. `Content-Length` is the only header, spelled so, CRLF: some clients read
    /// nothing else. A body for `lines` must not hold a newline; what `JSONValue.write` makes never does.
    public func frame(_ body: [UInt8], into output: inout [UInt8]) {
        switch self {
        case .lines:
            output.reserveCapacity(output.count + body.count + 1)
            output.append(contentsOf: body)
            output.append(UInt8(ascii: "\n"))
        case .headers:
            output.append(contentsOf: "Content-Length: \(body.count)\r\n\r\n".utf8)
            output.append(contentsOf: body)
        }
    }
}
