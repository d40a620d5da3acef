# SPDX-License-Identifier: Apache-2.0
"""One connection to the server, shared by any number of threads without a thread of its own.

Leader and followers: of the threads that wait for an answer one, the leader, reads the socket and hands each answer to
whom it belongs; when the leader has its own, it leaves, and one of the others takes over.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import threading
import time
import weakref
from array import array
from collections import deque
from typing import Any, Deque, Dict, Mapping, Optional, Sequence, Set

from ._framing import LineBuffer, decode, encode
from .errors import ConnectionLost, ProcctlError, TimedOut, from_error

_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class _Pending:
    """A request that has not been answered yet."""

    def __init__(self, size: int, wake: threading.Condition) -> None:
        self.size = size
        self.wake = wake
        self.sent = False
        self.following = False
        self.done = False
        self.reply: Mapping[str, Any] = {}

    def finish(self, reply: Mapping[str, Any]) -> None:
        self.reply, self.done = reply, True
        self.wake.notify()


class Transport:
    """A connected socket with requests in flight."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self.pid = os.getpid()
        self._socket = connection
        self._ids = itertools.count(1)
        # A signal handler may close the client while its own thread is in here, hence RLock.
        self._lock = threading.RLock()
        self._send_lock = threading.Lock()
        self._lines = LineBuffer()
        self._pending: Dict[int, _Pending] = {}
        self._leader: Optional[_Pending] = None
        self._threads: Set[int] = set()
        # Notifications in the order they came, once a request has said that somebody will take them.
        self._notes: Optional[Deque[Mapping[str, Any]]] = None
        self._listener: Optional[_Pending] = None
        self._users = 0
        self._lost: Optional[str] = None
        _all.add(self)

    @property
    def lost(self) -> Optional[str]:
        """Why the connection is no longer usable, if it is not."""
        return self._lost

    def busy(self) -> bool:
        """Whether the calling thread is inside a request already: a signal handler of it asks. It would wait for itself
        here.
        """
        return threading.get_ident() in self._threads

    def request(
        self,
        method: str,
        params: Optional[Any] = None,
        descriptors: Sequence[int] = (),
        timeout: Optional[float] = None,
        listen: bool = False,
    ) -> Any:
        """Send a request, wait for its answer, return the result or raise the error.

        After ``timeout`` seconds, and when an exception such as KeyboardInterrupt comes in, the request is cancelled at
        the server. ``listen``: notifications that come from now on are kept for ``receive``.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        number = next(self._ids)
        line = encode(method, params, number)
        pending = _Pending(len(line), threading.Condition(self._lock))
        me = threading.get_ident()
        if me in self._threads:
            raise RuntimeError("reentrant call: this thread is inside a request on this connection")
        self._threads.add(me)
        try:
            with self._lock:
                self._raise_if_lost()
                self._pending[number] = pending
                if listen and self._notes is None:
                    self._notes = deque()
            self._send(line, descriptors, deadline)
            pending.sent = True
            self._wait(pending, deadline)
        except BaseException:
            with self._lock:
                abandoned = self._pending.pop(number, None)
            if abandoned and abandoned.sent:
                self._cancel(number)
            raise
        finally:
            self._threads.discard(me)
        if not pending.reply:
            self._raise_if_lost()
        if "error" in pending.reply:
            raise from_error(pending.reply["error"])
        return pending.reply.get("result")

    def receive(self, deadline: Optional[float] = None) -> Mapping[str, Any]:
        """The next notification, one caller at a time. Nothing is read ahead: what is not taken stays with the server.

        Raises TimedOut at the deadline (of ``time.monotonic``), ConnectionLost behind the last one.
        """
        number = next(self._ids)
        listener = _Pending(0, threading.Condition(self._lock))
        with self._lock:
            if self._notes:
                return self._notes.popleft()
            self._raise_if_lost()
            # Among the requests, though none was sent: so it takes its turn as leader, and is woken when all is lost.
            self._pending[number] = self._listener = listener
        try:
            self._wait(listener, deadline)
        finally:
            with self._lock:
                self._pending.pop(number, None)
                self._listener = None
        with self._lock:
            if self._notes:
                return self._notes.popleft()
        self._raise_if_lost()
        raise ConnectionLost("the connection was lost")

    def close(self) -> None:
        """End the connection. Requests of other threads end with ConnectionLost."""
        self._lose("the connection was closed by this client")

    def abandon(self) -> None:
        """After a fork: close the child's copy of the socket, so that the parent's connection ends when the parent ends
        it.
        """
        self._lost = "the connection belongs to the parent process"
        self._socket.close()

    def detach(self) -> int:
        """Give the descriptor of the socket away. With nothing in flight it has no unread bytes."""
        with self._lock:
            self._lost = "the connection was handed over"
            return self._socket.detach()

    # Sending

    def _send(self, line: bytes, descriptors: Sequence[int], deadline: Optional[float]) -> None:
        if not self._send_lock.acquire(timeout=-1 if deadline is None else max(0.0, deadline - time.monotonic())):
            raise TimedOut("timed out before the request could be sent")
        try:
            self._enter()
            try:
                self._transmit(line, descriptors, deadline)
            finally:
                self._leave()
        finally:
            self._send_lock.release()

    def _transmit(self, line: bytes, descriptors: Sequence[int], deadline: Optional[float]) -> None:
        sent = 0
        unsure = False
        try:
            while sent < len(line):
                unsure = True
                try:
                    if sent == 0 and descriptors:
                        # In a sendmsg of its own from the message's first byte on: the receiver then takes them for
                        # this message's.
                        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))
                        sent = self._socket.sendmsg([line], [rights], _FLAGS)
                    else:
                        sent += self._socket.send(memoryview(line)[sent:], _FLAGS)
                    unsure = False
                except BlockingIOError:
                    unsure = False
                    self._poll(select.POLLOUT, deadline)
        except (BrokenPipeError, ConnectionResetError):
            return  # What the server said last is still there to be read: the reader meets the end, not the writer.
        except BaseException as error:
            # Half a message, or nobody knows how much of it (an exception from a signal handler), leaves the stream
            # unusable.
            if 0 < sent < len(line) or (unsure and not isinstance(error, OSError)):
                self._lose("the connection was given up in the middle of a message")
            raise

    def _cancel(self, number: int) -> None:
        try:
            self._send(encode("$/cancelRequest", {"id": number}, None), (), time.monotonic() + 1)
        except (ProcctlError, OSError):
            pass  # Best effort: the answer nobody waits for any more is dropped when it comes.

    # Reading

    def _wait(self, pending: _Pending, deadline: Optional[float]) -> None:
        """Return when the request is answered: as a follower as long as there is a leader, else as the leader."""
        try:
            with self._lock:
                while not pending.done and self._leader is not None:
                    pending.following = True
                    pending.wake.wait(None if deadline is None else deadline - time.monotonic())
                    if not pending.done and deadline is not None and time.monotonic() >= deadline:
                        raise TimedOut("timed out while waiting for the answer")
                pending.following = False
                if pending.done:
                    return
                self._enter()
                self._leader = pending
            while not pending.done:
                self._poll(select.POLLIN, deadline)
                self._read()
        finally:
            with self._lock:
                pending.following = False
                if self._leader is pending:
                    self._leader = None
                    self._leave()
                if self._leader is None:
                    # Also when this follower was woken to lead and leaves instead.
                    for other in self._pending.values():
                        if other.following:
                            other.wake.notify()
                            break

    def _read(self) -> None:
        """Read once, without waiting, and hand out what came."""
        try:
            data = self._socket.recv(1 << 16, socket.MSG_DONTWAIT)
            if not data:
                self._lose("the connection to the server was lost: it ended")
            for line in self._lines.feed(data):
                for message in decode(line):
                    self._dispatch(message)
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(f"the connection to the server was lost: {error}")
        except ValueError as error:
            self._lose(f"the server sent what is not JSON-RPC: {error}")
        except BaseException:
            # From a signal handler: bytes may have been taken from the socket and not be accounted for.
            self._lose("the connection was given up in the middle of an answer")
            raise

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        if "method" in message:
            # A notification: of no use to a connection that has not subscribed.
            with self._lock:
                if self._notes is not None:
                    self._notes.append(message)
                    if self._listener is not None:
                        self._listener.finish(message)
            return
        number = message.get("id")
        with self._lock:
            if number is None and self._pending:
                # The server could not read an id: of the requests in flight only the longest can have been too long for
                # it.
                number = max(self._pending, key=lambda key: self._pending[key].size)
            pending = self._pending.pop(number, None) if isinstance(number, int) else None
            if pending:
                pending.finish(message)

    def _poll(self, event: int, deadline: Optional[float]) -> None:
        poll = select.poll()
        poll.register(self._socket, event)
        while not poll.poll(None if deadline is None else max(0.0, (deadline - time.monotonic()) * 1000)):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut("timed out while waiting for the server")

    # The life of the socket

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise ConnectionLost(self._lost)

    def _enter(self) -> None:
        with self._lock:
            self._raise_if_lost()
            self._users += 1

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._lost is not None and not self._users:
                self._socket.close()

    def _lose(self, why: str) -> None:
        """No more requests. The descriptor is closed by the last who uses it: its number must not come to mean another
        file meanwhile.
        """
        with self._lock:
            if self._lost is None:
                self._lost = why
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            waiting = list(self._pending.values())
            self._pending.clear()
            for pending in waiting:
                pending.finish({})
            if not self._users:
                self._socket.close()


_all: "weakref.WeakSet[Transport]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for transport in list(_all):
        transport.abandon()


os.register_at_fork(after_in_child=_after_fork_in_child)
