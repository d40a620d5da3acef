# SPDX-License-Identifier: Apache-2.0
"""``execvp`` and its kin through the server: what stands after the call never runs, and the program's status is the
caller's.

The program gets what it would get from ``os.execvp``: the caller's standard streams and other inheritable descriptors,
cwd, umask, environment, ignored and blocked signals, under the server's care. The caller's process becomes its stand-in
(``_standin.py``): it passes signals on and ends with the same code or by the same signal. A caller that is under the
server's care already becomes the program itself (``_inside.py``).

As with ``os.execvp`` nothing is cleaned up: no ``finally``, no ``atexit``, and what is still in a stdio buffer is lost;
``flush`` first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Any, Iterable, Iterator, List, Mapping, NoReturn, Optional, Sequence

from . import _caller
from ._connect import open_transport
from ._descriptors import Descriptors, inheritable
from ._inside import replace_self
from ._path import resolve
from ._spawn import spawn_params
from ._standin import forwarded, stand_in
from ._transport import Transport
from ._values import BytesLike
from .errors import StartError
from .options import Signals, SpawnOptions

CONNECT_TIMEOUT = 5.0
START_TIMEOUT = 20.0
"""Seconds for a start; the server itself gives up after 10."""


def execv(path: BytesLike, argv: Sequence[BytesLike]) -> NoReturn:
    """Execute the program ``path`` with these arguments in place of this one, through the server. Like ``os.execv``."""
    _exec([path], path, argv, None)


def execve(path: BytesLike, argv: Sequence[BytesLike], env: Mapping[Any, Any]) -> NoReturn:
    """``execv`` with an environment. Like ``os.execve``."""
    _exec([path], path, argv, env)


def execvp(file: BytesLike, args: Sequence[BytesLike]) -> NoReturn:
    """Execute the program ``file``, searched along PATH, with these arguments in place of this one, through the server.

    Like ``os.execvp``. Raises the OSError of the failed start (FileNotFoundError, PermissionError …; ``filename`` is
    the file asked for), or a ProcctlError such as ServerNotRunning; this process then goes on unharmed.
    """
    _exec(_candidates(file, os.environ), file, args, None)


def execvpe(file: BytesLike, args: Sequence[BytesLike], env: Mapping[Any, Any]) -> NoReturn:
    """``execvp`` with an environment, whose PATH is the one searched. Like ``os.execvpe``."""
    _exec(_candidates(file, env), file, args, env)


def _candidates(file: BytesLike, env: Mapping[Any, Any]) -> List[BytesLike]:
    """Where ``os.execvpe`` would look: the file itself if it names a directory, else in each element of the
    environment's PATH.
    """
    name = os.fsencode(file)
    if os.path.dirname(name):
        return [name]
    return [os.path.join(os.fsencode(directory), name) for directory in os.get_exec_path(env)]


def _exec(
    candidates: List[BytesLike], file: BytesLike, argv: Sequence[BytesLike], env: Optional[Mapping[Any, Any]]
) -> NoReturn:
    if isinstance(argv, (str, bytes)) or not isinstance(argv, Sequence):
        raise TypeError("the arguments must be a tuple or list")
    if not argv:
        raise ValueError("the arguments must not be empty")
    if not os.fsencode(argv[0]):
        raise ValueError("the first argument must not be empty")
    transport, _ = open_transport(resolve(None), True, CONNECT_TIMEOUT)
    try:
        with _named(file):
            replace_self(transport, candidates, argv, env, START_TIMEOUT)
    except BaseException:
        transport.close()
        raise
    # The program may run before its start is known here, and from then on signals are meant for it: they wait until
    # they can be passed on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, forwarded())
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            process = _spawn(transport, candidates, file, argv, env, before)
            # Whoever waits for the end of what the program reads or writes must not have to wait for us as well.
            for number in (0, 1):
                os.dup2(null, number)
        finally:
            os.close(null)
        _become(transport.detach(), process)
    finally:
        transport.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _spawn(
    transport: Transport,
    candidates: List[BytesLike],
    file: BytesLike,
    argv: Sequence[BytesLike],
    env: Optional[Mapping[Any, Any]],
    blocked: Iterable[int],
) -> int:
    """Start the program with all that execve(2) would leave to it; its id."""
    with Descriptors() as descriptors:
        streams = [number if _is_open(number) else "null" for number in (0, 1, 2)]
        options: SpawnOptions = {
            "file": candidates,
            "env": env,
            "stdin": streams[0],
            "stdout": streams[1],
            "stderr": streams[2],
            "pass_fds": inheritable(),
            "signals": Signals(
                tuple(sorted(_caller.ignored_signals())), tuple(sorted(int(number) for number in blocked))
            ),
            "lifetime": "connection",
            "session": "new",
        }
        params = spawn_params(descriptors, argv, options)
        with _named(file):
            return int(transport.request("spawn", params, descriptors.numbers, START_TIMEOUT)["id"])


@contextlib.contextmanager
def _named(file: BytesLike) -> Iterator[None]:
    """The program is named in errors as the caller named it, not by the last place it was looked for."""
    try:
        yield
    except StartError as error:
        if error.stage == "exec":
            error.filename = os.fsdecode(file)
        raise


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _become(connection: int, process: int) -> NoReturn:
    """Turn this process into the program's stand-in.

    By a real execve, so that other threads end, memory is given back and close-on-exec descriptors are closed, as
    execvp promises. Where there is no interpreter to execute (an embedded or frozen Python), this thread stands in as
    it is.
    """
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_standin.py")
    # -I: nothing of the user's modules or PYTHON… variables; but an interpreter that needs PYTHONHOME must see it.
    flags = ["-s", "-S"] if os.environ.get("PYTHONHOME") else ["-I", "-S"]
    if sys.executable and os.path.isfile(script):
        kept = inheritable(leave_out=[connection])
        for number in kept:
            os.set_inheritable(number, False)
        os.set_inheritable(connection, True)
        try:
            os.execv(sys.executable, [sys.executable, *flags, script, str(connection), str(process)])
        except OSError:
            pass
    stand_in(connection, process)
