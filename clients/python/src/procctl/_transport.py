# SPDX-License-Identifier: Apache-2.0
"""One connection to the server, shared by any number of threads without a thread of its own.

Leader and followers: of the threads that wait for an answer one, the leader, reads the socket and hands each answer to
whom it belongs; when the leader has its own, it leaves, and one of the others takes over.
"""

from __future__ import annotations

import itertools
import select
import socket
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, Mapping, Optional, Sequence, Set

from . import _fork
from ._framing import LineBuffer, addressee, encode, result_of
from ._pending import Pending
from ._socket import SharedSocket, left
from ._steps import Request
from .errors import ConnectionLost, ProcctlError, TimedOut


class Transport:
    """A connected socket with requests in flight. ``listen``: notifications are kept for ``receive``."""

    def __init__(self, connection: socket.socket, listen: bool = False) -> None:
        # A signal handler may close the client while its own thread is in here, hence RLock.
        self._lock = threading.RLock()
        self._socket = SharedSocket(connection, self._lock, self._end_all)
        self._ids = itertools.count(1)
        self._lines = LineBuffer()
        self._pending: Dict[int, Pending] = {}
        self._led = False
        self._threads: Set[int] = set()
        # Notifications in the order they came.
        self._notes: Optional[Deque[Mapping[str, Any]]] = deque() if listen else None
        self._listener: Optional[Pending] = None
        _fork.watch(self)

    @property
    def pid(self) -> int:
        """The process it belongs to."""
        return self._socket.pid

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    @property
    def lost(self) -> Optional[str]:
        """Why the connection is no longer usable, if it is not."""
        return self._socket.lost

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
    ) -> Any:
        """Send a request, wait for its answer, return the result or raise the error.

        After ``timeout`` seconds, and when an exception such as KeyboardInterrupt comes in, the request is cancelled at
        the server.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pending = self.begin(method, params, descriptors, deadline)
        try:
            return self.finish(pending, deadline)
        except BaseException:
            self._give_up(pending)
            raise

    def begin(
        self,
        method: str,
        params: Optional[Any] = None,
        descriptors: Sequence[int] = (),
        deadline: Optional[float] = None,
    ) -> Pending:
        """Send a request; ``finish`` gets its answer, ``look`` says whether it is there."""
        number = next(self._ids)
        line = encode(method, params, number)
        pending = Pending(number, len(line), threading.Condition(self._lock))
        me = self._enter()
        try:
            with self._lock:
                self._socket.check()
                self._pending[number] = pending
            self._socket.send(line, descriptors, deadline)
            pending.sent = True
        except BaseException:
            self._give_up(pending)
            raise
        finally:
            self._threads.discard(me)
        return pending

    def finish(self, pending: Pending, deadline: Optional[float] = None) -> Any:
        """Wait for the answer of a request; return the result or raise the error. Raises TimedOut at the deadline (of
        ``time.monotonic``); it can be called again.
        """
        me = self._enter()
        try:
            self._wait(pending, deadline)
        finally:
            self._threads.discard(me)
        if not pending.reply:
            self._socket.check()
        return result_of(pending.reply)

    def look(self, pending: Pending) -> bool:
        """Whether a request is answered, as far as can be told without waiting."""
        with self._lock:
            if pending.done or self._led or self.lost is not None:
                return pending.done
            self._socket.enter()
            self._led = True
        try:
            while not pending.done and self._read():
                pass
        finally:
            self._stop_leading()
        return pending.done

    def tell(self, method: str, params: Optional[Any] = None) -> None:
        """Send a notification, which is not answered."""
        self._socket.send(encode(method, params, None), (), None)

    def is_idle(self) -> bool:
        """Whether it is still connected, with nothing in flight and nothing unread."""
        with self._lock:
            busy = self._pending or self._led or self._threads or self.lost is not None
            return not busy and self._socket.is_quiet()

    def _give_up(self, pending: Pending) -> None:
        """Nobody waits for its answer any more."""
        with self._lock:
            known = self._pending.pop(pending.number, None)
        if known and known.sent:
            self._cancel(known.number)

    def _enter(self) -> int:
        me = threading.get_ident()
        if me in self._threads:
            raise RuntimeError("reentrant call: this thread is inside a request on this connection")
        self._threads.add(me)
        return me

    def perform(self, request: Request) -> Any:
        """The same for a step."""
        return self.request(request.method, request.params, request.descriptors, request.timeout)

    def receive(self, deadline: Optional[float] = None) -> Mapping[str, Any]:
        """The next notification, one caller at a time. Nothing is read ahead: what is not taken stays with the server.

        Raises TimedOut at the deadline (of ``time.monotonic``), ConnectionLost behind the last one.
        """
        number = next(self._ids)
        listener = Pending(number, 0, threading.Condition(self._lock))
        with self._lock:
            if self._notes:
                return self._notes.popleft()
            self._socket.check()
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
        self._socket.check()
        raise ConnectionLost("the connection was lost")

    def close(self) -> None:
        """End the connection. Requests of other threads end with ConnectionLost."""
        self._socket.lose("the connection was closed by this client")

    def detach(self) -> int:
        """Give the descriptor of the socket away. With nothing in flight it has no unread bytes."""
        return self._socket.detach()

    def _after_fork(self) -> None:
        """The connection is the parent's. Threads that held the lock or waited are not in the child."""
        self._lock = threading.RLock()
        self._socket.abandon(self._lock)
        self._led, self._listener = False, None
        self._pending = {}

    def _cancel(self, number: int) -> None:
        try:
            self._socket.send(encode("$/cancelRequest", {"id": number}, None), (), time.monotonic() + 1)
        except (ProcctlError, OSError):
            pass  # Best effort: the answer nobody waits for any more is dropped when it comes.

    # Reading

    def _wait(self, pending: Pending, deadline: Optional[float]) -> None:
        """Return when the request is answered: as a follower as long as there is a leader, else as the leader."""
        leading = False
        try:
            with self._lock:
                pending.followers += 1
                try:
                    while not pending.done and self._led:
                        pending.wake.wait(None if deadline is None else left(deadline))
                        if not pending.done and deadline is not None and time.monotonic() >= deadline:
                            raise TimedOut("timed out while waiting for the answer")
                finally:
                    pending.followers -= 1
                if pending.done:
                    return
                self._socket.enter()
                leading = self._led = True
            while not pending.done:
                self._socket.poll(select.POLLIN, deadline)
                self._read()
        finally:
            if leading:
                self._stop_leading()
            else:
                # It may have been woken to lead, and leaves instead.
                self._wake_another()

    def _stop_leading(self) -> None:
        with self._lock:
            self._led = False
            self._socket.leave()
            self._wake_another()

    def _wake_another(self) -> None:
        with self._lock:
            if self._led:
                return
            for other in self._pending.values():
                if other.followers:
                    other.wake.notify()
                    break

    def _read(self) -> bool:
        """Read once, without waiting, and hand out what came. False: nothing was there."""
        try:
            data = self._socket.receive()
            if not data:
                self._socket.lose("the connection to the server was lost: it ended")
            for message in self._lines.messages(data):
                self._dispatch(message)
            return bool(data)
        except BlockingIOError:
            return False
        except OSError as error:
            self._socket.lose(f"the connection to the server was lost: {error}")
        except ValueError as error:
            self._socket.lose(f"the server sent what is not JSON-RPC: {error}")
        except BaseException:
            # From a signal handler: bytes may have been taken from the socket and not be accounted for.
            self._socket.lose("the connection was given up in the middle of an answer")
            raise
        return False

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        if "method" in message:
            # A notification: of no use to a connection that has not subscribed.
            with self._lock:
                if self._notes is not None:
                    self._notes.append(message)
                    if self._listener is not None:
                        self._listener.finish(message)
            return
        with self._lock:
            number = addressee(message, self._pending)
            if number is not None:
                self._pending.pop(number).finish(message)

    def _end_all(self) -> None:
        """The connection is lost: nobody waits in vain."""
        for pending in self._pending.values():
            pending.finish({})
        self._pending.clear()
