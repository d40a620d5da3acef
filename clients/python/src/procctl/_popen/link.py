# SPDX-License-Identifier: Apache-2.0
"""A process of the server, and where its end is heard.

A ``wait`` is outstanding from the start on, on a connection that many processes share (``pool``), so that to ask for the
end is to look at a socket. No thread: whoever waits reads, and hands to the others what is theirs.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import _fork
from .._pending import Pending
from .._transport import Transport
from ..errors import ConnectionLost, NoSuchProcess, ServerNotRunning, TimedOut
from .pool import Shared, in_main, pool

SLACK = 10.0
"""Seconds an answer may take, beside the time the server gives a start, before it is taken for hung."""

Wait = Tuple[Shared, Pending]
"""A request that waits for the end, and on which connection."""


class Link:
    """A process that has been started."""

    def __init__(self, path: bytes, params: Dict[str, Any], descriptors: Sequence[int]) -> None:
        self.path = path
        """The server's socket."""
        # A signal handler may ask in the middle of being asked.
        self._lock = threading.RLock()
        self._waits: Dict[bool, Wait] = {}
        self.ended: Optional[Mapping[str, Any]] = None
        """The process's last record, once its end is known."""
        self.generation = 0
        """How often it was asked anew."""
        deadline = time.monotonic() + params.get("start_timeout_ms", 10_000) / 1000 + SLACK
        with pool.asking(path, autostart=True) as shared:
            self.instance = shared.instance
            self.record: Mapping[str, Any]
            self.record, wait = self._start(shared, params, descriptors, deadline)
            self._waits[shared.is_main] = shared, wait
        _fork.watch(self)

    @staticmethod
    def _start(
        shared: Shared, params: Dict[str, Any], descriptors: Sequence[int], deadline: float
    ) -> Tuple[Mapping[str, Any], Pending]:
        """The record of the new process, and the request that waits for its end."""
        transport = shared.transport
        if "name" in params:
            # While another one has the name, it would be waited for that.
            record = transport.finish(transport.begin("spawn", params, descriptors, deadline), deadline)
            return record, shared.wait(record["id"], deadline)
        # A name of its own, so that the wait can be sent right behind the spawn.
        name = "popen-" + os.urandom(8).hex()
        spawn = transport.begin("spawn", {**params, "name": name}, descriptors, deadline)
        wait = shared.wait(name, deadline)
        try:
            return transport.finish(spawn, deadline), wait
        except BaseException:
            transport.forget(spawn)
            shared.forget(wait)
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
        for shared, wait in getattr(self, "_waits", {}).values():
            if shared.transport.pid == getpid():
                shared.forget(wait)

    # Its end

    def look(self) -> Optional[Mapping[str, Any]]:
        """Its last record if it has ended, as far as is known without waiting."""
        waits = self._asked()
        for shared, wait in waits:
            if shared.transport.look(wait):
                self._finish(shared.transport, wait, None)
                return self.ended
        if any(shared.transport.busy() for shared, _ in waits):
            # A signal handler, while its own thread reads there.
            self._ask_aside(time.monotonic())
        elif not in_main() and all(shared.is_main and shared.transport.led for shared, _ in waits):
            self._here()
        return self.ended

    def is_ours(self) -> bool:
        """Whether it was asked for by this very process, which may have been forked off since."""
        return all(shared.transport.pid == os.getpid() for shared, _ in self._waits.values())

    def wait(self, deadline: Optional[float]) -> Mapping[str, Any]:
        """Its last record, when it has ended. Raises TimedOut at the deadline."""
        while True:
            here = self._here()
            if here is None:
                assert self.ended is not None
                return self.ended
            shared, wait = here
            if shared.transport.busy():
                self._ask_aside(deadline)
                if self.ended is None and deadline is not None and time.monotonic() >= deadline:
                    raise TimedOut("timed out while waiting for the process")
            else:
                self._finish(shared.transport, wait, deadline)

    def _finish(self, transport: Transport, wait: Pending, deadline: Optional[float]) -> None:
        try:
            self.ended = transport.finish(wait, deadline)["done"][0]
        except ConnectionLost:
            pass  # It is asked anew by the next look, if the server is still there.

    def _ask_aside(self, deadline: Optional[float]) -> None:
        """Ask on another connection, for a signal handler whose own thread reads on the usual one."""
        params: Dict[str, Any] = {"processes": self.id}
        if deadline is not None:
            params["timeout_ms"] = max(0, int((deadline - time.monotonic()) * 1000))
        with self._asking() as shared:
            done = shared.transport.request("wait", params, timeout=None if deadline is None else SLACK)["done"]
        if done:
            self.ended = done[0]

    def settle(self, keep: bool, dropped: bool) -> None:
        """The end is known here. Have the server forget the process, unless it is to ``keep`` it. When it was
        ``dropped``, this may be garbage collection, in the middle of anything: no other lock must be asked for.
        """
        with self._lock:
            waits, self._waits = self._waits, {}
        for shared, wait in waits.values():
            if not keep:
                shared.transport.tell("release", {"processes": self.id})
                keep = True
            shared.waits.discard(wait)
        if waits and not dropped:
            pool.tidy()

    def watch(self, told: Callable[[], object]) -> Tuple[int, Optional[Transport]]:
        """For an event loop: the connection to watch, None once the end is known, and how often it was another one
        before. ``told`` is called, in whichever thread, when the end has been read there or the connection is lost.
        """
        here = self._here()
        if here is None:
            told()
            return self.generation, None
        here[1].tell(told)
        return self.generation, here[0].transport

    # Signals

    def signal(self, number: int) -> None:
        """Send a signal to the process itself. To one that has ended it is nothing. Raises TimedOut when the server does
        not answer.
        """
        params = {"processes": self.id, "signal": number, "scope": "process"}
        try:
            with self._asking() as shared:
                shared.transport.request("kill", params, timeout=SLACK)
        except NoSuchProcess:
            pass
        except ConnectionLost:
            # Another thread has heard of the end meanwhile.
            if self.ended is None:
                raise

    # Where it is asked

    def _asked(self) -> List[Wait]:
        """Where its end will be heard. It is asked anew after a fork or when all connections were lost. None once the
        end is known.
        """
        with self._lock:
            if self.ended is not None:
                return []
            for is_main, (shared, wait) in [*self._waits.items()]:
                if shared.transport.lost is not None and not wait.reply:
                    del self._waits[is_main]
            if not self._waits:
                self._here()
            return [*self._waits.values()]

    def _here(self) -> Optional[Wait]:
        """Where this thread may wait for it; None once the end is known."""
        with self._lock:
            here = self._waits.get(in_main())
            if self.ended is None and (here is None or (here[0].transport.lost is not None and not here[1].reply)):
                with self._asking() as shared:
                    here = shared, shared.wait(self.id)
                self._waits[shared.is_main] = here
                self.generation += 1
            return None if self.ended is not None else here

    @contextmanager
    def _asking(self) -> Iterator[Shared]:
        """A connection to the server that has the process."""
        gone = f"process {self.id} (pid {self.record['pid']}) was under a server that has gone: how it ends is not known"
        try:
            with pool.asking(self.path) as shared:
                if shared.instance != self.instance:
                    raise ConnectionLost(f"{gone}; another one has taken its place")
                yield shared
        except ServerNotRunning as error:
            raise ConnectionLost(f"{gone}; {error}") from error
