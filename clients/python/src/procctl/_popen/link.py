# SPDX-License-Identifier: Apache-2.0
"""A process of the server, and the connection on which its end is heard.

One connection per process: a ``wait`` is outstanding on it from the start on, so that to ask for the end is to look at
a socket. No thread: whoever waits reads.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Sequence, Tuple

from .. import _fork
from .._connect import open_transport
from .._pending import Pending
from .._transport import Transport
from ..errors import ConnectionLost, NoSuchProcess, ProcctlError, ServerNotRunning
from . import idle

SLACK = 10.0
"""Seconds an answer may take, beside the time the server gives a start, before it is taken for hung."""


class Link:
    """A process that has been started."""

    def __init__(self, path: bytes, params: Dict[str, Any], descriptors: Sequence[int]) -> None:
        self.path = path
        """The server's socket."""
        # A signal handler may ask in the middle of being asked.
        self._lock = threading.RLock()
        self._open: Optional[Tuple[Transport, Pending]] = None
        self.ended: Optional[Mapping[str, Any]] = None
        """The process's last record, once its end is known."""
        self.generation = 0
        """How often the connection was made anew."""
        deadline = time.monotonic() + params.get("start_timeout_ms", 10_000) / 1000 + SLACK
        transport, self.instance = idle.take(path)
        try:
            self.record: Mapping[str, Any]
            self.record, wait = self._start(transport, params, descriptors, deadline)
        except ProcctlError:
            # Refused: the connection is as good as new.
            idle.give(path, self.instance, transport)
            raise
        except BaseException:
            transport.close()
            raise
        self._open = (transport, wait)
        _fork.watch(self)

    @staticmethod
    def _start(
        transport: Transport, params: Dict[str, Any], descriptors: Sequence[int], deadline: float
    ) -> Tuple[Mapping[str, Any], Pending]:
        """The record of the new process, and the request that waits for its end."""
        if "name" in params:
            # While another one has the name, it would be waited for that.
            record = transport.finish(transport.begin("spawn", params, descriptors, deadline), deadline)
            return record, transport.begin("wait", {"processes": record["id"]}, (), deadline)
        # A name of its own, so that the wait can be sent right behind the spawn.
        name = "popen-" + os.urandom(8).hex()
        spawn = transport.begin("spawn", {**params, "name": name}, descriptors, deadline)
        wait = transport.begin("wait", {"processes": name}, (), deadline)
        try:
            return transport.finish(spawn, deadline), wait
        except ProcctlError:
            try:
                transport.finish(wait, deadline)
            except NoSuchProcess:
                pass
            raise

    @property
    def id(self) -> int:
        """The process's id."""
        return int(self.record["id"])

    def _after_fork(self) -> None:
        """Who held the lock is not in the child."""
        self._lock = threading.RLock()

    def __del__(self, getpid: Callable[[], int] = os.getpid) -> None:
        """Nobody will ask any more."""
        connection = getattr(self, "_open", None)
        if connection is not None and connection[0].pid == getpid():
            connection[0].close()

    # Its end

    def look(self) -> Optional[Mapping[str, Any]]:
        """Its last record if it has ended, as far as is known without waiting."""
        connection = self._live()
        if connection is not None and connection[0].look(connection[1]):
            self._finish(*connection, None)
        return self.ended

    def is_ours(self) -> bool:
        """Whether the connection was made by this very process, which may have been forked off since."""
        return self._open is None or self._open[0].pid == os.getpid()

    def wait(self, deadline: Optional[float]) -> Mapping[str, Any]:
        """Its last record, when it has ended. Raises TimedOut at the deadline."""
        while True:
            connection = self._live()
            if connection is None:
                assert self.ended is not None
                return self.ended
            if connection[0].busy():
                # A signal handler, while its own thread waits in there.
                with self._another() as other:
                    self._finish(other, other.begin("wait", {"processes": self.id}), deadline)
            else:
                self._finish(*connection, deadline)

    def _finish(self, transport: Transport, wait: Pending, deadline: Optional[float]) -> None:
        try:
            self.ended = transport.finish(wait, deadline)["done"][0]
        except ConnectionLost:
            pass  # It is made anew by the next look, if the server is still there.

    def settle(self, keep: bool) -> None:
        """The end is known here. Have the server forget the process, unless it is to ``keep`` it, and give the
        connection back.
        """
        with self._lock:
            connection, self._open = self._open, None
        if connection is None or connection[0].pid != os.getpid():
            return
        transport = connection[0]
        if not keep:
            try:
                transport.tell("release", {"processes": self.id})
            except (ProcctlError, OSError):
                pass  # With the server, the record is gone.
        idle.give(self.path, self.instance, transport)

    def watch(self, told: Callable[[], object]) -> Tuple[int, int]:
        """For an event loop: a copy of the socket, which can be read when there is something to look at, and which
        connection it is of. ``told`` is called when somebody else has read the end, in whichever thread.
        """
        connection = self._live()
        if connection is None:
            told()
            return self.generation, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        connection[1].tell(told)
        return self.generation, os.dup(connection[0].fileno())

    # Signals

    def signal(self, number: int) -> None:
        """Send a signal to the process itself. To one that has ended it is nothing. Raises TimedOut when the server does
        not answer.
        """
        params = {"processes": self.id, "signal": number, "scope": "process"}
        connection = self._live()
        try:
            if connection is None:
                return
            if connection[0].busy():
                with self._another() as other:
                    other.request("kill", params, timeout=SLACK)
            else:
                connection[0].request("kill", params, timeout=SLACK)
        except NoSuchProcess:
            pass
        except ConnectionLost:
            # Another thread has heard of the end meanwhile, and has given the connection back.
            if self.ended is None:
                raise

    # The connection

    def _live(self) -> Optional[Tuple[Transport, Pending]]:
        """The connection, made anew after a fork or when it was lost, if the same server is still there. None once the
        end is known.
        """
        with self._lock:
            if self.ended is not None:
                return None
            if self._open is not None:
                transport = self._open[0]
                if transport.lost is None and transport.pid == os.getpid():
                    return self._open
            transport = self._connect()
            self.generation += 1
            try:
                self._open = (transport, transport.begin("wait", {"processes": self.id}))
            except BaseException:
                transport.close()
                raise
            return self._open

    def _connect(self) -> Transport:
        process = f"process {self.id} (pid {self.record['pid']})"
        gone = f"{process} was under a server that has gone: how it ends is not known"
        try:
            transport, instance = open_transport(self.path, False, idle.CONNECT_TIMEOUT)
        except ServerNotRunning as error:
            raise ConnectionLost(f"{gone}; {error}") from error
        if instance != self.instance:
            transport.close()
            raise ConnectionLost(f"{gone}; another one has taken its place")
        return transport

    @contextmanager
    def _another(self) -> Iterator[Transport]:
        transport = self._connect()
        try:
            yield transport
        finally:
            transport.close()
