# SPDX-License-Identifier: Apache-2.0
"""A connection kept for the next start, so that who runs one program after the other does not connect each time."""

from __future__ import annotations

import atexit
import os
from typing import List, Tuple

from .._connect import open_transport
from .._transport import Transport

CONNECT_TIMEOUT = 5.0

_Key = Tuple[bytes, int]

_kept: List[Tuple[_Key, str, Transport]] = []
"""At most one: its key, the server's instance, itself. A list, since taking from and adding to one cannot be
interrupted by another thread."""


def _key(path: bytes) -> _Key:
    # Who has become somebody else must not be taken for who it was when it connected.
    return path, os.geteuid()


def take(path: bytes) -> Tuple[Transport, str]:
    """A connection with nothing on it, and the server's instance."""
    try:
        key, instance, transport = _kept.pop()
    except IndexError:
        pass
    else:
        if key == _key(path) and transport.pid == os.getpid() and transport.is_idle():
            return transport, instance
        transport.close()
    return open_transport(path, True, CONNECT_TIMEOUT)


def give(path: bytes, instance: str, transport: Transport) -> None:
    """Give a connection back: it is kept or closed."""
    # Whether it is still good is seen when it is taken.
    if _kept or transport.lost is not None:
        transport.close()
    else:
        _kept.append((_key(path), instance, transport))


def _close() -> None:
    while _kept:
        _kept.pop()[2].close()


atexit.register(_close)
