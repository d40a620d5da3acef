// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC

/// What a reader returned, in a form that tests can compare: `"body"@12`, `8@12`, `-32700!@12` (fatal).
struct ReaderLog: Equatable, CustomStringConvertible {
    var entries: [String] = []

    var description: String { entries.joined(separator: " ") }

    mutating func add(_ event: (event: MessageReader.Event, endOffset: Int)) {
        switch event.event {
        case .message(let body):
            entries.append("\"\(String(decoding: body, as: UTF8.self))\"@\(event.endOffset)")
        case .failure(let error, let fatal):
            entries.append("\(error.code)\(fatal ? "!" : "")@\(event.endOffset)")
        }
    }
}

extension MessageReader {
    mutating func push(_ bytes: some Collection<UInt8>) {
        Array(bytes).withUnsafeBytes { push($0) }
    }

    func extent(of bytes: some Collection<UInt8>) -> (count: Int, complete: Bool) {
        Array(bytes).withUnsafeBytes { extent(of: $0) }
    }

    /// Everything it returns now.
    mutating func drain(into log: inout ReaderLog) {
        while let event = next() { log.add(event) }
    }

    /// Pushes the pieces, taking what comes after each, then ends the input.
    mutating func read(_ pieces: [ArraySlice<UInt8>]) -> ReaderLog {
        var log = ReaderLog()
        for piece in pieces {
            push(piece)
            drain(into: &log)
        }
        while let event = finish() { log.add(event) }
        return log
    }
}

/// The bytes cut before each of these offsets.
func cut(_ bytes: [UInt8], at offsets: [Int]) -> [ArraySlice<UInt8>] {
    zip([0] + offsets, offsets + [bytes.count]).map { bytes[$0..<$1] }
}
