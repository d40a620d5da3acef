# SPDX-License-Identifier: Apache-2.0
"""``asyncio.create_subprocess_exec`` and ``_shell`` with the programs under the server's care.

What they return is the standard ``asyncio.subprocess.Process``. No child watcher is involved, none of which could wait
for what is no child of this process: the end is heard on a socket that the loop watches.
"""

from __future__ import annotations

import asyncio
from asyncio.base_subprocess import BaseSubprocessTransport
from asyncio.subprocess import Process, SubprocessStreamProtocol
from typing import Any, Callable, Optional, Sequence, Union
from weakref import WeakMethod

from .._popen.popen import Popen
from .._transport import Transport
from .._values import BytesLike
from ..errors import ProcctlError
from . import _watch

LIMIT = 1 << 16
"""Bytes a stream reader buffers, as in the standard functions."""

LOST = 255
"""The return code of a process whose end will not be known, as the standard module has it."""

_TEXT = ("universal_newlines", "text", "encoding", "errors", "bufsize", "shell")


async def create_subprocess_exec(
    program: BytesLike,
    *args: BytesLike,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    limit: int = LIMIT,
    **kwargs: Any,
) -> Process:
    """Start a program; the arguments are those of ``asyncio.create_subprocess_exec``, and Popen's ``options``."""
    return await _create((program, *args), False, stdin, stdout, stderr, limit, kwargs)


async def create_subprocess_shell(
    cmd: Union[str, bytes],
    *,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    limit: int = LIMIT,
    **kwargs: Any,
) -> Process:
    """Start a shell command; the arguments are those of ``asyncio.create_subprocess_shell``, and Popen's
    ``options``.
    """
    if not isinstance(cmd, (str, bytes)):
        raise ValueError("cmd must be a string")
    return await _create(cmd, True, stdin, stdout, stderr, limit, kwargs)


async def _create(
    args: Union[str, bytes, Sequence[BytesLike]],
    shell: bool,
    stdin: Any,
    stdout: Any,
    stderr: Any,
    limit: int,
    kwargs: "dict[str, Any]",
) -> Process:
    for name in _TEXT:
        if kwargs.pop(name, None):
            raise ValueError(f"{name} cannot be given: the streams of asyncio are of bytes and unbuffered")
    loop = asyncio.get_running_loop()
    protocol = SubprocessStreamProtocol(limit=limit, loop=loop)
    transport = await connect(loop, protocol, args, shell, stdin, stdout, stderr, 0, **kwargs)
    return Process(transport, protocol, loop)


async def connect(
    loop: asyncio.AbstractEventLoop,
    protocol: asyncio.SubprocessProtocol,
    args: Any,
    shell: bool,
    stdin: Any,
    stdout: Any,
    stderr: Any,
    bufsize: int,
    extra: Any = None,
    **kwargs: Any,
) -> "SubprocessTransport":
    """Start a program and connect its pipes with the loop. The parameters are those of the loop's own
    ``_make_subprocess_transport``, in whose place it can stand.
    """
    waiter = loop.create_future()
    transport = SubprocessTransport(
        loop, protocol, args, shell, stdin, stdout, stderr, bufsize, waiter=waiter, extra=extra, **kwargs
    )
    try:
        await waiter
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:
        transport.close()
        # Not for its pipes too, as the standard module does: one that was being connected is never told to be closed.
        await transport.over.wait()
        raise
    return transport


class SubprocessTransport(BaseSubprocessTransport):
    """A Popen of ours, and a look at it whenever something comes on its socket."""

    _loop: asyncio.AbstractEventLoop
    _proc: Optional[Popen]
    _watched: Optional[Transport] = None
    _generation = 0
    _lost: Optional[ProcctlError] = None

    over: asyncio.Event
    """Set when the program's end is known, or never will be."""

    def _start(self, args: Any, shell: bool, stdin: Any, stdout: Any, stderr: Any, bufsize: int, **kwargs: Any) -> None:
        self.over = asyncio.Event()
        self._proc = Popen(args, shell=shell, stdin=stdin, stdout=stdout, stderr=stderr, bufsize=bufsize, **kwargs)
        self._watch(self._proc)

    def _watch(self, process: Popen) -> None:
        self._generation, self._watched = process.watch(_weakly(self._told))
        if self._watched is not None:
            try:
                _watch.begin(self._loop, self._watched)
            except OSError:
                # It was lost meanwhile, and that told.
                self._watched = None

    def _told(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._look)
        except RuntimeError:
            pass  # The loop is closed: nobody is waiting.

    def _unwatch(self) -> None:
        if self._watched is not None:
            watched, self._watched = self._watched, None
            _watch.end(self._loop, watched)

    def _look(self) -> None:
        """Whether it has ended."""
        process = self._proc
        if process is None or self.over.is_set():
            return
        try:
            code = process.poll()
        except ProcctlError as error:
            self._lost = error
            code = LOST
        if code is not None:
            self.over.set()
            self._unwatch()
            if self._lost is not None:
                waiters, self._exit_waiters = self._exit_waiters, []
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_exception(self._lost)
            self._process_exited(code)
        elif not process.is_watched(self._generation):
            # The connection was lost and is made anew.
            self._unwatch()
            self._watch(process)

    async def _wait(self) -> int:
        if self._lost is not None:
            raise self._lost
        code: int = await super()._wait()
        return code

    def send_signal(self, signal: int) -> None:
        """Through the server, which cannot take another process for this one."""
        self._check_proc()
        if self._proc is not None:
            self._proc.send_signal(signal)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._check_proc()
        if self._proc is not None:
            self._proc.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._check_proc()
        if self._proc is not None:
            self._proc.kill()

    def close(self) -> None:
        """Close the pipes, and kill the program if it is still there."""
        if self._loop is not None and self._loop.is_closed():
            # Then its pipes cannot be closed in order any more: the standard module raises RuntimeError and leaves the
            # rest as it is.
            self._unwatch()
            self._pipes.clear()
            for stream in (self._proc.stdin, self._proc.stdout, self._proc.stderr) if self._proc is not None else ():
                if stream is not None:
                    stream.close()
        try:
            super().close()
        except ProcctlError:
            pass  # With the server gone there is nobody to kill it.
        finally:
            if self._loop is not None and not self._loop.is_closed() and self._proc is not None and not self.over.is_set():
                # It may have learned of the end itself, and then nothing comes any more.
                self._loop.call_soon(self._look)


def _weakly(method: Callable[[], None]) -> Callable[[], None]:
    """A method of what may be dropped before it is called."""
    weak = WeakMethod(method)

    def call() -> None:
        method = weak()
        if method is not None:
            method()

    return call
