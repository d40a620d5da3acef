# SPDX-License-Identifier: Apache-2.0
"""From a path to a connection that answers: find, check, connect, start a server if need be, ask it for a first sign of
life.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from typing import Optional, Tuple

from . import _autostart
from ._path import check_directory, check_peer
from ._transport import Transport
from .errors import ConnectionLost, NotPermitted, ProcctlError, ServerNotRunning, TimedOut

_NOBODY_THERE = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR)


class Attempts:
    """What to make of each failure to connect.

    A server that ends because it was idle may cut off whoever connects at that moment. Hence the first request is a
    ``ping``, which may be repeated, and not a ``spawn``, which may not.
    """

    def __init__(self, path: bytes, autostart: bool, timeout: float) -> None:
        self._path = path
        self._deadline = time.monotonic() + timeout
        self._may_start = autostart and _autostart.allowed()
        self._failures = 0

    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._deadline - time.monotonic())

    def start_first(self, error: Exception) -> bool:
        """Whether a server is to be started before the next attempt. Raises when there is none to be made."""
        self._failures += 1
        where = os.fsdecode(self._path)
        if isinstance(error, (ConnectionLost, BlockingIOError)):
            return False
        if isinstance(error, TimedOut):
            # The kernel has connected us, and the server has not taken notice.
            raise TimedOut(
                f"the server on {where} does not answer: it is stopped, or has as many connections as it takes"
            ) from error
        if not isinstance(error, OSError) or isinstance(error, ProcctlError):
            raise error
        if error.errno == errno.EACCES:
            raise NotPermitted(
                f"no access to the socket {where}",
                data={"kind": "not_permitted", "errno": error.errno, "path": where},
            ) from error
        if error.errno not in _NOBODY_THERE:
            raise error
        if not self._may_start:
            raise ServerNotRunning(
                f"no server listens on {where}", data={"kind": "server_not_running", "socket": where}
            ) from error
        # Refused can also be the moment between a server's bind and its listen, so that is tried twice.
        return error.errno != errno.ECONNREFUSED or self._failures > 1

    def pause(self, error: Exception) -> float:
        """Seconds to wait before the next attempt. Raises ServerNotRunning when the time is over."""
        seconds = min(0.001 * 2.0**self._failures, 0.25)
        if seconds > self.left():
            where = os.fsdecode(self._path)
            raise ServerNotRunning(
                f"no server answers on {where}: {error}", data={"kind": "server_not_running", "socket": where}
            ) from error
        return seconds


def open_transport(path: bytes, autostart: bool, timeout: float, listen: bool = False) -> Tuple[Transport, str]:
    """A connection to the server that listens on a socket, and the server's instance."""
    attempts = Attempts(path, autostart, timeout)
    while True:
        try:
            transport = Transport(connected(path), listen)
            try:
                return transport, str(transport.request("ping", timeout=attempts.left())["instance"])
            except BaseException:
                transport.close()
                raise
        except (ProcctlError, OSError) as error:
            if attempts.start_first(error):
                _autostart.start(path, max(0.1, attempts.left()))
            pause = attempts.pause(error)
        time.sleep(pause)


def connected(path: bytes) -> socket.socket:
    """A checked connection, not inherited by programs and on a descriptor above the standard ones, which may be closed
    in this process.
    """
    check_directory(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if connection.fileno() < 3:
            moved = socket.socket(fileno=fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))
            connection.close()
            connection = moved
        # Not blocking: with a full backlog this fails with EAGAIN instead of waiting for who knows how long.
        connection.setblocking(False)
        connection.connect(path)
        check_peer(connection, path)
        return connection
    except BaseException:
        connection.close()
        raise


def not_again(lost: Optional[str], error: Exception) -> ConnectionLost:
    """The error when a lost connection cannot be made anew."""
    return ConnectionLost(f"{lost}; {error}", data={"kind": "connection_lost"})


def check_instance(lost: Optional[str], expected: str, found: str) -> None:
    """Raise ConnectionLost if it is another server by now: it knows nothing of the processes of the one that was."""
    if found != expected:
        raise ConnectionLost(
            f"{lost}; another server has taken its place",
            data={"kind": "connection_lost", "reason": "instance", "instance": found, "expected": expected},
        )
