# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import Server
from support import LONG, alive, in_child, lose, open_descriptors, procctld, run

import procctl
from procctl import aio, events

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


@pytest.mark.usefixtures("server")
def test_a_program_that_takes_over_a_connection() -> None:
    async def body(client: aio.Client) -> None:
        before = open_descriptors()
        connection = await client.exec_replace_connection(["cat"])
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
        with pytest.raises(FileNotFoundError) as caught:
            await client.exec_replace_connection(["no-such-program"])
        assert isinstance(caught.value, procctl.StartError)
        assert await client.ping() == client.instance and open_descriptors() == before

    run(body)


def test_what_is_known_without_asking(server: Server) -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["sleep", "1000"], name="sleeper")
        assert await process.state == "running" and process.client is client and process.name == "sleeper"
        assert repr(process).startswith(f"<procctl.aio.Process {process.id} pid={process.pid} running")
        assert repr(client) == f"<procctl.aio.Client {client.path}>"
        await process.kill(wait=True)
        other = aio.Process(client, dataclasses.replace(process.record, instance="another"))
        with pytest.raises(procctl.NoSuchProcess):
            await other.refresh()

    run(body)
    assert server.popen.wait(LONG) == 0


@pytest.mark.usefixtures("server")
def test_a_request_that_cannot_be_sent_times_out() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["sleep", "1000"], stdin="pipe")
        server = (await client.info())["pid"]
        os.kill(server, signal.SIGSTOP)
        try:
            with pytest.raises(procctl.TimedOut):
                await client.call("write", {"process": process.id, "data": "x" * 4_000_000}, timeout=0.1)
            with pytest.raises(procctl.ConnectionLost):
                await client.ping()
        finally:
            os.kill(server, signal.SIGCONT)

    run(body)


@pytest.mark.usefixtures("server")
def test_a_forked_child_gets_a_connection_of_its_own() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["cat"], stdin="pipe", lifetime="connection")
        subscription = await process.events(["output"], from_={"stdout": 0})
        await process.write("a")
        assert (await subscription.next(LONG)).data == b"a"  # type: ignore[attr-defined]
        waiting = asyncio.ensure_future(process.wait())
        reading = asyncio.ensure_future(subscription.next())
        await asyncio.sleep(0)
        parents = client._transport._socket.fileno()

        async def child() -> bool:
            closed = "socket:[" not in open_descriptors().get(parents, "")
            same = await asyncio.gather(*(client.ping() for _ in range(3)))
            await process.write("b")
            event = await subscription.next(LONG)
            await client.close()
            return closed and set(same) == {client.instance} and event.data == b"b"  # type: ignore[attr-defined]

        assert in_child(lambda: asyncio.run(child()))
        # The parent's own connection is as it was: what depends on it lives, and its waits are answered.
        assert await client.ping() == client.instance and (await reading).data == b"b"
        assert await process.poll() is None
        await process.write(eof=True)
        assert (await waiting).code == 0
        await subscription.close()

    run(body)


@pytest.mark.usefixtures("server")
def test_a_forked_child_does_not_keep_the_parents_connection() -> None:
    async def body(client: aio.Client) -> None:
        owner = await aio.connect()
        process = await owner.spawn(["sleep", "1000"], lifetime="connection")
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        await owner.close()
        try:
            assert (await (await client.process(process.record.id)).wait(LONG)).signal == signal.SIGTERM
        finally:
            os.close(writing)
            os.waitpid(pid, 0)

    run(body)


SLOW_SERVER = """#!/bin/sh
while ! [ -e {go} ]; do sleep 0.01; done
exec {server} "$@"
"""


def test_the_loop_runs_while_a_server_starts(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, go = short_path / "slow", short_path / "go"
    slow.write_text(SLOW_SERVER.format(go=go, server=procctld()))
    slow.chmod(0o755)
    monkeypatch.setenv("PROCCTL_NO_AUTOSTART", "0")
    monkeypatch.setenv("PROCCTLD", str(slow))

    async def body() -> None:
        before = open_descriptors()
        path = short_path / "procctl" / "socket"
        connecting = [asyncio.ensure_future(aio.connect(path, timeout=LONG)) for _ in range(3)]
        # It starts only when this task has had its turn.
        await asyncio.sleep(0.05)
        assert not any(each.done() for each in connecting) and threading.active_count() == 1
        go.touch()
        clients = await asyncio.gather(*connecting)
        assert len({each.instance for each in clients}) == 1
        await clients[0].shutdown()
        for each in clients:
            await each.close()
        assert open_descriptors() == before

    asyncio.run(body())


def test_a_start_that_fails_or_is_given_up(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, program, pid = short_path / "run" / "socket", short_path / "program", short_path / "pid"
    monkeypatch.setenv("PROCCTL_NO_AUTOSTART", "0")
    monkeypatch.setenv("PROCCTLD", str(program))

    def write(script: str) -> None:
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)

    async def body() -> None:
        before = open_descriptors()
        with pytest.raises(procctl.ServerNotRunning, match="cannot be started: No such file"):
            await aio.connect(path)
        write("echo 'procctld: no luck' >&2; exit 1")
        with pytest.raises(procctl.ServerNotRunning, match="could not be started: procctld: no luck"):
            await aio.connect(path)
        write(f"echo $$ >{pid}; exec sleep 1000")
        with pytest.raises(procctl.ServerNotRunning, match="was not ready after"):
            await aio.connect(path, timeout=0.2)
        first = int(pid.read_text())
        pid.unlink()
        connecting = asyncio.ensure_future(aio.connect(path, timeout=LONG))
        while not pid.exists() or not pid.read_text():
            await asyncio.sleep(0.005)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert not alive(first) and not alive(int(pid.read_text())) and open_descriptors() == before

    asyncio.run(body())
