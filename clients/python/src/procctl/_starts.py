# SPDX-License-Identifier: Apache-2.0
"""The methods that start programs, as ``_requests.py`` has the others."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Dict, Optional, Union

from ._descriptors import Descriptors
from ._requests import SLACK
from ._selectors import Ref, process_to_wire
from ._spawn import add_environment, argv_to_wire, cwd_to_wire, file_to_wire, present, spawn_params
from ._steps import Request, Steps, ask
from ._values import BytesLike, milliseconds
from .errors import ConnectionLost, ProtocolError
from .options import Argv, Env, Files, Signals, SpawnOptions
from .record import Record

if TYPE_CHECKING:
    from typing_extensions import Unpack

START_TIMEOUT = 10.0
"""Seconds the server gives a start by itself."""


def spawn(argv: Argv, **options: Unpack[SpawnOptions]) -> Steps[Record]:
    """Start a program with this process's cwd, environment and umask, unless the options (SpawnOptions) say otherwise.

    Raises SpawnError, which is also the OSError that ``os.execvp`` would raise.
    """
    with Descriptors() as descriptors:
        params = spawn_params(descriptors, argv, options)
        return Record.from_wire((yield Request("spawn", params, descriptors.numbers)))


def exec_replace(
    process: Ref,
    argv: Optional[Argv] = None,
    *,
    file: Optional[Files] = None,
    env: Optional[Env] = None,
    env_base: Optional[str] = None,
    cwd: Optional[BytesLike] = None,
    signals: Union[None, str, Signals] = None,
    start_timeout: Optional[float] = None,
    from_inside: bool = False,
) -> Steps[Record]:
    """Replace the program of a process; the process stays. A held one is started by it; in place of one that runs it
    takes over pid, streams, terminal and descriptors. ``argv`` left out: what ran last, or it was created with.

    ``env`` alone is the whole environment, with ``env_base`` ("keep", "inherit", "empty") what changes in that one;
    without both the process keeps what it has. ``signals``: "fresh" (in place of a running program the default),
    "inherit" (as execve leaves them), or Signals. ``from_inside``: only if the process is this very one, which then does
    not return from here. Raises ExecError, or NotPermitted, WrongState or NotSupported with the ``reason`` in ``data``;
    the process is then as it was.
    """
    params = {
        "process": process_to_wire(process),
        "argv": None if argv is None else argv_to_wire(argv),
        "file": None if file is None else file_to_wire(file),
        "cwd": None if cwd is None else cwd_to_wire(cwd),
        "signals": signals.to_wire() if isinstance(signals, Signals) else signals,
        "start_timeout_ms": None if start_timeout is None else milliseconds(start_timeout, "start_timeout"),
        "from_inside": from_inside or None,
    }
    add_environment(params, env, env_base)
    return ask("exec-replace", present(params), Record.from_wire)


def exec_replace_connection(argv: Argv, **options: Unpack[SpawnOptions]) -> Steps[socket.socket]:
    """Have a program take the place of a new connection, and return the socket that is its stdin and stdout: this
    process speaks to it directly, with no server in between.

    With asyncio it is a socket that does not block, as ``asyncio.open_connection(sock=…)`` and the loop's own methods
    want it.
    """
    # The server is silent when the program has started, and on the connection itself silence could not be told from a
    # program that waits for its first input. So the program is given one end of a pair of sockets, and the connection's
    # end is the news that it runs.
    ours, theirs = socket.socketpair()
    try:
        with theirs, Descriptors() as descriptors:
            streams: Dict[str, Any] = {"stdin": theirs, "stdout": theirs, **options}
            params = spawn_params(descriptors, argv, streams)  # type: ignore[arg-type]
            params["connection"] = True
            timeout = (options.get("start_timeout") or START_TIMEOUT) + SLACK
            yield Request("exec-replace", params, descriptors.numbers, timeout)
        raise ProtocolError("the server answered where silence was due")
    except ConnectionLost:
        return ours
    except BaseException:
        ours.close()
        raise
