# SPDX-License-Identifier: Apache-2.0
"""How far a subscription has been told, and so how it goes on after its connection was lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Set

from . import events
from ._steps import Request, Steps
from .errors import SubscriptionEnded
from .events import EVENTS, Event, from_notification

REMEMBERED = 1 << 16
"""Of so many processes that have ended is known that they have: more than a server keeps records of."""

_START = {"stdout": 0, "stderr": 0, "terminal": 0}


class Tracker:
    """What was told so far, and so what is still to be told.

    A subscription goes on by another one that begins where the first left off. With several processes that is where the
    one that is furthest behind left off, with labels or "all" the beginning, for the sake of those that came up
    meanwhile: what is told a second time is cut off here, to the byte.
    """

    id: int
    """Its number at the server."""
    processes: List[int]
    """The ids it was about at its beginning."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        selector = params.get("processes", "all")
        self._live = selector == "all" or isinstance(selector, Mapping)
        self._wanted = set(params.get("events", EVENTS))
        # Who is last to be told of a process: without output there is no need to wait until it is drained.
        self._last = "drained" if self._wanted & {"output", "drained"} else "exited"
        # Asked for in any case: that is when a process can be forgotten here.
        self._params = {**params, "events": sorted(self._wanted | {self._last})}
        self._origin: Dict[str, int] = params.get("from", {})
        self._closed = False
        self._over = False
        # How far each stream of each process has been told; who has not ended, who has exited of these, who has ended.
        self._reached: Dict[int, Dict[str, int]] = {}
        self._open: Set[int] = set()
        self._exited: Set[int] = set()
        self._ended: Dict[int, None] = {}

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.Subscription {self.id}{' closed' if self._closed else ''}>"

    def _beginning(self) -> Steps[None]:
        """Subscribe."""
        if "output" in self._wanted:
            # Where "now" is, in the streams whose beginning the caller left open: after a reconnect before their first
            # byte it could not be found again.
            listed = yield Request("list", {"processes": self._params["processes"]})
            for record in listed["processes"]:
                ends = {name: each["end"] for name, each in record["streams"].items() if each and "end" in each}
                self._reached[record["id"]] = {**ends, **self._origin}
        answer = yield Request("subscribe", self._params)
        self.id, self.processes = answer["subscription"], [*answer["processes"]]
        self._open.update(self.processes)

    def _resuming(self) -> Steps[None]:
        """Subscribe again, to go on where it was. Raises NoSuchProcess for one named by its id and forgotten by now."""
        if self._live:
            params = {**self._params, "from": {**_START, **self._origin}}
        else:
            reached = [self._reached.get(process, {}) for process in self._open]
            streams = {stream for each in reached for stream in each}
            origin = {stream: min(each[stream] for each in reached if stream in each) for stream in streams}
            params = {**self._params, "processes": sorted(self._open), "from": {**self._origin, **origin}}
        answer = yield Request("subscribe", params)
        self.id, self._over = answer["subscription"], False
        # In a crowd, one that was released meanwhile is just gone.
        for process in self._open.difference(answer["processes"]):
            self._forget(process)

    def _is_done(self) -> bool:
        return self._closed or not (self._live or self._open)

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
        self._open.add(event.process)
        if isinstance(event, (events.Output, events.Gap)):
            return self._cut(event)
        if name == "started":
            self._reached.setdefault(event.process, {**_START, **self._origin})
        repeated = name == "exited" and event.process in self._exited
        if name == "exited":
            self._exited.add(event.process)
        if name == self._last:
            self._forget(event.process)
        return None if repeated or name not in self._wanted else event

    def _cut(self, event: "events.Output | events.Gap") -> Optional[Event]:
        """What of it was not told before."""
        reached = self._reached.setdefault(event.process, {})
        known = reached.get(event.stream, event.offset) - event.offset
        if event.next_offset - event.offset <= known:
            return None
        reached[event.stream] = event.next_offset
        if known <= 0:
            return event
        if isinstance(event, events.Gap):
            return replace(event, offset=event.offset + known, length=event.length - known)
        return replace(event, offset=event.offset + known, data=event.data[known:])

    def _forget(self, process: int) -> None:
        self._open.discard(process)
        self._exited.discard(process)
        self._reached.pop(process, None)
        # Only a reconnect could bring up again what has ended, and only as long as the server has not forgotten it.
        self._ended[process] = None
        if len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]
