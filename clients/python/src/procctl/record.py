# SPDX-License-Identifier: Apache-2.0
"""What the server says about processes, as typed values. All instants are Unix milliseconds, sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Mapping, Optional, Tuple, TypedDict, Union

from ._values import data_from_wire, to_text


@dataclass(frozen=True)
class Exit:
    """How a process ended: with a ``code``, or by a ``signal`` (``core``: it dumped core, WCOREDUMP of wait(2))."""

    code: Optional[int] = None
    signal: Optional[int] = None
    signal_name: Optional[str] = None
    core: bool = False

    @property
    def returncode(self) -> int:
        """As ``subprocess`` has it: the code, or minus the signal."""
        return self.code if self.code is not None else -(self.signal or 0)

    @classmethod
    def from_wire(cls, wire: Optional[Mapping[str, Any]]) -> "Optional[Exit]":
        """From {code} or {signal, signal_name, core}."""
        if wire is None:
            return None
        return cls(wire.get("code"), wire.get("signal"), wire.get("signal_name"), bool(wire.get("core", False)))


class Owner(TypedDict):
    """Who spawned the process."""

    uid: int
    gid: int


class Faults(TypedDict):
    """Page faults."""

    minor: int
    major: int


class Switches(TypedDict):
    """Context switches."""

    voluntary: int
    involuntary: int


class Blocks(TypedDict):
    """Block operations of the file system."""

    input: int
    output: int


class Usage(TypedDict):
    """Resource usage of the process and the children it waited for (getrusage(2)): times in µs, memory in KiB."""

    user_us: int
    system_us: int
    max_rss_kib: int
    faults: Faults
    switches: Switches
    blocks: Blocks


class _Kind(TypedDict):
    kind: str


class Stream(_Kind, total=False):
    """A standard stream, or the terminal. ``start``, ``end``, ``open`` are there for a captured one ("pipe", "pty"):
    oldest byte kept, bytes so far, not ended yet; ``rows`` and ``cols`` for a terminal.

    ``accepted``, ``written``, ``closed`` are there for a stdin one can write to: bytes taken from callers, bytes of
    these handed to the program, no more is taken.
    """

    start: int
    end: int
    open: bool
    rows: int
    cols: int
    accepted: int
    written: int
    closed: bool


class Streams(TypedDict):
    """The standard streams, and the terminal of a process that has one (``pty``)."""

    stdin: Stream
    stdout: Stream
    stderr: Stream
    terminal: Optional[Stream]


class Member(TypedDict):
    """A living process of the tree."""

    pid: int
    ppid: int
    command: Any
    state: str
    cpu_us: int
    rss_kib: int


@dataclass(frozen=True)
class Record:
    """Everything the server knows of a process. ``argv`` and ``cwd`` are text as in ``sys.argv`` and ``os.getcwd()``.

    ``members`` and ``holders`` are there only when ``get`` was asked for them.
    """

    id: int
    instance: str
    name: Optional[str]
    state: str
    pid: Optional[int]
    argv: Tuple[str, ...]
    cwd: Optional[str]
    labels: Dict[str, str]
    owner: Owner
    session: Optional[int]
    started_at: Optional[int]
    replaced_at: Optional[int]
    exited_at: Optional[int]
    drained_at: Optional[int]
    exit: Optional[Exit]
    reason: Optional[str]
    usage: Optional[Usage]
    streams: Streams
    lifetime: Union[str, Dict[str, int]]
    deadline_at: Optional[int]
    generation: int
    containment: str
    members: Optional[List[Member]] = None
    holders: Optional[Dict[str, List[int]]] = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def returncode(self) -> Optional[int]:
        """The code, minus the signal, or None as long as the process lives."""
        return None if self.exit is None else self.exit.returncode

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "Record":
        """From a record of the server. Members this version does not know are kept in ``raw``."""
        known: Dict[str, Any] = {each.name: wire.get(each.name) for each in fields(cls)}
        known["argv"] = tuple(to_text(argument) for argument in wire["argv"])
        known["cwd"] = None if wire.get("cwd") is None else to_text(wire["cwd"])
        known["exit"] = Exit.from_wire(wire.get("exit"))
        known["raw"] = wire
        return cls(**known)


@dataclass(frozen=True)
class WaitResult:
    """``done``: those that have ended (in the way asked for); ``pending``: the ids of the others; ``timed_out``: the
    time was over first.
    """

    done: List[Record]
    pending: List[int]
    timed_out: bool

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "WaitResult":
        """From {done, pending, timed_out}."""
        return cls([Record.from_wire(record) for record in wire["done"]], list(wire["pending"]), wire["timed_out"])


@dataclass(frozen=True)
class KillResult:
    """What a kill did to one process and its tree: the pids that were signalled, who survived (None unless waited for),
    and how.

    ``method`` is "cgroup", "descendants", "group" or "process"; ``exact`` says whether nobody can have been missed.
    """

    process: int
    already_exited: bool
    exit: Optional[Exit]
    signal: Optional[int]
    signal_name: Optional[str]
    signalled: List[int]
    survivors: Optional[List[int]]
    method: Optional[str]
    exact: bool

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "KillResult":
        """From one entry of kill's ``processes``."""
        known: Dict[str, Any] = {each.name: wire.get(each.name) for each in fields(cls)}
        known["exit"] = Exit.from_wire(wire.get("exit"))
        known["signalled"] = list(wire.get("signalled") or [])
        return cls(**known)


class Arrival(TypedDict):
    """From ``offset`` on, bytes came ``at`` a time in Unix ms; ``order`` counts over all streams of the process."""

    offset: int
    at: int
    order: int


@dataclass(frozen=True)
class Chunk:
    """Captured output from ``offset`` on: ``data``, or ``lost`` bytes that are gone. Go on reading at ``next_offset``
    until ``end``. ``arrivals`` is there when it was asked for.
    """

    process: int
    stream: str
    offset: int
    data: bytes
    next_offset: int
    end: bool
    lost: int = 0
    arrivals: Tuple[Arrival, ...] = ()

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "Chunk":
        """From read's result, with text, base64, or a gap."""
        gap = wire.get("gap") or {}
        return cls(
            wire["process"],
            wire["stream"],
            gap.get("offset", wire["offset"]),
            data_from_wire(wire),
            wire["next_offset"],
            wire["end"],
            gap.get("length", 0),
            tuple(wire.get("arrivals", ())),
        )


@dataclass(frozen=True)
class WriteResult:
    """How far the input of a process has come: bytes ``accepted`` from all callers so far, bytes of these ``written``
    to its pipe or terminal, and whether it is ``closed`` for more.
    """

    process: int
    accepted: int
    written: int
    closed: bool

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "WriteResult":
        """From write's result."""
        return cls(wire["process"], wire["accepted"], wire["written"], wire["closed"])


class Info(TypedDict):
    """What the server says about itself."""

    name: str
    version: str
    instance: str
    pid: int
    uid: int
    started_at: int
    socket: Any
    limits: Dict[str, int]
    kernel: Dict[str, Any]
    containment: str
    counts: Dict[str, int]
