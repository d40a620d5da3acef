# SPDX-License-Identifier: Apache-2.0
"""The values that ``spawn`` takes for its richer parameters. Each knows what it looks like on the wire."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Protocol, Sequence, Tuple, TypedDict, Union

from ._values import BytesLike, SignalLike, milliseconds, signal_to_wire, to_wire


class HasFileno(Protocol):
    """A file, socket, or anything else with a descriptor."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


class Default(enum.Enum):
    """``SERVER`` for a parameter that this client would fill in from its own process: the server's own value is used
    instead.
    """

    SERVER = "server"


SERVER = Default.SERVER


@dataclass(frozen=True)
class File:
    """A file the server opens for the program, with the program's ids and relative to its cwd.

    ``mode`` is for stdout and stderr: "truncate" (the default), "append" or "create-new". A FIFO nobody reads is an
    error (ENXIO), not a wait.
    """

    path: BytesLike
    mode: Optional[str] = None

    def to_wire(self) -> Dict[str, Any]:
        """{file, mode}"""
        wire: Dict[str, Any] = {"file": to_wire(self.path, "path")}
        if self.mode is not None:
            wire["mode"] = self.mode
        return wire


@dataclass(frozen=True)
class Stop:
    """How a process is ended by a deadline, a lease, the end of a connection or a shutdown: a signal, ``grace``
    seconds, then KILL.
    """

    signal: SignalLike = "TERM"
    grace: float = 10.0

    def to_wire(self) -> Dict[str, Any]:
        """{signal, grace_ms}"""
        return {"signal": signal_to_wire(self.signal), "grace_ms": milliseconds(self.grace, "grace")}


@dataclass(frozen=True)
class Lease:
    """A lifetime: the process is stopped when nobody has asked about it for so many seconds."""

    seconds: float

    def to_wire(self) -> Dict[str, Any]:
        """{lease_ms}"""
        return {"lease_ms": milliseconds(self.seconds, "lease")}


@dataclass(frozen=True)
class Output:
    """How much captured output is kept, per stream in bytes, and what happens when it is full: "discard-oldest",
    "block", or "block-while-followed".
    """

    limit: Optional[int] = None
    when_full: Optional[str] = None

    def to_wire(self) -> Dict[str, Any]:
        """{limit, when_full}"""
        wire = {"limit": self.limit, "when_full": self.when_full}
        return {key: value for key, value in wire.items() if value is not None}


@dataclass(frozen=True)
class Terminal:
    """A terminal for the program: its size (24 by 80) and the value of TERM ("xterm-256color"), unless ``env`` has
    one.
    """

    rows: Optional[int] = None
    cols: Optional[int] = None
    term: Optional[BytesLike] = None

    def to_wire(self) -> Dict[str, Any]:
        """{rows, cols, term}"""
        term = None if self.term is None else to_wire(self.term, "term")
        wire = {"rows": self.rows, "cols": self.cols, "term": term}
        return {key: value for key, value in wire.items() if value is not None}


@dataclass(frozen=True)
class Signals:
    """Signals the program starts with ignored and blocked. By default ("fresh") it has none."""

    ignored: Tuple[SignalLike, ...] = ()
    blocked: Tuple[SignalLike, ...] = ()

    def to_wire(self) -> Dict[str, Any]:
        """{ignored, blocked}"""
        return {"ignored": _signals(self.ignored), "blocked": _signals(self.blocked)}


def _signals(values: Iterable[SignalLike]) -> List[Union[int, str]]:
    return [signal_to_wire(value) for value in values]


Stdio = Union[None, str, int, HasFileno, File]
"""A standard stream: a descriptor or file object to pass along, a File for the server to open, or a word: "null",
"pipe" (captured by the server; stdin: see ``Client.write``), "stdout" (stderr only). ``subprocess.PIPE``, ``DEVNULL``
and ``STDOUT`` mean the same. None is the server's default."""

Lifetime = Union[str, Lease]
"""``"detached"`` (the default), ``"connection"``, or a Lease."""

Argv = Sequence[BytesLike]
Files = Union[BytesLike, Sequence[BytesLike]]
Env = Mapping[Any, Any]
Cwd = Union[Default, int, BytesLike]
Limit = Union[int, str]
Rlimit = Union[Limit, Tuple[Limit, Limit]]


class SpawnOptions(TypedDict, total=False):
    """The keywords of ``spawn``; each may be left out, or be None, which is the same."""

    file: Optional[Files]
    """The program, if it is not argv[0]: a path, or candidates tried one after the other as execvp(3) does."""
    env: Optional[Env]
    """The whole environment (left out: this process's own); with ``env_base`` what changes in that one, None unsets."""
    env_base: Optional[str]
    """"inherit": the server's environment; "empty"."""
    cwd: Optional[Cwd]
    """The working directory: a path, or a descriptor of it. Left out: this process's own; SERVER: the server's."""
    stdin: Stdio
    """The server's default is "null", or the terminal if there is one. "pipe": what ``Client.write`` sends."""
    stdout: Stdio
    """The server's default is "pipe": captured, see ``Process.output``."""
    stderr: Stdio
    """The server's default is "pipe"; "stdout" sends it where stdout goes."""
    pass_fds: Iterable[Union[int, HasFileno]]
    """Descriptors the program gets under the numbers they have here."""
    fds: Optional[Mapping[int, Union[int, HasFileno]]]
    """Descriptors the program gets under other numbers: {number there: descriptor here}."""
    user: Union[None, int, str]
    """The user the program runs as, by id or name; ``group`` and ``groups`` likewise."""
    group: Union[None, int, str]
    groups: Optional[Sequence[Union[int, str]]]
    umask: Union[None, int, Default]
    """Left out: this process's own; SERVER: the server's."""
    nice: Optional[int]
    """Absolute, -20 to 19."""
    rlimits: Optional[Mapping[str, Rlimit]]
    """{"nofile": 1024}, {"core": "unlimited"}, {"as": (soft, hard)}: names of getrlimit(2) in lower case without
    RLIMIT_."""
    no_new_privileges: Optional[bool]
    signals: Union[None, str, Signals]
    """"fresh": nothing ignored, nothing blocked, which is the default; or Signals."""
    name: Optional[str]
    """A unique name among the living processes of this user."""
    labels: Optional[Mapping[str, str]]
    timeout: Optional[float]
    """Seconds the program may run; then it is stopped by its ``stop`` rule, with reason "deadline"."""
    stop: Optional[Stop]
    lifetime: Optional[Lifetime]
    output: Optional[Output]
    hold: Optional[bool]
    """Create the process without starting the program yet; ``Process.exec_replace`` starts it."""
    session: Union[None, str, int]
    """"new" (the default: setsid), "group" (a process group of its own), "apart" (likewise, led by nobody), "inherit", or
    the number of a process group to join."""
    start_timeout: Optional[float]
    """Seconds a start may take, 10 by default."""
    pty: Union[None, bool, Terminal]
    """A terminal of the server's for the program: True, or a Terminal. Its stdin, stdout and stderr, unless given, and
    its controlling terminal; needs a session of its own ("new")."""
