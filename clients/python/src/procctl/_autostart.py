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
    program = find_server()
    where = os.fsdecode(path)
    if program is None:
        raise ServerNotRunning(
            f"no server listens on {where}, and no procctld was found to start: set PROCCTLD, or put it on PATH",
            data={"kind": "server_not_running", "socket": where},
        )
    idle = os.environ.get("PROCCTL_IDLE_EXIT_MS") or str(IDLE_EXIT_MS)
    command: List[Union[str, bytes]] = [program, "--socket", path, "--daemon", "--idle-exit-ms", idle]
    try:
        # A session of its own: a ^C meant for the caller must not end the server while it is being started.
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ServerNotRunning(
            f"{program} was not ready to listen on {where} after {timeout:g} s",
            data={"kind": "server_not_running", "socket": where},
        ) from None
    except OSError as error:
        raise ServerNotRunning(
            f"no server listens on {where}, and {program} cannot be started: {error.strerror}",
            data={"kind": "server_not_running", "socket": where},
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip() or f"it ended with {done.returncode}"
        raise ServerNotRunning(
            f"no server listens on {where}, and {program} could not be started: {said}",
            data={"kind": "server_not_running", "socket": where},
        )
