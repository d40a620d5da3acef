# SPDX-License-Identifier: Apache-2.0
"""Large streams arrive as they were, by every way there is, and without being held in memory."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import subprocess
import sys
from typing import Any, Iterable

import pytest
from support import LONG

import procctl
from procctl import aio, events

RING = procctl.Output(1 << 20, "block")
# Bytes that are no text, text in lines, and one line that does not end: the same each time, and made faster than read.
RANDOM = "import random,sys; r = random.Random(7); [sys.stdout.buffer.write(r.randbytes(1 << 20)) for _ in range(64)]"
COMMANDS = {
    "bytes": [sys.executable, "-S", "-c", RANDOM],
    "lines": ["sh", "-c", f"seq 100000000 | head -c {16 << 20}"],
    "one line": ["sh", "-c", f"yes 0123456789abcdef | tr -d '\\n' | head -c {32 << 20}"],
}


@pytest.fixture(params=[*COMMANDS])
def command(request: pytest.FixtureRequest) -> "list[str]":
    """A program with a lot to say."""
    return COMMANDS[request.param]


def digest(pieces: Iterable[Any]) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def expected(command: "list[str]") -> str:
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout
        return digest(iter(lambda: program.stdout.read(1 << 20), b""))  # type: ignore[union-attr]


def test_threads(client: procctl.Client, command: "list[str]") -> None:
    wanted = expected(command)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    file = client.spawn(command, output=RING)
    assert file.stdout is not None
    assert digest(iter(lambda: file.stdout.read(300_000), b"")) == wanted  # type: ignore[union-attr]
    process = client.spawn(command, output=RING, hold=True)
    with process.events(["output"], {"stdout": 0}, lossless=True) as subscription:
        process.exec_replace()
        assert digest(event.data for event in subscription if isinstance(event, events.Output)) == wanted
    # In KiB: what was read is let go.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10
    assert digest(client.spawn(command, output=RING).lines()) == wanted


@pytest.mark.usefixtures("server")
def test_asyncio(command: "list[str]") -> None:
    wanted = expected(command)

    async def body() -> None:
        async with await aio.connect() as client:
            file = await client.spawn(command, output=RING)
            assert file.stdout is not None
            found = hashlib.sha256()
            while True:
                data = await file.stdout.read(300_000)
                if not data:
                    break
                found.update(data)
            assert found.hexdigest() == wanted
            found = hashlib.sha256()
            process = await client.spawn(command, output=RING, hold=True)
            async with await process.events(["output"], {"stdout": 0}, lossless=True) as subscription:
                await process.exec_replace()
                async for event in subscription:
                    if isinstance(event, events.Output):
                        found.update(event.data)
            assert found.hexdigest() == wanted
            found = hashlib.sha256()
            async for line in (await client.spawn(command, output=RING)).lines():
                found.update(line)
            assert found.hexdigest() == wanted

    asyncio.run(asyncio.wait_for(body(), 3 * LONG))
