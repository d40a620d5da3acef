# SPDX-License-Identifier: Apache-2.0
"""The socket of a connection that several threads use at once."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from array import array
from typing import Any, Callable, ContextManager, Optional, Sequence

from .errors import ConnectionLost, TimedOut

RECEIVED_AT_ONCE = 1 << 18
"""Bytes of one recv: more than a Unix socket holds, as a rule."""

_LONGEST = 1 << 20
"""Seconds of one wait: poll(2) takes its milliseconds as an int, and a deadline may be farther away."""

_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


def left(deadline: float) -> float:
    """Seconds until a deadline, or as many of them as one call can wait."""
    return min(max(0.0, deadline - time.monotonic()), _LONGEST)


def send_part(connection: socket.socket, line: bytes, sent: int, descriptors: Sequence[int]) -> int:
    """Send what goes of the rest of a line, without waiting; how much of the line is sent now."""
    if sent == 0 and descriptors:
        # In a sendmsg of its own from the message's first byte on: the receiver then takes them for this message's.
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))
        return connection.sendmsg([line], [rights], _FLAGS)
    return sent + connection.send(memoryview(line)[sent:], _FLAGS)


class SharedSocket:
    """A connected socket: one thread at a time sends, one at a time receives, and any may end it."""

    def __init__(self, connection: socket.socket, lock: ContextManager[Any], lost: Callable[[], None]) -> None:
        connection.setblocking(True)
        self.pid = os.getpid()
        self.lost: Optional[str] = None
        """Why it is no longer usable, if it is not."""
        self._socket = connection
        self._lock = lock
        self._on_lost = lost
        self._sending = threading.Lock()
        self._users = 0

    def fileno(self) -> int:
        """The descriptor."""
        return self._socket.fileno()

    def send(self, line: bytes, descriptors: Sequence[int], deadline: Optional[float]) -> None:
        """Send a line. Raises TimedOut when that does not go until the deadline."""
        if not self._sending.acquire(timeout=-1 if deadline is None else left(deadline)):
            raise TimedOut("timed out before the request could be sent")
        try:
            self.enter()
            try:
                self._transmit(line, descriptors, deadline)
            finally:
                self.leave()
        finally:
            self._sending.release()

    def receive(self) -> bytes:
        """What there is, without waiting; nothing at the end. For who has entered."""
        return self._socket.recv(RECEIVED_AT_ONCE, socket.MSG_DONTWAIT)

    def is_quiet(self) -> bool:
        """Whether nothing can be read now: neither an answer nor the end."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def poll(self, event: int, deadline: Optional[float]) -> None:
        """Wait until it can be read or written. For who has entered. Raises TimedOut."""
        poll = select.poll()
        poll.register(self._socket, event)
        while not poll.poll(None if deadline is None else left(deadline) * 1000):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut("timed out while waiting for the server")

    def _transmit(self, line: bytes, descriptors: Sequence[int], deadline: Optional[float]) -> None:
        sent = 0
        unsure = False
        try:
            while sent < len(line):
                unsure = True
                try:
                    sent = send_part(self._socket, line, sent, descriptors)
                    unsure = False
                except BlockingIOError:
                    unsure = False
                    self.poll(select.POLLOUT, deadline)
        except (BrokenPipeError, ConnectionResetError):
            return  # What the server said last is still there to be read: the reader meets the end, not the writer.
        except BaseException as error:
            # Half a message, or nobody knows how much of it (an exception from a signal handler), leaves the stream
            # unusable.
            if 0 < sent < len(line) or (unsure and not isinstance(error, OSError)):
                self.lose("the connection was given up in the middle of a message")
            raise

    # Its life

    def check(self) -> None:
        """Raise ConnectionLost if it is."""
        if self.lost is not None:
            raise ConnectionLost(self.lost)

    def enter(self) -> None:
        """The descriptor is in use from now on."""
        with self._lock:
            self.check()
            self._users += 1

    def leave(self) -> None:
        """It is not in use any more, by this one."""
        with self._lock:
            self._users -= 1
            if self.lost is not None and not self._users:
                self._socket.close()

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
            if not self._users:
                self._socket.close()

    def abandon(self, lock: ContextManager[Any]) -> None:
        """After a fork: close the child's copy, so that the parent's connection ends when the parent ends it."""
        self._lock = lock
        self.lost = "the connection belongs to the parent process"
        self._socket.close()

    def detach(self) -> int:
        """Give the descriptor away."""
        with self._lock:
            self.lost = "the connection was handed over"
            return self._socket.detach()
