# SPDX-License-Identifier: Apache-2.0
"""The server's methods but those that start programs: from arguments to params, from answers to values. All durations
are seconds.

Every function here is a method of ``procctl.Client`` and of ``procctl.aio.Client``, with this signature and this
docstring.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from ._selectors import Ref, Selector, process_to_wire, processes_to_wire
from ._spawn import lifetime_to_wire, present
from ._steps import Steps, ask
from ._values import SignalLike, data_to_wire, milliseconds, signal_to_wire
from .options import Lifetime, Stop
from .record import Chunk, Info, KillResult, Record, WaitResult, WriteResult

Data = Union[bytes, bytearray, memoryview]

SLACK = 10.0
"""Seconds an answer may come later than the time the server was given, before this client takes the server for hung."""

# Waiting and ending


def wait(
    processes: Selector, *, mode: str = "all", until: str = "exited", timeout: Optional[float] = None
) -> Steps[WaitResult]:
    """Wait for processes: "all", "any" or "first-failure"; until "exited", or "drained" (their captured streams have
    ended too).
    """
    params: Dict[str, Any] = {"processes": processes_to_wire(processes), "mode": mode, "until": until}
    return ask("wait", _timed(params, timeout), WaitResult.from_wire, _given_up(timeout))


def kill(
    processes: Selector,
    signal: Optional[SignalLike] = None,
    *,
    scope: str = "tree",
    escalate_after: Union[float, str, None] = None,
    wait: bool = False,
    timeout: Optional[float] = None,
) -> Steps[List[KillResult]]:
    """Send a signal (left out: that of the process's stop rule) to each process's "tree", "group", or the "process"
    alone.

    ``escalate_after``: seconds after which whoever is left in the tree is killed, or "stop": the grace of each one's
    stop rule. ``wait``: return when the tree is empty, or ``timeout`` (the escalation and 30 s) has passed, with the
    survivors.
    """
    params: Dict[str, Any] = {"processes": processes_to_wire(processes), "scope": scope}
    if signal is not None:
        params["signal"] = signal_to_wire(signal)
    if isinstance(escalate_after, str):
        params["escalate_after_ms"] = escalate_after
    elif escalate_after is not None:
        params["escalate_after_ms"] = milliseconds(escalate_after, "escalate_after")
    if wait:
        params["wait"] = True

    def read(answer: Any) -> List[KillResult]:
        return [KillResult.from_wire(entry) for entry in answer["processes"]]

    return ask("kill", _timed(params, timeout), read, _given_up(timeout))


def release(processes: Selector) -> Steps[List[int]]:
    """Forget processes that have ended; returns their ids."""
    return ask("release", {"processes": processes_to_wire(processes)}, lambda answer: [*answer["released"]])


# Looking and changing


def list(
    processes: Optional[Selector] = None,
    *,
    state: Union[None, str, Sequence[str]] = None,
    name: Optional[str] = None,
    labels: Optional[Mapping[str, str]] = None,
) -> Steps[List[Record]]:
    """The records of all processes this user may see, or of those that match."""
    params = {
        "processes": None if processes is None else processes_to_wire(processes),
        "state": state if state is None or isinstance(state, str) else [*state],
        "name": name,
        "labels": None if labels is None else dict(labels),
    }
    return ask("list", present(params), lambda answer: [Record.from_wire(record) for record in answer["processes"]])


def get(process: Ref, *, members: bool = False, holders: bool = False) -> Steps[Record]:
    """A process's record; if asked also the living ``members`` of its tree, and who holds its streams open
    (``holders``).
    """
    params = {"process": process_to_wire(process), "members": members or None, "holders": holders or None}
    return ask("get", present(params), Record.from_wire)


def process(process: Ref) -> Steps[Record]:
    """A handle of a process that exists already."""
    return get(process)


def read(
    process: Ref,
    stream: str = "stdout",
    offset: int = 0,
    limit: int = 65536,
    timeout: float = 0.0,
    *,
    arrivals: bool = False,
) -> Steps[Chunk]:
    """Captured output ("stdout", "stderr", "terminal") from a byte on, at most ``limit`` bytes. With none there yet it
    waits for up to ``timeout`` seconds. ``arrivals``: say also when it came.
    """
    params = {"process": process_to_wire(process), "stream": stream, "offset": offset, "limit": limit}
    if arrivals:
        params["arrivals"] = True
    return ask("read", _timed(params, timeout), Chunk.from_wire, _given_up(timeout))


def write(process: Ref, data: Union[None, str, Data] = None, eof: bool = False) -> Steps[WriteResult]:
    """Send bytes (text as UTF-8) to a process's stdin of kind "pipe", or to its terminal; with ``eof`` the input ends
    behind them.

    Returns when all are queued, which is at once unless the program is behind with reading. Raises StreamClosed when it
    reads no more.
    """
    params: Dict[str, Any] = {"process": process_to_wire(process)}
    if data is not None:
        params["data"] = data if isinstance(data, str) else data_to_wire(bytes(data))
    if eof:
        params["eof"] = True
    return ask("write", params, WriteResult.from_wire)


def resize(process: Ref, rows: int, cols: int) -> Steps[os.terminal_size]:
    """Give a process's terminal another size; the programs in its foreground are told (SIGWINCH)."""
    params = {"process": process_to_wire(process), "rows": rows, "cols": cols}
    return ask("resize", params, lambda size: os.terminal_size((size["cols"], size["rows"])))


def subscribe(
    processes: Selector = "all",
    events: Optional[Sequence[str]] = None,
    from_: Optional[Mapping[str, int]] = None,
    lossless: bool = False,
    streams: Optional[Sequence[str]] = None,
    stall: Optional[float] = None,
) -> Dict[str, Any]:
    """What happens to processes from now on, as an iterator; also the end of those that have ended already.

    ``events``: only these ("started", "output", "stopped", "continued", "exited", "drained", "replaced").
    ``from_``: the offsets to begin at, by stream; a stream not named begins where it is now, and at 0 in a process
    still to come. ``streams``: output of these only. ``lossless``: programs in block mode wait for this subscriber, for
    at most ``stall`` seconds (30) in which it takes nothing.
    """
    params = {
        "processes": processes_to_wire(processes),
        "events": [events] if isinstance(events, str) else events and [*events],
        "from": None if from_ is None else {**from_},
        "lossless": lossless or None,
        "streams": [streams] if isinstance(streams, str) else streams and [*streams],
        "stall_ms": None if stall is None else milliseconds(stall, "stall"),
    }
    return present(params)


def update(
    process: Ref,
    *,
    name: Optional[str] = None,
    labels: Optional[Mapping[str, str]] = None,
    lifetime: Optional[Lifetime] = None,
    timeout: Union[None, float, str] = None,
    stop: Optional[Stop] = None,
) -> Steps[Record]:
    """Change what is given: ``labels`` replaces them all; ``timeout`` is a new deadline in seconds from now, "none"
    removes it.
    """
    params = {
        "process": process_to_wire(process),
        "name": name,
        "labels": None if labels is None else dict(labels),
        "lifetime": lifetime_to_wire(lifetime),
        "timeout_ms": timeout if timeout is None or isinstance(timeout, str) else milliseconds(timeout),
        "stop": None if stop is None else stop.to_wire(),
    }
    return ask("update", present(params), Record.from_wire)


# The server


def ping() -> Steps[str]:
    """The server's instance, as a sign of life."""
    return ask("ping", None, lambda answer: str(answer["instance"]))


def info() -> Steps[Info]:
    """Version, limits, and what this kernel and container allow."""

    def read(answer: Info) -> Info:
        return answer

    return ask("info", None, read)


def shutdown() -> Steps[int]:
    """End the server; returns how many processes are being stopped for it, each by its stop rule."""
    return ask("shutdown", None, lambda answer: int(answer["stopping"]))


def discover() -> Steps[Dict[str, Any]]:
    """The server's description of itself: an OpenRPC document."""
    return ask("rpc.discover", None, dict)


def _timed(params: Dict[str, Any], timeout: Optional[float]) -> Dict[str, Any]:
    return params if timeout is None else {**params, "timeout_ms": milliseconds(timeout)}


def _given_up(timeout: Optional[float]) -> Optional[float]:
    """The server ends such a request by itself: the client gives up only when the server does not."""
    return None if timeout is None else timeout + SLACK
