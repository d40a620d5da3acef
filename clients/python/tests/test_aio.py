# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from typing import Any, Awaitable, Callable

import pytest
from support import LONG, lose

import procctl
from procctl import aio, events

Body = Callable[[aio.Client], Awaitable[None]]


def run(body: Body) -> None:
    async def main() -> None:
        async with await aio.connect() as client:
            await asyncio.wait_for(body(client), LONG)

    asyncio.run(main())
    assert threading.active_count() == 1


def test_the_same_surface() -> None:
    for there, here in ((procctl.Client, aio.Client), (procctl.Process, aio.Process)):
        for name, function in inspect.getmembers(here, inspect.isfunction):
            if name.startswith("_") or name == "lines":
                continue
            other = inspect.signature(getattr(there, name))
            assert list(inspect.signature(function).parameters) == list(other.parameters), name


@pytest.mark.usefixtures("server")
def test_a_process() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["cat"], stdin="pipe", name="cat", labels={"a": "b"})
        assert await client.ping() == client.instance and (await client.info())["name"] == "procctld"
        await process.write(b"one\ntwo\xff", eof=True)
        assert [line async for line in process.lines()] == [b"one\n", b"two\xff"]
        assert (await process.wait(LONG)).code == 0 and await process.poll() == 0
        assert [record.id for record in await client.list(labels={"a": "b"})] == [process.id]
        assert b"".join([data async for data in process.output(offset=4)]) == b"two\xff"
        await process.release()
        with pytest.raises(procctl.NoSuchProcess):
            await client.get(process.id)
        with pytest.raises(FileNotFoundError):
            await client.spawn(["no-such-program"])
        sleeping = await client.spawn(["sleep", "1000"], pty=True)
        assert await sleeping.resize(5, 6) == os.terminal_size((6, 5))
        with pytest.raises(procctl.TimedOut):
            await sleeping.wait(0.01)
        assert (await sleeping.stop(1)).survivors == []

    run(body)


@pytest.mark.usefixtures("server")
def test_a_hundred_at_once_and_a_cancelled_one() -> None:
    async def body(client: aio.Client) -> None:
        long = await client.spawn(["sleep", "1000"])
        waiting = asyncio.ensure_future(long.wait())
        processes = await asyncio.gather(*(client.spawn(["echo", str(n)]) for n in range(100)))
        await asyncio.gather(*(process.wait(LONG) for process in processes))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(procctl.TimedOut):
            await client.call("wait", {"processes": long.id}, timeout=0.05)
        assert (await client.get(long)).state == "running"
        await long.kill(wait=True)

    run(body)


@pytest.mark.usefixtures("server")
def test_a_large_write_and_a_subscription() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["cat"], stdin="pipe", output=procctl.Output(65536, "block"))
        data = os.urandom(300_000)
        received = b""
        async with await process.events(lossless=True, from_={"stdout": 0}) as subscription:

            async def feed() -> None:
                for start in range(0, len(data), 50_000):
                    await process.write(data[start : start + 50_000])
                await process.write(eof=True)

            feeding = asyncio.ensure_future(feed())
            async for event in subscription:
                if isinstance(event, events.Output):
                    received += event.data
            await feeding
        assert received == data

    run(body)


@pytest.mark.usefixtures("server")
def test_subscriptions() -> None:
    async def body(client: aio.Client) -> None:
        everything = await client.subscribe({"app": "a"})
        process = await client.spawn(["cat"], stdin="pipe", labels={"app": "a"})
        assert isinstance(await everything.next(LONG), procctl.Started)
        with pytest.raises(procctl.TimedOut):
            await everything.next(0.02)
        lose(everything)
        lose(client)
        with pytest.raises(procctl.ConnectionLost):
            await client.ping()
        await client.reconnect()
        await process.write("x", eof=True)
        seen = [await everything.next(LONG) for _ in range(3)]
        assert seen[0] == events.Output(process.id, "stdout", 0, b"x") and isinstance(seen[-1], procctl.Drained)
        await client.unsubscribe(everything)
        assert [event async for event in everything] == []
        other = await client.subscribe({"no": "such"})
        waiting: Any = asyncio.ensure_future(other.next())
        await asyncio.sleep(0.01)
        await other.close()
        with pytest.raises((StopAsyncIteration, RuntimeError)):
            await waiting

    run(body)


def test_nobody_there(short_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        with pytest.raises(procctl.ServerNotRunning):
            await aio.connect(short_path / "socket")
        monkeypatch.setenv("PROCCTL_NO_AUTOSTART", "0")
        async with await aio.connect(short_path / "socket") as client:
            assert await client.shutdown() == 0

    asyncio.run(body())
