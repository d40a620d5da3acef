# SPDX-License-Identifier: Apache-2.0
"""One connection to the server, shared by any number of threads without a thread of its own.

Leader and followers: of the threads that wait for an answer one, the leader, reads the socket and hands each answer to
whom it belongs; when the leader has its own, it leaves, and one of the others takes over.
"""

from __future__ import annotations

import itertools
import select
import socket
import sys
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, List, Mapping, Optional, Sequence, Set

from . import _fork
from ._framing import addressee, decode, encode, result_of
from ._pending import Pending
from ._socket import SharedSocket, Turn, left
from ._steps import Request
from .errors import ConnectionLost, TimedOut


class Transport:
    """A connected socket with requests in flight. ``listen``: notifications are kept for ``receive``."""

    def __init__(self, connection: socket.socket, listen: bool = False) -> None:
        # A signal handler may close the client while its own thread is in here, hence RLock.
        self._lock = threading.RLock()
        self._socket = SharedSocket(connection, self._lock, self._end_all)
        self._ids = itertools.count(1)
        # What was read: whole lines only until they are handed out. So many of the pieces have no newline.
        self._came: List[bytes] = []
        self._looked_at = 0
        self._pending: Dict[int, Pending] = {}
        # Who waits for which, until it leaves.
        self._waiting: Dict[Turn, Pending] = {}
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
        me = threading.get_ident()
        return me in self._threads or self._socket.is_used_by(me)

    @property
    def led(self) -> bool:
        """Whether a thread reads, or waits for what there will be to read."""
        turn = self._socket.reading
        return turn is not None and not turn.over

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
            self.forget(pending)
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
        me = self._check_entry()
        try:
            self._threads.add(me)
            with self._lock:
                self._socket.check()
                self._pending[number] = pending
            self._socket.send(line, descriptors, deadline, pending.taken)
        except BaseException:
            self.forget(pending)
            raise
        finally:
            self._threads.discard(me)
        return pending

    def finish(self, pending: Pending, deadline: Optional[float] = None) -> Any:
        """Wait for the answer of a request; return the result or raise the error. Raises TimedOut at the deadline (of
        ``time.monotonic``); it can be called again.
        """
        me = self._check_entry()
        try:
            self._threads.add(me)
            self._wait(pending, deadline)
        finally:
            self._threads.discard(me)
        if not pending.reply:
            self._socket.check()
        return result_of(pending.reply)

    def look(self, pending: Pending) -> bool:
        """Whether a request is answered, as far as can be told without waiting."""
        if not pending.done:
            self.catch_up(pending)
        return pending.done

    def catch_up(self, pending: Optional[Pending] = None) -> None:
        """Hand out what has come, without waiting, up to an answer if one is named. Nothing, if a thread is at it."""
        turn = Turn()
        try:
            with self._lock:
                if self.led or self.lost is not None:
                    return
                self._socket.reading = turn
            self._hand_out()
            while (pending is None or not pending.done) and self._read():
                pass
        finally:
            turn.over = True
            self._leave(turn)

    def tell(self, method: str, params: Optional[Any] = None) -> None:
        """Send a notification, which is not answered, as soon as that goes without waiting."""
        self._socket.tell(encode(method, params, None))

    def forget(self, pending: Pending) -> None:
        """Nobody waits for its answer any more."""
        if 0 < sum(pending.taken) < pending.size:
            # It was ended in the middle: the server will complain without saying about what.
            pending.size = sys.maxsize
        elif self._pending.pop(pending.number, None) is not None and pending.taken:
            self.tell("$/cancelRequest", {"id": pending.number})

    def _check_entry(self) -> int:
        if self.busy():
            raise RuntimeError("reentrant call: this thread is inside a request on this connection")
        return threading.get_ident()

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
        self._listener = None
        self._pending, self._waiting, self._threads = {}, {}, set()

    # Reading

    def _wait(self, pending: Pending, deadline: Optional[float]) -> None:
        """Return when the request is answered: as a follower as long as there is a leader, else as the leader."""
        turn = Turn()
        try:
            with self._lock:
                self._waiting[turn] = pending
                while not pending.done and self.led:
                    pending.wake.wait(None if deadline is None else left(deadline))
                    if not pending.done and deadline is not None and time.monotonic() >= deadline:
                        raise TimedOut("timed out while waiting for the answer")
                if pending.done:
                    return
                self._socket.check()
                self._socket.reading = turn
            self._hand_out()
            while not pending.done:
                self._socket.poll(select.POLLIN, deadline)
                self._read()
        finally:
            turn.over = True
            self._leave(turn)

    def _leave(self, turn: Turn) -> None:
        """Not to wait or to read any more. It may have been woken to lead, and leaves instead."""
        with self._lock:
            self._waiting.pop(turn, None)
            self._socket.close_if_lost()
            if not self.led:
                for pending in self._waiting.values():
                    if not pending.done:
                        pending.wake.notify()
                        break

    def _read(self) -> bool:
        """Read once, without waiting, and hand out what came. False: nothing was there."""
        try:
            self._socket.receive(self._came)
            if not self._came[-1]:
                self._socket.lose("the connection to the server was lost: it ended")
            self._hand_out()
            return self.lost is None
        except BlockingIOError:
            return False
        except OSError as error:
            self._socket.lose(f"the connection to the server was lost: {error}")
        except BaseException:
            if self._notes is not None:
                # From a signal handler: notifications might be told twice.
                self._came, self._looked_at = [], 0
                self._socket.lose("the connection was given up in the middle of a notification")
            raise
        return False

    def _hand_out(self) -> None:
        """Hand out the whole lines that came. If an exception comes in, the next reader does it once more: an answer
        that is known already is passed over.
        """
        while self._looked_at < len(self._came):
            if b"\n" not in self._came[self._looked_at]:
                self._looked_at += 1
                continue
            *lines, rest = b"".join(self._came).split(b"\n")
            try:
                for line in lines:
                    for message in decode(line) if line.strip() else ():
                        self._dispatch(message)
            except ValueError as error:
                self._socket.lose(f"the server sent what is not JSON-RPC: {error}")
            self._looked_at = 0
            self._came = [rest]

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
                self._pending[number].finish(message)
                self._pending.pop(number, None)

    def _end_all(self) -> None:
        """The connection is lost: nobody waits in vain."""
        for pending in self._pending.values():
            pending.finish({})
        self._pending.clear()
