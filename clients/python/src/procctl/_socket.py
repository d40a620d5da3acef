# SPDX-License-Identifier: Apache-2.0
"""The socket of a connection that several threads use at once."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from array import array
from collections import deque
from typing import Any, Callable, ContextManager, Deque, List, Optional, Sequence, Tuple

from .errors import ConnectionLost, TimedOut

RECEIVED_AT_ONCE = 1 << 18
"""Bytes of one recv: more than a Unix socket holds, as a rule."""

_LONGEST = 1 << 20
"""Seconds of one wait: poll(2) takes its milliseconds as an int, and a deadline may be farther away."""

_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


def left(deadline: float) -> float:
    """Seconds until a deadline, or as many of them as one call can wait."""
    return min(max(0.0, deadline - time.monotonic()), _LONGEST)


def rights(descriptors: Sequence[int]) -> Tuple[int, int, "array[int]"]:
    """Descriptors as ancillary data. They go in a sendmsg of their own from the message's first byte on: the receiver
    then takes them for this message's.
    """
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors)


def send_part(connection: socket.socket, line: bytes, sent: int, descriptors: Sequence[int]) -> int:
    """Send what goes of the rest of a line, without waiting; how much of the line is sent now."""
    if sent == 0 and descriptors:
        return connection.sendmsg([line], [rights(descriptors)], _FLAGS)
    return sent + connection.send(memoryview(line)[sent:], _FLAGS)


class Turn:
    """A thread's turn at sending or at reading. That it is over is one assignment: nothing can come in between."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.over = False


class SharedSocket:
    """A connected socket: one thread at a time sends, one at a time reads, and any may end it.

    Exceptions of signal handlers (KeyboardInterrupt) may come in anywhere. The stream survives them: what the kernel
    took and gave is noted by C code, between whose steps none can come.
    """

    def __init__(self, connection: socket.socket, lock: ContextManager[Any], lost: Callable[[], None]) -> None:
        connection.setblocking(True)
        self.pid = os.getpid()
        self.lost: Optional[str] = None
        """Why it is no longer usable, if it is not."""
        self.reading: Optional[Turn] = None
        self._sending: Optional[Turn] = None
        self._socket = connection
        self._on_lost = lost
        self._share(lock)
        self._later: Deque[bytes] = deque()
        # What has to be sent before anything else: the rest of something that was begun.
        self._rest = b""

    def _share(self, lock: Any) -> None:
        self._lock = lock
        self._sent = threading.Condition(lock)

    def fileno(self) -> int:
        """The descriptor."""
        return self._socket.fileno()

    def is_used_by(self, thread: int) -> bool:
        """Whether a thread is sending or reading."""
        return any(turn is not None and not turn.over and turn.thread == thread for turn in (self._sending, self.reading))

    # Sending

    def send(self, line: bytes, descriptors: Sequence[int], deadline: Optional[float], taken: List[int]) -> None:
        """Send a line. Raises TimedOut when that does not go until the deadline. ``taken`` gets the numbers of bytes that
        the kernel took, also if an exception comes in; a line given up in the middle is ended there, so that the server
        takes it for nonsense.
        """
        turn = Turn()
        try:
            with self._lock:
                while _goes_on(self._sending):
                    self._sent.wait(None if deadline is None else left(deadline))
                    if deadline is not None and _goes_on(self._sending) and time.monotonic() >= deadline:
                        raise TimedOut("timed out before the request could be sent")
                self.check()
                self._sending = turn
            if self._rest:
                self._pour(self._rest, (), deadline, [], True)
            self._pour(line, descriptors, deadline, taken, False)
        finally:
            turn.over = True
            self._stopped_sending()
        self._say()

    def tell(self, line: bytes) -> None:
        """Send a line if that goes without waiting, else together with the next one. Whoever drops the last reference to
        something may be anywhere, in here too.
        """
        self._later.append(line)
        self._say()

    def _say(self) -> None:
        while (self._later or self._rest) and self.lost is None:
            turn = Turn()
            try:
                with self._lock:
                    if _goes_on(self._sending):
                        return  # Who sends will see to it.
                    self._sending = turn
                lines, before = b"", self._rest
                while self._later:
                    lines += self._later.popleft()
                self._pour(before + lines, (), 0.0, [], True)
            except TimedOut:
                return
            finally:
                turn.over = True
                self._stopped_sending()

    def _stopped_sending(self) -> None:
        with self._lock:
            self._sent.notify()
            self.close_if_lost()

    def _pour(
        self, data: bytes, descriptors: Sequence[int], deadline: Optional[float], taken: List[int], is_rest: bool
    ) -> None:
        try:
            while sum(taken) < len(data):
                view = memoryview(data)[sum(taken) :]
                try:
                    if descriptors and not taken:
                        taken.extend(map(self._socket.sendmsg, ([view],), ([rights(descriptors)],), (_FLAGS,)))
                    else:
                        taken.extend(map(self._socket.send, (view,), (_FLAGS,)))
                except BlockingIOError:
                    self.poll(select.POLLOUT, deadline)
            self._rest = b""
        except (BrokenPipeError, ConnectionResetError):
            # What the server said last is still there to be read: the reader meets the end, not the writer.
            self._rest = b""
        except BaseException:
            if is_rest:
                self._rest = data[sum(taken) :]
            elif 0 < sum(taken) < len(data):
                self._rest = b"\n"
            raise

    # Reading

    def receive(self, came: List[bytes]) -> None:
        """Add what there is, without waiting; nothing at the end. For whose turn it is."""
        came.extend(map(self._socket.recv, (RECEIVED_AT_ONCE,), (socket.MSG_DONTWAIT,)))

    def poll(self, event: int, deadline: Optional[float]) -> None:
        """Wait until it can be read or written. For whose turn it is. Raises TimedOut."""
        poll = select.poll()
        poll.register(self._socket, event)
        while not poll.poll(None if deadline is None else left(deadline) * 1000):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut("timed out while waiting for the server")

    # Its life

    def check(self) -> None:
        """Raise ConnectionLost if it is."""
        if self.lost is not None:
            raise ConnectionLost(self.lost)

    def lose(self, why: str) -> None:
        """No more requests. The descriptor is closed by the last who uses it: its number must not come to mean another
        file meanwhile.
        """
        with self._lock:
            if self.lost is None:
                self.lost = why
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self._on_lost()
            self.close_if_lost()

    def close_if_lost(self) -> None:
        """Close it once it is lost and nobody uses it. For who holds the lock."""
        if self.lost is not None and not _goes_on(self._sending) and not _goes_on(self.reading):
            self._socket.close()

    def abandon(self, lock: ContextManager[Any]) -> None:
        """After a fork: close the child's copy, so that the parent's connection ends when the parent ends it."""
        self._share(lock)
        self.lost = "the connection belongs to the parent process"
        self.reading = self._sending = None
        self._socket.close()

    def detach(self) -> int:
        """Give the descriptor away."""
        with self._lock:
            self.lost = "the connection was handed over"
            return self._socket.detach()


def _goes_on(turn: Optional[Turn]) -> bool:
    return turn is not None and not turn.over
