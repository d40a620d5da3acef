# SPDX-License-Identifier: Apache-2.0
"""What happens to processes, as it happens.

Each subscription has a connection of its own: a reader that is slow, or has stopped, holds up nothing but itself, and
what it has not taken yet waits at the server instead of in this process's memory.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Type

from . import events
from ._transport import Transport
from .errors import ConnectionLost, NoSuchProcess, ProcctlError, SubscriptionEnded
from .events import EVENTS, Event, from_notification

REMEMBERED = 1 << 16
"""Of so many processes that have ended is known that they have: more than a server keeps records of."""

Opener = Callable[[bool], Tuple[Transport, str]]
"""Opens a connection; whether a server may be started for it."""


class Tracker:
    """What was told so far, and so what is still to be told."""

    id: int
    processes: List[int]

    def __init__(self, params: Mapping[str, Any]) -> None:
        selector = params.get("processes", "all")
        self._live = selector == "all" or isinstance(selector, Mapping)
        self._wanted = set(params.get("events", EVENTS))
        # Who is last to be told of a process: without output there is no need to wait until it is drained.
        self._last = "drained" if self._wanted & {"output", "drained"} else "exited"
        # Asked for in any case: that is when a process can be forgotten here.
        self._params = {**params, "events": sorted(self._wanted | {self._last})}
        self._closed = False
        self._over = False
        # How far each stream of each process has been told; who has not ended, who has exited of these, who has ended.
        self._reached: Dict[int, Dict[str, int]] = {}
        self._open: Set[int] = set()
        self._exited: Set[int] = set()
        self._ended: Dict[int, None] = {}
        # After a reconnect: those with a subscription of their own beside that of the labels.
        self._apart: Set[int] = set()

    def _needs_ends(self) -> bool:
        return not self._live and "output" in self._wanted

    def _note_ends(self, listed: Mapping[str, Any]) -> None:
        """Where "now" is, in the streams whose beginning the caller left open; else it could not be found again after a
        reconnect before their first byte.
        """
        origin = self._params.get("from", {})
        for record in listed["processes"]:
            streams = {name: stream["end"] for name, stream in record["streams"].items() if stream and "end" in stream}
            self._reached[record["id"]] = {**streams, **origin}

    def _begin(self, answer: Mapping[str, Any]) -> None:
        self.id = answer["subscription"]
        self.processes = list(answer["processes"])
        self._open.update(self.processes)

    def _params_of(self, process: int) -> Dict[str, Any]:
        """To go on with one process where it was."""
        origin = {**self._params.get("from", {}), **self._reached.get(process, {})}
        return {**self._params, "processes": process, "from": origin}

    def _params_of_others(self) -> Dict[str, Any]:
        """To go on with those that have come up meanwhile. What is told of the others by this subscription too is left
        out.
        """
        self._apart = set(self._open)
        return {**self._params, "from": {"stdout": 0, "stderr": 0, "terminal": 0}}

    def _take(self, message: Mapping[str, Any]) -> Optional[Event]:
        """The event of a notification, unless it is to be kept from the caller."""
        name, params = message["method"], message["params"]
        if name == "subscription_ended":
            self._over = True
            reason = params.get("reason")
            raise SubscriptionEnded(
                f"the server has ended subscription {self.id}: {reason}",
                data={"kind": "subscription_ended", "subscription": self.id, "reason": reason},
            )
        event = from_notification(message)
        if event is None or event.process in self._ended:
            return None
        if self._live and params["subscription"] == self.id and event.process in self._apart:
            return None
        self._open.add(event.process)
        if isinstance(event, (events.Output, events.Gap)):
            # From its beginning on it is the server that counts.
            self._reached.setdefault(event.process, {})[event.stream] = event.next_offset
        elif name == "started" and event.process not in self._reached:
            origin = self._params.get("from", {})
            self._reached[event.process] = {"stdout": 0, "stderr": 0, "terminal": 0, **origin}
        repeated = name == "exited" and event.process in self._exited
        if name == "exited":
            self._exited.add(event.process)
        if name == self._last:
            self._forget(event.process)
        wanted = "output" if name == "gap" else name
        return None if repeated or wanted not in self._wanted else event

    def _forget(self, process: int) -> None:
        self._open.discard(process)
        self._exited.discard(process)
        self._apart.discard(process)
        self._reached.pop(process, None)
        # Only a reconnect could bring up again what has ended, and only as long as the server has not forgotten it.
        self._ended[process] = None
        if len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]


class Subscription(Tracker, Iterator[Event]):
    """An iterator over the events of processes. A context manager: leaving it ends the subscription.

    With ids, names or handles it ends by itself when the last of the processes has ended and all its output was told;
    with labels or "all" it ends when it is closed. Should the connection be lost while the server lives, it goes on at
    the offsets it had reached: no byte is told twice or left out (but with labels or "all" from a stream of which none
    was told yet); a state that changed and changed back meanwhile is missed.

    ``id`` is its number at the server, ``processes`` the ids it was about at its beginning.
    """

    def __init__(self, opener: Opener, params: Mapping[str, Any]) -> None:
        self._opener = opener
        super().__init__(params)
        self._reading = threading.Lock()
        self._transport, self.instance = opener(True)
        try:
            if self._needs_ends():
                self._note_ends(self._transport.request("list", {"processes": params["processes"]}))
            answer = self._transport.request("subscribe", self._params, listen=True)
        except BaseException:
            self._transport.close()
            raise
        self._begin(answer)

    def next(self, timeout: Optional[float] = None) -> Event:
        """The next event. Raises TimedOut when none comes within ``timeout`` seconds, StopIteration at the end,
        SubscriptionEnded when the server has ended it, ConnectionLost when the server is gone.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._reading:
            while not self._closed:
                if not self._live and not self._open:
                    break
                try:
                    message = self._transport.receive(deadline)
                except ConnectionLost:
                    if self._closed or self._over:
                        break
                    self._resume()
                    continue
                event = self._take(message)
                if event is not None:
                    return event
        self._transport.close()
        raise StopIteration

    def unsubscribe(self) -> None:
        """End it at the server. What had been told by then can still be taken, then the iteration is over."""
        if not self._over and not self._closed:
            self._transport.request("unsubscribe", {"subscription": self.id})
            self._over = True
        self._transport.close()

    def close(self) -> None:
        """End it at once; a thread that waits for an event meets the end of the iteration."""
        self._closed = True
        self._transport.close()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def _resume(self) -> None:
        """On another connection to the same server, subscribe again from where we are. Raises ConnectionLost if that is
        not to be had.
        """
        lost = self._transport.lost or "the connection to the server was lost"
        try:
            transport, instance = self._opener(False)
        except (ProcctlError, OSError) as error:
            raise ConnectionLost(f"{lost}; {error}") from error
        try:
            if instance != self.instance:
                raise ConnectionLost(f"{lost}; another server has taken its place")
            for process in sorted(self._open):
                self._resume_one(transport, process)
            if self._live:
                self.id = transport.request("subscribe", self._params_of_others(), listen=True)["subscription"]
        except BaseException:
            transport.close()
            raise
        self._transport = transport
        if self._closed:
            transport.close()

    def _resume_one(self, transport: Transport, process: int) -> None:
        try:
            self.id = transport.request("subscribe", self._params_of(process), listen=True)["subscription"]
        except NoSuchProcess:
            # It was released meanwhile. Who asked for it by its id has to know, in a crowd it is just gone.
            if not self._live:
                raise
            self._forget(process)

    def __iter__(self) -> "Subscription":
        return self

    def __next__(self) -> Event:
        return self.next()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<procctl.Subscription {self.id}{' closed' if self._closed else ''}>"


def subscribe_params(
    processes: Any,
    kinds: Optional[Sequence[str]],
    origin: Optional[Mapping[str, int]],
    lossless: bool,
    streams: Optional[Sequence[str]],
) -> Dict[str, Any]:
    """The params of ``subscribe``; a word alone is taken for a list of it."""
    params: Dict[str, Any] = {"processes": processes}
    if kinds is not None:
        params["events"] = [kinds] if isinstance(kinds, str) else list(kinds)
    if origin is not None:
        params["from"] = dict(origin)
    if lossless:
        params["lossless"] = True
    if streams is not None:
        params["streams"] = [streams] if isinstance(streams, str) else list(streams)
    return params
