// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSONRPC

/// Waiting for a server that may have nothing to say for long.
enum Reading {
    /// The next message. Also ends when nobody reads what we write any more: `logs -f | head` must not hang on a
    /// silent process.
    static func next(_ client: Client, output: CInt) throws(Failure) -> ServerMessage {
        while true {
            if let message = try client.buffered() { return message }
            var watched = [client.descriptor, output].map { pollfd(fd: $0, events: 0, revents: 0) }
            watched[0].events = Int16(POLLIN)
            poll(&watched, 2, -1)
            if watched[1].revents & Int16(POLLERR) != 0 { exit(Status.brokenPipe) }
            if watched[0].revents != 0 { try client.receive() }
        }
    }
}
