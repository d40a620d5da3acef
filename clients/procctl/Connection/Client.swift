// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
import JSON
import JSONRPC
import Kernel
import SystemPackage

/// One connection: requests out, answers in.
///
/// A connection that ends before its first reply byte was one to a server on its way out. Everything sent is then
/// sent again on a new connection, for five seconds; after the first byte nothing is ever repeated.
final class Client {
    private struct Sent {
        let bytes: [UInt8]
        let descriptors: [CInt]
    }

    private let address: ServerAddress
    private var socket: Descriptor
    // Replies may be larger than any request: a list of all processes.
    private var reader = MessageReader(maximumLength: 1 << 30, framing: .lines)
    private var lastID: Int64 = 0
    private var unheard: [Sent] = []
    private var heard = false
    private var backOff: BackOff

    init(address: ServerAddress) throws(Failure) {
        self.address = address
        socket = try address.connect()
        backOff = BackOff()
    }

    /// For poll(2).
    var descriptor: CInt { socket.raw }

    /// Where the server listens.
    var path: String { address.path }

    /// Sends a request and waits for its answer.
    func call(
        _ method: String, _ members: [(String, JSONValue)], descriptors: [CInt] = []
    ) throws(Failure) -> JSONValue {
        let id = try send(method, .object(members: members), descriptors: descriptors)
        return try answer(to: id)
    }

    /// Waits for one answer; those to other requests are dropped.
    func answer(to wanted: RequestID) throws(Failure) -> JSONValue {
        while true {
            guard case .response(let id, let result) = try next(), id == wanted || id == .null else { continue }
            switch result {
            case .success(let value): return value
            case .failure(let error): throw Failure(error)
            }
        }
    }

    /// Sends a request without waiting.
    @discardableResult
    func send(_ method: String, _ params: JSONValue?, descriptors: [CInt] = []) throws(Failure) -> RequestID {
        lastID += 1
        let message = JSONValue.object([
            "jsonrpc": "2.0", "id": .integer(lastID), "method": .string(method), "params": params,
        ])
        var bytes: [UInt8] = []
        message.write(into: &bytes)
        bytes.append(UInt8(ascii: "\n"))
        let sent = Sent(bytes: bytes, descriptors: descriptors)
        if !heard { unheard.append(sent) }
        if !transmit(sent) { try reconnect() }
        return .integer(lastID)
    }

    /// The next message, waiting for it.
    func next() throws(Failure) -> ServerMessage {
        while true {
            if let message = try buffered() { return message }
            try receive()
        }
    }

    /// A message that has arrived already.
    func buffered() throws(Failure) -> ServerMessage? {
        switch reader.next()?.event {
        case nil: return nil
        case .message(let bytes):
            do {
                return try ServerMessage.parse(bytes)
            } catch {
                throw Failure("\(path) answers with something else than JSON-RPC", hint: error.message)
            }
        case .failure(let error, _): throw Failure("\(path) answers with something unreadable", hint: error.message)
        }
    }

    /// Takes in what has arrived, waiting for the first byte.
    func receive() throws(Failure) {
        let ended: Bool
        do {
            ended = try withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { buffer in
                let count = try socket.read(into: buffer)
                reader.push(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                return count == 0
            }
        } catch {
            ended = true
        }
        if ended {
            try reconnect()
        } else if !heard {
            heard = true
            unheard = []
        }
    }

    /// Waits until the server has closed the connection.
    func waitForEnd() {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            while let count = try? socket.read(into: buffer), count > 0 {}
        }
    }

    private func reconnect() throws(Failure) {
        guard !heard else { throw Self.lost(path) }
        repeat {
            guard backOff.pause() else { throw Self.lost(path) }
            socket = try address.connect()
        } while !unheard.allSatisfy { transmit($0) }
    }

    /// False when the server is gone.
    private func transmit(_ message: Sent) -> Bool {
        message.bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                // The descriptors travel with the first byte.
                let count = offset == 0 ? message.descriptors.count : 0
                let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
                let result = pk_send_descriptors(socket.raw, rest.baseAddress, rest.count, message.descriptors, count)
                if result == -Int(EINTR) { continue }
                if result < 0 { return false }
                offset += result
            }
            return true
        }
    }

    private static func lost(_ path: String) -> Failure {
        Failure("the server at \(path) has gone away", status: Status.noServer)
    }
}
