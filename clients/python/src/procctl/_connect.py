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
from typing import Tuple

from . import _autostart
from ._path import check_directory, check_peer
from ._transport import Transport
from .errors import ConnectionLost, NotPermitted, ProcctlError, ServerNotRunning

_NOBODY_THERE = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR)


def open_transport(path: bytes, autostart: bool, timeout: float) -> Tuple[Transport, str]:
    """A connection to the server that listens on a socket, and the server's instance.

    A server that ends because it was idle may cut off whoever connects at that moment. Hence the first request is a
    ``ping``, which may be repeated, and not a ``spawn``, which may not.
    """
    deadline = time.monotonic() + timeout
    may_start = autostart and _autostart.allowed()
    pause = 0.002
    while True:
        try:
            transport = Transport(connected(path))
            try:
                return transport, str(
                    transport.request("ping", timeout=max(0.0, deadline - time.monotonic()))["instance"]
                )
            except BaseException:
                transport.close()
                raise
        except (ConnectionLost, BlockingIOError) as error:
            fault: Exception = error
        except OSError as error:
            if isinstance(error, ProcctlError):
                raise
            if error.errno == errno.EACCES:
                raise NotPermitted(
                    f"no access to the socket {os.fsdecode(path)}",
                    data={"kind": "not_permitted", "errno": error.errno, "path": os.fsdecode(path)},
                ) from error
            if error.errno not in _NOBODY_THERE:
                raise
            if not may_start:
                raise ServerNotRunning(
                    f"no server listens on {os.fsdecode(path)}",
                    data={"kind": "server_not_running", "socket": os.fsdecode(path)},
                ) from error
            fault = error
            if error.errno != errno.ECONNREFUSED or pause > 0.002:
                # Refused can also be the moment between a server's bind and its listen, so that is tried twice.
                _autostart.start(path, max(0.1, deadline - time.monotonic()))
        if time.monotonic() + pause > deadline:
            raise ServerNotRunning(
                f"no server answers on {os.fsdecode(path)}: {fault}",
                data={"kind": "server_not_running", "socket": os.fsdecode(path)},
            ) from fault
        time.sleep(pause)
        pause = min(pause * 2, 0.25)


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
