# SPDX-License-Identifier: Apache-2.0
"""A handle of one process: what it knows by itself, and what its methods ask.

Every function here is a method of ``procctl.Process`` and of ``procctl.aio.Process``, with this docstring and this
signature but for the process itself.
"""

from __future__ import annotations

import signal as signals
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, Generic, Optional, Protocol, TypeVar, Union

from . import _requests
from ._steps import Steps
from ._values import SignalLike
from .errors import NoSuchProcess, TimedOut
from .record import Exit, KillResult, Record

T = TypeVar("T")
Reader = TypeVar("Reader")
Writer = TypeVar("Writer")
Both = TypeVar("Both")


class Connected(Protocol):
    """A client, as far as a handle needs to know."""

    instance: str


class Handle(ABC, Generic[Reader, Writer, Both]):
    """A process under the server's care. The handle is not the process: dropping it ends nothing.

    ``record`` is what was heard of the process last; ``refresh`` asks.
    """

    _client: Connected

    def __init__(self, client: Connected, record: Record) -> None:
        self._client = client
        self.record = record
        self._files: Dict[str, Any] = {}

    @property
    def id(self) -> int:
        """The server's name for it, never reused."""
        # After a fork the client may have met another server, where the same number would mean another process.
        if self.record.instance != self._client.instance:
            raise NoSuchProcess(
                f"process {self.record.id} belongs to another server",
                1,
                {"kind": "no_such_process", "process": self.record.id, "reason": "instance"},
            )
        return self.record.id

    @property
    def pid(self) -> Optional[int]:
        """Its pid; use ``id`` to name it, pids are reused."""
        return self.record.pid

    @property
    def name(self) -> Optional[str]:
        """Its name, if it has one."""
        return self.record.name

    @property
    def exit(self) -> Optional[Exit]:
        """How it ended, as far as was heard."""
        return self.record.exit

    @property
    def returncode(self) -> Optional[int]:
        """Its exit code, or minus the signal, as far as was heard."""
        return self.record.returncode

    # Its streams as files

    @property
    def stdin(self) -> Optional[Writer]:
        """Its input, buffered: flush what is to be read at once, close it to end it. None if it is neither "pipe" nor
        the terminal.
        """
        return self._file("stdin", "accepted", self._writer)

    @property
    def stdout(self) -> Optional[Reader]:
        """Its captured output from the first byte on, or None. Always the same file; ``open`` makes others."""
        return self._file("stdout", "end", lambda: self._reader("stdout"))

    @property
    def stderr(self) -> Optional[Reader]:
        """Its captured error output, or None if it is not captured or goes to stdout."""
        return self._file("stderr", "end", lambda: self._reader("stderr"))

    @property
    def terminal(self) -> Optional[Both]:
        """Its terminal to read from and write to, or None if it has none."""
        return self._file("terminal", "end", self._both)

    @abstractmethod
    def _reader(self, stream: str) -> Reader:
        """A reader of a captured stream."""

    @abstractmethod
    def _writer(self) -> Writer:
        """A writer to its input."""

    @abstractmethod
    def _both(self) -> Both:
        """Both for its terminal."""

    def _file(self, name: str, mark: str, make: Callable[[], T]) -> Optional[T]:
        """The one file object of a stream, made when it is first asked for; None without the mark of a stream of its
        kind.
        """
        streams: Any = self.record.streams
        if mark not in (streams[name] or ()):
            return None
        if name not in self._files:
            self._files[name] = make()
        made: T = self._files[name]
        return made

    def __repr__(self) -> str:
        how = self.record.state if self.exit is None else f"exited {self.returncode}"
        known = f"{self.record.id} pid={self.pid} {how} {' '.join(self.record.argv)!r}"
        return f"<{type(self).__module__.rpartition('.')[0]}.Process {known}>"


AnyHandle = Handle[Any, Any, Any]


def hearing(handle: AnyHandle, steps: Steps[T]) -> Steps[T]:
    """The steps of one of its methods; a record that comes of them is the handle's from then on."""
    result = yield from steps
    if isinstance(result, Record):
        handle.record = result
    return result


def refresh(process: AnyHandle, *, members: bool = False, holders: bool = False) -> Steps[Record]:
    """Ask for the record; if wanted with the living members of its tree, and with who holds its streams open."""
    return _requests.get(process, members=members, holders=holders)


def state(process: AnyHandle) -> Steps[str]:
    """Asks: "held", "running", "stopped" or "exited"."""
    return (yield from hearing(process, refresh(process))).state


def poll(process: AnyHandle) -> Steps[Optional[int]]:
    """Ask without waiting: the returncode, or None as long as it lives."""
    if process.exit is None:
        yield from hearing(process, refresh(process))
    return process.returncode


def wait(process: AnyHandle, timeout: Optional[float] = None, *, until: str = "exited") -> Steps[Exit]:
    """Wait for its end, or until its captured streams have ended too ("drained"). Raises TimedOut; it can be called
    again.
    """
    # What is final need not be asked again; it is known even when the server has forgotten the process.
    if process.record.exit and until == "exited":
        return process.record.exit
    result = yield from _requests.wait(process, until=until, timeout=timeout)
    if not result.done:
        raise TimedOut(
            f"process {process.record.id} has not {until} after {timeout} s",
            data={"kind": "timed_out", "process": process.record.id},
        )
    process.record = result.done[0]
    return process.record.exit or Exit()


def send_signal(process: AnyHandle, signal: SignalLike, *, scope: str = "tree") -> Steps[KillResult]:
    """Send a signal to its "tree", "group", or the "process" alone. With nobody left that is no error: see
    ``already_exited``.
    """
    return (yield from _requests.kill(process, signal, scope=scope))[0]


def terminate(process: AnyHandle) -> Steps[KillResult]:
    """Send SIGTERM to its tree."""
    return send_signal(process, signals.SIGTERM)


def kill(
    process: AnyHandle,
    signal: SignalLike = signals.SIGKILL,
    *,
    scope: str = "tree",
    escalate_after: Union[float, str, None] = None,
    wait: bool = False,
    timeout: Optional[float] = None,
) -> Steps[KillResult]:
    """Send SIGKILL, or another signal; the rest as of ``Client.kill``."""
    results = yield from _requests.kill(
        process, signal, scope=scope, escalate_after=escalate_after, wait=wait, timeout=timeout
    )
    return results[0]


def stop(process: AnyHandle, grace: Optional[float] = None, timeout: Optional[float] = None) -> Steps[KillResult]:
    """Send the signal of its stop rule, after ``grace`` seconds (left out: the rule's own) SIGKILL, and wait until its
    tree is empty or ``timeout`` (the grace and 30 s) has passed.
    """
    escalation: Union[float, str] = "stop" if grace is None else grace
    return (yield from _requests.kill(process, escalate_after=escalation, wait=True, timeout=timeout))[0]


def release(process: AnyHandle) -> Steps[None]:
    """Have the server forget it, once it has ended."""
    yield from _requests.release(process)
