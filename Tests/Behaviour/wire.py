# SPDX-License-Identifier: Apache-2.0
"""The smallest JSON-RPC 2.0 client that can say everything, right or wrong, to the server's socket.

Written apart from the project's Python client on purpose: a misunderstanding shared by both ends would pass unseen.
"""

import array
import base64
import collections
import itertools
import json
import select
import socket
import time

PATIENCE = 30.0  # seconds a condition may take before the test fails; a bound on hanging, never a measure of speed


class RpcError(Exception):
    """The server answered with an error object."""

    def __init__(self, error):
        super().__init__("%s %s %s" % (error.get("code"), error.get("message"), json.dumps(error.get("data"))))
        self.code = error.get("code")
        self.message = error.get("message")
        self.data = error.get("data") or {}


class Closed(Exception):
    """The server ended the connection; `rest` are the bytes of an unfinished message."""

    def __init__(self, rest=b""):
        super().__init__("connection closed, %d bytes of an unfinished message" % len(rest))
        self.rest = rest


def wait_until(condition, timeout=PATIENCE, what=None):
    """Poll `condition` until it is true and return its value; the one place of this suite that pauses."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %s s: %s" % (timeout, what or condition))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def base64_of(data):
    """The wire form of bytes that need not be UTF-8."""
    return {"base64": base64.b64encode(data).decode("ascii")}


def bytes_of(value):
    """The bytes behind a BYTES value of the wire: a string, or {"base64": ...}."""
    if isinstance(value, str):
        return value.encode("utf-8")
    assert set(value) == {"base64"}, value
    return base64.b64decode(value["base64"], validate=True)


def chunk_of(answer):
    """The bytes of a `read` answer."""
    assert ("text" in answer) != ("base64" in answer), answer
    if "text" in answer:
        return answer["text"].encode("utf-8")
    return base64.b64decode(answer["base64"], validate=True)


class Client:
    """One connection. Replies may come in any order; those not asked for yet are kept."""

    def __init__(self, path, framing="lines"):
        self.framing = framing
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.buffer = bytearray()
        self.ids = itertools.count(1)
        self.replies = {}
        self.subscribed = False
        self.notifications = collections.deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    # Sending

    def frame(self, body):
        if self.framing == "headers":
            return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        return body + b"\n"

    def send_raw(self, data, descriptors=()):
        """Send bytes as they are; descriptors travel with the first of them (SCM_RIGHTS)."""
        data = memoryview(data)
        if descriptors:
            rights = array.array("i", [d if isinstance(d, int) else d.fileno() for d in descriptors])
            sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            data = data[sent:]
        if len(data):
            self.socket.sendall(data)

    def send(self, message, descriptors=()):
        self.send_raw(self.frame(json.dumps(message).encode("ascii")), descriptors)

    def start(self, method, params=None, descriptors=(), identifier=None):
        """Send a request without waiting for its answer; returns its id, for `finish`."""
        identifier = next(self.ids) if identifier is None else identifier
        message = {"jsonrpc": "2.0", "id": identifier, "method": method}
        if params is not None:
            message["params"] = params
        self.subscribed |= method == "subscribe"
        self.send(message, descriptors)
        return identifier

    def notify(self, method, params=None):
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)

    def pour(self, data):
        """Send much while reading what comes back, so that neither side waits for the other; returns what came."""
        view = memoryview(data)
        came = bytearray()
        self.socket.setblocking(False)
        try:
            while view:
                readable, writable, _ = select.select([self.socket], [self.socket], [], PATIENCE)
                assert readable or writable, "the server neither reads nor writes"
                if readable:
                    piece = self.socket.recv(1 << 16)
                    if not piece:
                        break
                    came += piece
                if writable:
                    view = view[self.socket.send(view[: 1 << 16]) :]
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self.socket.setblocking(True)
        self.buffer += came
        return bytes(came)

    # Receiving

    def _more(self, deadline):
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            piece = self.socket.recv(1 << 16)
        except socket.timeout:
            raise AssertionError("no message within the time; so far %r" % bytes(self.buffer[:200])) from None
        except ConnectionResetError:
            piece = b""
        finally:
            self.socket.settimeout(None)
        if not piece:
            raise Closed(bytes(self.buffer))
        self.buffer += piece

    def _take(self, count):
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def readable(self):
        """Whether a whole or partial message has arrived."""
        return bool(self.buffer) or bool(select.select([self.socket], [], [], 0)[0])

    def receive_body(self, timeout=PATIENCE):
        """The bytes of the next message, without its framing."""
        deadline = time.monotonic() + timeout
        if self.framing == "headers":
            while b"\r\n\r\n" not in self.buffer:
                self._more(deadline)
            header = self._take(self.buffer.index(b"\r\n\r\n") + 4)
            assert header.startswith(b"Content-Length: "), header
            length = int(header.split(b"\r\n")[0][len(b"Content-Length: ") :])
            while len(self.buffer) < length:
                self._more(deadline)
            return self._take(length)
        while b"\n" not in self.buffer:
            self._more(deadline)
        return self._take(self.buffer.index(b"\n") + 1)[:-1]

    def receive(self, timeout=PATIENCE):
        """The next message, whatever it is: an object, or the array that answers a batch."""
        return json.loads(self.receive_body(timeout).decode("utf-8"))

    def finish(self, identifier, timeout=PATIENCE):
        """Wait for the answer to `identifier`: its result, or RpcError."""
        while identifier not in self.replies:
            message = self.receive(timeout)
            assert isinstance(message, dict) and message["jsonrpc"] == "2.0", message
            if "method" in message:
                self._note(message)
                continue
            assert message["id"] not in self.replies, "answered twice: %r" % message
            self.replies[message["id"]] = message
        return result_of(self.replies.pop(identifier))

    def _note(self, message):
        assert self.subscribed, "a notification nobody asked for: %r" % message
        assert set(message) == {"jsonrpc", "method", "params"}, message
        self.notifications.append(message)

    def notification(self, timeout=PATIENCE):
        """The next notification, as (name, params); replies that come before it are kept."""
        while not self.notifications:
            message = self.receive(timeout)
            assert isinstance(message, dict) and message["jsonrpc"] == "2.0", message
            if "method" in message:
                self._note(message)
            else:
                self.replies[message["id"]] = message
        message = self.notifications.popleft()
        return message["method"], message["params"]

    def request(self, method, params=None, descriptors=(), timeout=PATIENCE):
        """Ask and wait for the answer: the result, or RpcError(code, message, data)."""
        return self.finish(self.start(method, params, descriptors), timeout)

    def batch(self, requests, descriptors=(), timeout=PATIENCE):
        """Send [(method, params), ...] as one batch; returns the answers in the order of the requests."""
        identifiers = [next(self.ids) for _ in requests]
        self.send(
            [
                {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
                for identifier, (method, params) in zip(identifiers, requests)
            ],
            descriptors,
        )
        answers = self.receive(timeout)
        assert isinstance(answers, list), answers
        by_id = {answer["id"]: answer for answer in answers}
        assert sorted(by_id) == sorted(identifiers) and len(answers) == len(identifiers), answers
        return [by_id[identifier] for identifier in identifiers]

    def ended(self, timeout=PATIENCE):
        """Whether the server ends the connection; returns the bytes that came before."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self._more(deadline)
        except Closed as closed:
            self.buffer.clear()
            return closed.rest


def result_of(message):
    """The result of one reply; raises RpcError for an error. A reply has exactly one of the two."""
    assert ("result" in message) != ("error" in message), message
    if "error" in message:
        raise RpcError(message["error"])
    assert isinstance(message["result"], dict), "every result is an object: %r" % message
    return message["result"]
