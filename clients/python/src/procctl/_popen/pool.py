# SPDX-License-Identifier: Apache-2.0
"""The connections of this process's programs.

A server takes 1,024 connections and 16,384 processes, so programs share: on each connection there may be hundreds of
outstanding waits, one for each living program. Whoever has something to ask, such as a start, does so on one that nobody
else uses at the moment, as the server answers what comes behind a start only when that is decided. So there is one
connection for each thread that is at it, up to ``MOST``, and beside them one for every ``SHARE`` living programs. One
without a program is kept for the next start, so that who runs one program after the other does not connect each time.

The main thread's connections are its own. It may be in a signal handler for long, in the middle of reading, and the
handler may wait for another thread, which then must not wait for what the main thread reads.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import contextmanager
from typing import Iterator, List, Optional, Set, Tuple, Union

from .. import _fork
from .._connect import open_transport
from .._pending import Pending
from .._transport import Transport
from ..errors import ConnectionLost

CONNECT_TIMEOUT = 5.0

SHARE = 512
"""Waits on one connection. The server takes 1,024 requests; the rest is for what is asked beside them."""

MOST = 16
"""Connections on which something is asked at a time."""

Key = Tuple[bytes, int, bool]


def in_main() -> bool:
    """Whether this is the thread that signal handlers run in."""
    return threading.get_ident() == threading.main_thread().ident


def _key(path: bytes) -> Key:
    # Who has become somebody else must not be taken for who it was when it connected.
    return path, os.geteuid(), in_main()


class Shared:
    """A connection, who asks something on it, and what waits on it."""

    def __init__(self, key: Key, transport: Transport, instance: str) -> None:
        self.key = key
        self.transport = transport
        self.instance = instance
        self.asking: Set[object] = set()
        self.waits: Set[Pending] = set()
        """The waits whose answer has not been taken notice of."""

    @property
    def is_main(self) -> bool:
        """Whether the main thread may read here for long, and no other."""
        return self.key[2]

    @property
    def is_empty(self) -> bool:
        """Whether it is of no use at present. What is still to be answered may have been given up."""
        return not self.asking and not self.waits

    def takes(self, key: Key) -> bool:
        """Whether somebody may ask here."""
        transport = self.transport
        return self.key == key and transport.lost is None and len(self.waits) < SHARE and not transport.busy()

    def wait(self, process: Union[int, str], deadline: Optional[float] = None) -> Pending:
        """Begin to wait for the end of a process."""
        wait = self.transport.begin("wait", {"processes": process}, (), deadline)
        self.waits.add(wait)
        return wait

    def forget(self, wait: Pending) -> None:
        """Nobody asks for that any more, or it is known."""
        self.transport.forget(wait)
        self.waits.discard(wait)

    def is_alive(self) -> bool:
        """Whether the server is still there, as far as is known without asking."""
        self.transport.catch_up()
        return self.transport.lost is None

    def load(self) -> int:
        """How many use it."""
        return len(self.asking) + self.transport.led


class Pool:
    """All connections of this process."""

    def __init__(self) -> None:
        # A signal handler may start a program while one is being started. What is done with a transport is not done
        # under this lock: garbage collection may come to it from in there.
        self._lock = threading.RLock()
        self._all: List[Shared] = []
        self._is_over = False
        _fork.watch(self)

    @contextmanager
    def asking(self, path: bytes, autostart: bool = False) -> Iterator[Shared]:
        """A connection to ask on."""
        token = object()
        try:
            shared = self._take(path, token)
            while shared is not None and not shared.is_alive():
                shared = self._take(path, token)
            yield shared or self._open(path, autostart, token)
        finally:
            for each in [*self._all]:
                each.asking.discard(token)
            self.tidy()

    def _take(self, path: bytes, token: object) -> Optional[Shared]:
        with self._lock:
            usable = self._usable(path)
            best = min(usable, key=Shared.load, default=None)
            if best is None or (best.load() and len(usable) < MOST):
                return None
            best.asking.add(token)
            return best

    def _open(self, path: bytes, autostart: bool, token: object) -> Shared:
        if self._is_over:
            raise ConnectionLost("this Python is being shut down")
        shared = Shared(_key(path), *open_transport(path, autostart, CONNECT_TIMEOUT))
        with self._lock:
            usable = self._usable(path)
            # Many threads that come at once find none, and open one each.
            best = shared if len(usable) < MOST else min(usable, key=Shared.load)
            best.asking.add(token)
            if best is shared:
                self._all.append(shared)
        if best is not shared:
            shared.transport.close()
        return best

    def _usable(self, path: bytes) -> List[Shared]:
        key = _key(path)
        return [shared for shared in self._all if shared.takes(key)]

    def tidy(self) -> None:
        """Close what is lost or of no use, but for one that the main thread, and one that others may use next."""
        with self._lock:
            kept, closing, spare = [], [], set()
            for shared in reversed(self._all):
                if shared.transport.lost is not None or (shared.is_empty and shared.is_main in spare):
                    closing.append(shared)
                    continue
                if shared.is_empty:
                    spare.add(shared.is_main)
                kept.append(shared)
            self._all = kept[::-1]
        for shared in closing:
            shared.transport.close()

    def close(self, whole: bool) -> None:
        """Close those without programs, or all."""
        for shared in [*self._all]:
            if whole or shared.is_empty:
                shared.transport.close()

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._all = []

    def __del__(self) -> None:
        """The end of Python: what is collected now must not connect again."""
        self._is_over = True
        self.close(True)


pool = Pool()

atexit.register(pool.close, False)
