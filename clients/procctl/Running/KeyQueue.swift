// SPDX-License-Identifier: Apache-2.0
import JSON
import JSONRPC

/// Input on its way to a process: some writes under way, little kept here, and then whoever types has to wait.
struct KeyQueue {
    private static let mostUnderWay = 16
    private static let mostKept = 65_536

    private let client: Client
    private let process: JSONValue
    private var underWay: Set<RequestID> = []
    private var kept: [UInt8] = []
    private var endsInput = false
    private var endsInLine = false
    /// The program takes no more.
    private(set) var isClosed = false

    init(_ client: Client, process: JSONValue) {
        self.client = client
        self.process = process
    }

    var hasRoom: Bool { kept.count < Self.mostKept && !isClosed && !endsInput }

    mutating func add(_ bytes: ArraySlice<UInt8>) throws(Failure) {
        kept += bytes
        if let last = bytes.last { endsInLine = last != UInt8(ascii: "\n") }
        try pour()
    }

    /// There is no more: the program reads an end.
    mutating func end() throws(Failure) {
        endsInput = true
        try pour()
    }

    /// Nothing more will come, and the program need not know.
    mutating func abandon() { isClosed = true }

    /// True when it was the answer to one of its writes.
    mutating func take(_ id: RequestID, _ result: Result<JSONValue, RPCError>) throws(Failure) -> Bool {
        guard underWay.remove(id) != nil else { return false }
        // It has closed its terminal, or ended: what is typed now is for nobody.
        if case .failure = result { isClosed = true }
        try pour()
        return true
    }

    private mutating func pour() throws(Failure) {
        if isClosed { kept = [] }
        while !kept.isEmpty, underWay.count < Self.mostUnderWay {
            let piece = kept.prefix(4096)
            underWay.insert(
                try client.send("write", .object(["process": process, "data": JSONValue.bytes(piece)])))
            kept.removeFirst(piece.count)
        }
        if endsInput, kept.isEmpty, !isClosed {
            isClosed = true
            // In the middle of a line the first end-of-file character only hands over what there is of it (termios(3)).
            for _ in 0..<(endsInLine ? 2 : 1) {
                underWay.insert(try client.send("write", .object(["process": process, "eof": true])))
            }
        }
    }
}
