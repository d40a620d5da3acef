# SPDX-License-Identifier: Apache-2.0
"""What several tests need: conditions to wait for, a look at descriptors, and Python programs run apart from the tests'
own process.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Awaitable, Callable, Dict, List, Optional, TypeVar

import procctl
from procctl import aio

HERE = Path(__file__).resolve().parent
PROBE = str(HERE / "probe.py")
EXAMPLES = HERE.parent / "examples"
LONG = 30.0
"""Seconds after which something that should happen is taken not to happen."""

T = TypeVar("T")


def procctld() -> str:
    """The server under test: $PROCCTLD, else along PATH."""
    found = os.environ.get("PROCCTLD") or shutil.which("procctld")
    if not found:
        raise RuntimeError("no procctld to test against: set PROCCTLD, or put it on PATH")
    return os.path.abspath(found)


def eventually(look: Callable[[], T], what: str = "the condition") -> T:
    """The first true value of a look, which is taken again and again."""
    deadline = time.monotonic() + LONG
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {LONG:g} s; last: {value!r}")
        time.sleep(0.005)


def open_descriptors() -> Dict[int, str]:
    """This process's descriptors and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
    return found


def all_output(process: procctl.Process, stream: str = "stdout") -> bytes:
    """All that a process wrote, to the end."""
    return b"".join(process.output(stream))


def probe(client: procctl.Client, *arguments: Any, **options: Any) -> Dict[str, Any]:
    """What a program sees that is started with these options."""
    process = client.spawn([sys.executable, "-S", PROBE, *arguments], **options)
    assert process.wait(LONG).code == 0, all_output(process, "stderr")
    found: Dict[str, Any] = json.loads(all_output(process))
    return found


def python(
    code: str, *arguments: str, env: Optional[Dict[str, str]] = None, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a piece of Python apart, with procctl importable; its output as text."""
    return subprocess.run(
        python_command(code, *arguments),
        env=python_env(env),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": LONG, **options},
    )


def python_command(code: str, *arguments: str) -> List[str]:
    """The command that runs a piece of Python."""
    return [sys.executable, "-c", code, *arguments]


def python_env(env: Optional[Dict[str, str]] = None) -> Dict[str, str]:
    """The environment it needs."""
    # Without what the tests' own Python was told (PYTHONUNBUFFERED and the like).
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**own, "PYTHONPATH": str(HERE.parent / "src"), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}


def lose(holder: Any) -> None:
    """Cut the connection of a client or a subscription, as no server does by itself."""
    connection = holder._transport._socket
    getattr(connection, "_socket", connection).shutdown(socket.SHUT_RDWR)


def lose_shared(popen: Any) -> None:
    """Close the connections on which a Popen hears of its program."""
    for shared, _ in [*popen._link._waits.values()]:
        shared.transport.close()


def run(body: Callable[[aio.Client], Awaitable[None]]) -> None:
    """Run a test of the client for asyncio."""

    async def main() -> None:
        async with await aio.connect() as client:
            await asyncio.wait_for(body(client), LONG)

    asyncio.run(main())
    assert threading.active_count() == 1


def in_child(work: Callable[[], bool]) -> bool:
    """Whether a piece of work succeeds in a forked child."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
