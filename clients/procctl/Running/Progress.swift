// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSON
import JSONRPC

/// A line on standard error that lives as long as something is waited for: "2 of 5 done, 12s".
struct Progress: ~Copyable {
    private let client: Client
    private let event: String
    private let request: RequestID
    private let began = Clock.milliseconds()
    /// Those that were there at the beginning; nil: not told yet.
    private var all: Set<Int64>?
    private var done: Set<Int64> = []
    private var shown = ""

    /// What is over at once needs no line.
    private static let silence: Int64 = 200

    static var isShown: Bool { isatty(STDERR_FILENO) == 1 }

    /// `event`: what is waited for, of the processes that `selector` is about.
    init(_ client: Client, _ selector: JSONValue, _ event: String) throws(Failure) {
        self.client = client
        self.event = event
        request = try client.send(
            "subscribe", .object(["processes": selector, "events": .array([.string(event)]), "streams": []]))
    }

    deinit {
        if !shown.isEmpty { Self.write("\r\u{1B}[K") }
    }

    /// Waits for an answer; the line is gone then.
    mutating func answer(to wanted: RequestID) throws(Failure) -> JSONValue {
        defer { show("") }
        while true {
            while let message = try client.buffered() {
                switch message {
                case .response(wanted, .success(let value)): return value
                case .response(wanted, .failure(let error)): throw Failure(error)
                case .response(request, .success(let value)):
                    all = Set((value["processes"]?.elements ?? []).compactMap(\.integer))
                case .notification(event, let params?):
                    if let process = params["process"]?.integer { done.insert(process) }
                default: break
                }
            }
            draw()
            var watched = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&watched, 1, untilNext()) > 0 { try client.receive() }
        }
    }

    /// To the next full second of the wait.
    private func untilNext() -> CInt {
        let elapsed = Clock.milliseconds() - began
        return CInt(elapsed < Self.silence ? Self.silence - elapsed : 1000 - elapsed % 1000)
    }

    private mutating func draw() {
        let elapsed = Clock.milliseconds() - began
        guard elapsed >= Self.silence, let all else { return }
        // TimeText would show a first second as milliseconds, which no line is redrawn for.
        let span = elapsed < 1000 ? "0s" : TimeText.span(elapsed)
        show("\(done.intersection(all).count) of \(all.count) done, \(span)")
    }

    private mutating func show(_ text: String) {
        guard text != shown else { return }
        shown = text
        Self.write("\r\u{1B}[K" + text)
    }

    private static func write(_ text: String) {
        try? Output.write(Array(text.utf8), to: STDERR_FILENO)
    }
}
