# SPDX-License-Identifier: Apache-2.0
"""What a subscription tells: one type for each of the server's notifications. Offsets and lengths are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from ._values import data_from_wire, to_text
from .record import Record

EVENTS = ("started", "output", "stopped", "continued", "exited", "drained", "replaced")
"""The names ``subscribe`` has for them. Gaps belong to "output"."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a process, which is named by its id."""

    process: int


@dataclass(frozen=True)
class Started(Event):
    """The program has been started."""

    record: Record


@dataclass(frozen=True)
class Output(Event):
    """Bytes of a captured stream, ``offset`` is that of the first. A character of UTF-8 is never split."""

    stream: str
    offset: int
    data: bytes

    @property
    def next_offset(self) -> int:
        """The offset of the byte behind them."""
        return self.offset + len(self.data)


@dataclass(frozen=True)
class Gap(Event):
    """``length`` bytes of a captured stream, from ``offset`` on, were dropped before they could be sent."""

    stream: str
    offset: int
    length: int

    @property
    def next_offset(self) -> int:
        """The offset of the byte behind them."""
        return self.offset + self.length


@dataclass(frozen=True)
class Stopped(Event):
    """It was stopped by a signal."""

    signal: int
    signal_name: str


@dataclass(frozen=True)
class Continued(Event):
    """It goes on."""


@dataclass(frozen=True)
class Replaced(Event):
    """Another program runs in it. ``offsets`` says where, in each stream, the output of that one begins."""

    offsets: Dict[str, int]
    argv: Tuple[str, ...]
    generation: int


@dataclass(frozen=True)
class Exited(Event):
    """It has ended, and all output that was there by then has been told."""

    record: Record


@dataclass(frozen=True)
class Drained(Event):
    """Its captured streams have ended too. The last event of a process."""

    record: Record


def _replaced(params: Mapping[str, Any]) -> Event:
    argv = tuple(to_text(argument) for argument in params["argv"])
    return Replaced(params["process"], dict(params["offsets"]), argv, params["generation"])


_MAKE: Dict[str, Callable[[Mapping[str, Any]], Event]] = {
    "started": lambda params: Started(params["process"], Record.from_wire(params["record"])),
    "output": lambda params: Output(params["process"], params["stream"], params["offset"], data_from_wire(params)),
    "gap": lambda params: Gap(params["process"], params["stream"], params["offset"], params["length"]),
    "stopped": lambda params: Stopped(params["process"], params["signal"], params["signal_name"]),
    "continued": lambda params: Continued(params["process"]),
    "replaced": _replaced,
    "exited": lambda params: Exited(params["process"], Record.from_wire(params["record"])),
    "drained": lambda params: Drained(params["process"], Record.from_wire(params["record"])),
}


def from_notification(message: Mapping[str, Any]) -> Optional[Event]:
    """The event in a notification; None for one that this version does not know."""
    make = _MAKE.get(message["method"])
    return None if make is None else make(message["params"])
