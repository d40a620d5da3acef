# SPDX-License-Identifier: Apache-2.0
"""From a path to a connection that answers, and a server to answer if need be, without holding up the loop."""

from __future__ import annotations

import asyncio
import os
from subprocess import Popen
from typing import Tuple

from .. import _autostart
from .._connect import Attempts, connected
from ..errors import ProcctlError
from ._transport import Transport, wake


async def open_transport(path: bytes, autostart: bool, timeout: float, listen: bool = False) -> Tuple[Transport, str]:
    """As ``procctl._connect.open_transport``."""
    attempts = Attempts(path, autostart, timeout)
    while True:
        try:
            # Connecting to a Unix socket succeeds or fails at once.
            transport = Transport(connected(path), listen)
            try:
                return transport, str((await transport.request("ping", timeout=attempts.left()))["instance"])
            except BaseException:
                transport.close()
                raise
        except (ProcctlError, OSError) as error:
            if attempts.start_first(error):
                await _start(path, max(0.1, attempts.left()))
            pause = attempts.pause(error)
        await asyncio.sleep(pause)


async def _start(path: bytes, timeout: float) -> None:
    """Start a server on a socket and return when it listens. Raises ServerNotRunning, with the server's own words, when
    that fails.
    """
    starting = _autostart.launch(path)
    try:
        said = await asyncio.wait_for(_outcome(starting), timeout)
    except asyncio.TimeoutError:
        raise _autostart.not_ready(path, timeout) from None
    finally:
        assert starting.stderr is not None
        starting.stderr.close()
        starting.kill()
        # It has ended, or was just killed: this waits for the kernel, not for a program.
        starting.wait()
    _autostart.check_start(path, starting.returncode, said)


async def _outcome(starting: "Popen[bytes]") -> bytes:
    """What it says on stderr, when it has ended."""
    assert starting.stderr is not None
    said = b""
    os.set_blocking(starting.stderr.fileno(), False)
    # Its end is told by a descriptor too (pidfd_open(2), Linux 5.3, which the server cannot do without either).
    ended = os.pidfd_open(starting.pid)
    try:
        await _readable(ended)
    finally:
        os.close(ended)
    # A pipe holds 64 KiB, the server's last words are fewer. Who says more and waits for a reader meets the timeout.
    said = starting.stderr.read() or b""
    # Before the kill, which would have the last word otherwise.
    starting.wait()
    return said


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, wake, readable)
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)
