# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as exceptions.

Every error of the server becomes a ProcctlError with its ``code``, ``kind`` and ``data``. Where Python has an exception
of its own for the same thing, ours is one of these too: a program that is not there raises a SpawnError that is a
FileNotFoundError, as ``os.execvp`` would.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Dict, Mapping, Optional, Tuple, Type

from ._values import to_text


class ProcctlError(Exception):
    """An error the server answered with, or a fault on the way to it.

    ``code`` is the JSON-RPC error code (0: the error arose in this client), ``kind`` its stable name, ``data`` all that
    came with it.
    """

    def __init__(self, message: str, code: int = 0, data: Optional[Mapping[str, Any]] = None) -> None:
        self.message = message
        self.code = code
        self.data: Dict[str, Any] = dict(data or {})
        super().__init__(message)
        number = self.data.get("errno", self._errno)
        if isinstance(self, OSError) and isinstance(number, int):
            path = self.data.get("path")
            OSError.__init__(self, number, os.strerror(number), None if path is None else to_text(path))

    _errno: Optional[int] = None
    """What an OSError among these has for ``errno`` when the server named none."""

    @property
    def kind(self) -> Optional[str]:
        """The error's name on the wire, such as "no_such_process"."""
        return self.data.get("kind")

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Tuple[Any, ...]:
        # OSError pickles its own arguments, which are not ours: rebuilt from the parts instead (multiprocessing,
        # concurrent.futures).
        return _rebuild, (type(self), self.message, self.code, self.data)


def _rebuild(kind: Type[ProcctlError], message: str, code: int, data: Dict[str, Any]) -> ProcctlError:
    return kind(message, code, data)


class ProtocolError(ProcctlError):
    """-32700, -32600, -32603, or something that is no JSON-RPC: a fault in the client or the server, not in what was
    asked.
    """


class MethodNotFound(ProtocolError):
    """-32601: this server has no such method."""


class InvalidParams(ProcctlError, ValueError):
    """-32602: ``path`` names the member ("env.PATH", "argv[0]"), ``expected`` and ``found`` say what is wrong with
    it.
    """

    path = property(lambda self: self.data.get("path"))
    expected = property(lambda self: self.data.get("expected"))
    found = property(lambda self: self.data.get("found"))


class RequestCancelled(ProcctlError):
    """-32800: the request was cancelled. Nothing happened to the process."""


class TimedOut(RequestCancelled, TimeoutError):
    """The time given was over first; the request, if it was still pending, has been cancelled."""


class NoSuchProcess(ProcctlError, ProcessLookupError):
    """1: no process of this id or name that this user may see."""

    _errno = errno.ESRCH


class AlreadyExited(ProcctlError):
    """2: the process has ended already."""


class StartError(ProcctlError, OSError):
    """A program could not be started: ``errno``, ``strerror``, ``filename`` as of any OSError, ``stage`` the step that
    failed.

    Raised as SpawnError or ExecError, and as the matching subclass of OSError: ENOENT is a FileNotFoundError, EACCES a
    PermissionError.
    """

    @property
    def stage(self) -> Optional[str]:
        """The step that failed: "exec", "cwd", "uid", "stdin" and so on."""
        return self.data.get("stage")


class SpawnError(StartError):
    """3: spawn failed; no process was left behind."""


class ExecError(StartError):
    """4: exec-replace failed; the process is as it was."""


class NotPermitted(ProcctlError, PermissionError):
    """5: not allowed to this user, or by this system."""

    _errno = errno.EPERM


class WrongState(ProcctlError):
    """6: not possible in the state the process (or server) is in; ``data["reason"]`` says which."""


class NameTaken(ProcctlError):
    """7: a living process has this name: ``process`` is its id."""

    process = property(lambda self: self.data.get("process"))


class LimitReached(ProcctlError):
    """8: ``limit`` names the limit, ``maximum`` is its value."""

    limit = property(lambda self: self.data.get("limit"))
    maximum = property(lambda self: self.data.get("maximum"))


class NotSupported(ProcctlError):
    """9: not supported by this server or this system."""


class StreamClosed(ProcctlError, BrokenPipeError):
    """10: the stream takes no more: its reader has closed it or ended, or its end was written."""

    _errno = errno.EPIPE
    stream = property(lambda self: self.data.get("stream"))


class OutputLost(ProcctlError):
    """Output was dropped before it was read: ``length`` bytes at ``offset``."""

    offset = property(lambda self: self.data.get("offset"))
    length = property(lambda self: self.data.get("length"))


class SubscriptionEnded(ProcctlError):
    """The server has ended a subscription that took nothing for too long (``reason`` "stalled"): a lossless one while
    programs waited for it, any other while thousands of events did."""

    reason = property(lambda self: self.data.get("reason"))


class ConnectionLost(ProcctlError, ConnectionError):
    """The connection ended before the answer came. What was asked may or may not have happened."""


class ServerNotRunning(ProcctlError, ConnectionError):
    """Nobody listens on the socket, and no server could or should be started."""


_BY_CODE: Dict[int, Type[ProcctlError]] = {
    -32700: ProtocolError,
    -32600: ProtocolError,
    -32601: MethodNotFound,
    -32602: InvalidParams,
    -32603: ProtocolError,
    -32800: RequestCancelled,
    1: NoSuchProcess,
    2: AlreadyExited,
    3: SpawnError,
    4: ExecError,
    5: NotPermitted,
    6: WrongState,
    7: NameTaken,
    8: LimitReached,
    9: NotSupported,
    10: StreamClosed,
}


def _by_errno(base: Type[StartError]) -> Dict[type, Type[StartError]]:
    """For each subclass of OSError that errnos are mapped to (PEP 3151), one that is ``base`` as well; in this module,
    so that it pickles.
    """
    made: Dict[type, Type[StartError]] = {OSError: base}
    for number in errno.errorcode:
        parent = type(OSError(number, ""))
        if parent not in made:
            name = f"{base.__name__}_{parent.__name__}"
            made[parent] = globals()[name] = type(
                name, (base, parent), {"__doc__": base.__doc__, "__module__": __name__}
            )
    return made


_START_ERRORS = {SpawnError: _by_errno(SpawnError), ExecError: _by_errno(ExecError)}


def from_error(error: Mapping[str, Any]) -> ProcctlError:
    """The exception for the ``error`` member of a reply."""
    code = error.get("code", 0)
    data = error.get("data")
    kind = _BY_CODE.get(code, ProcctlError)
    data = data if isinstance(data, dict) else {"value": data}
    if issubclass(kind, StartError) and isinstance(data.get("errno"), int):
        # OSError itself knows which subclass an errno has.
        kind = _START_ERRORS[kind][type(OSError(data["errno"], ""))]
    return kind(str(error.get("message", "unknown error")), code, data)
