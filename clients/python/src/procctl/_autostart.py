# SPDX-License-Identifier: Apache-2.0
"""Starting a server when none listens.

``procctld --daemon`` returns once the server listens, or another one already does, so two clients at once end up with
one server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import List, Mapping, Optional, Union

from .errors import ServerNotRunning

_Popen = subprocess.Popen
"""The standard one, whatever may be put in its place (``procctl.subprocess``): the server cannot start itself."""

IDLE_EXIT_MS = 60_000
"""After so long without processes and connections an autostarted server ends, unless $PROCCTL_IDLE_EXIT_MS says
otherwise."""


def allowed(environ: Optional[Mapping[str, str]] = None) -> bool:
    """Whether $PROCCTL_NO_AUTOSTART leaves it to us to start a server."""
    return (os.environ if environ is None else environ).get("PROCCTL_NO_AUTOSTART", "") in ("", "0")


def find_server(environ: Optional[Mapping[str, str]] = None) -> Optional[str]:
    """The server's program: $PROCCTLD, one beside the Python that runs this (a virtual environment's bin), or the first
    along PATH.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("PROCCTLD")
    if named:
        return named
    if sys.executable:
        beside = os.path.join(os.path.dirname(sys.executable), "procctld")
        if os.access(beside, os.X_OK) and os.path.isfile(beside):
            return beside
    return shutil.which("procctld", path=environ.get("PATH"))


def start(path: bytes, timeout: float) -> None:
    """Start a server on a socket and return when it listens. Raises ServerNotRunning, with the server's own words, when
    that fails.
    """
    with launch(path) as starting:
        try:
            said = starting.communicate(timeout=timeout)[1]
        except subprocess.TimeoutExpired:
            raise not_ready(path, timeout) from None
        finally:
            # Not when it ended by itself: its pid may be another's by now, which Popen knows.
            starting.kill()
    check_start(path, starting.returncode, said)


def launch(path: bytes) -> "subprocess.Popen[bytes]":
    """The beginning of a start: its end is that of the returned process, which says on stderr what went wrong."""
    program = find_server()
    if program is None:
        raise _not_running(path, "and no procctld was found to start: set PROCCTLD, or put it on PATH")
    idle = os.environ.get("PROCCTL_IDLE_EXIT_MS") or str(IDLE_EXIT_MS)
    command: List[Union[str, bytes]] = [program, "--socket", path, "--daemon", "--idle-exit-ms", idle]
    try:
        # A session of its own: a ^C meant for the caller must not end the server while it is being started.
        return _Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_running(path, f"and {program} cannot be started: {error.strerror}") from error


def not_ready(path: bytes, timeout: float) -> ServerNotRunning:
    """The error when a server takes too long to start."""
    return _not_running(path, f"and {find_server()} was not ready after {timeout:g} s")


def check_start(path: bytes, status: int, said: bytes) -> None:
    """Raise ServerNotRunning if a start failed."""
    if status != 0:
        words = said.decode("utf-8", "replace").strip() or f"it ended with {status}"
        raise _not_running(path, f"and {find_server()} could not be started: {words}")


def _not_running(path: bytes, why: str) -> ServerNotRunning:
    where = os.fsdecode(path)
    return ServerNotRunning(
        f"no server listens on {where}, {why}", data={"kind": "server_not_running", "socket": where}
    )
