# SPDX-License-Identifier: Apache-2.0
"""asyncio's subprocesses through the server: ``procctl.aio``'s functions, and the standard ones after ``install()``."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess as standard
import sys
import threading
from typing import Any, Awaitable, Callable, Iterator

import pytest

import procctl
from conftest import Server
from procctl import aio, subprocess
from support import LONG, eventually, lose_shared, open_descriptors, python

PIPE = asyncio.subprocess.PIPE


@pytest.fixture(params=["ours", "installed"])
def start(request: pytest.FixtureRequest, server: Server) -> Iterator[Callable[..., Awaitable[Any]]]:
    """create_subprocess_exec: ours, and the standard one with our Popen installed."""
    if request.param == "ours":
        yield aio.create_subprocess_exec
        return
    subprocess.install()
    try:
        yield asyncio.create_subprocess_exec
    finally:
        subprocess.uninstall()


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run it, and see that no thread, such as a child watcher's, has come up."""

    async def bounded() -> Any:
        return await asyncio.wait_for(main(), LONG)

    before = threading.active_count()
    result = asyncio.run(bounded())
    assert threading.active_count() == before
    return result


def test_communicate(start: Callable[..., Awaitable[Any]], client: procctl.Client) -> None:
    async def main() -> None:
        process = await start("sh", "-c", "cat; echo err >&2; exit 3", stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert isinstance(process, asyncio.subprocess.Process)
        assert [each.pid for each in client.list()] == [process.pid] and process.returncode is None
        assert await process.communicate(b"x" * 300_000) == (b"x" * 300_000, b"err\n")
        assert process.returncode == 3 and await process.wait() == 3

    run(main)
    eventually(lambda: not client.list())


def test_lines_as_they_come(start: Callable[..., Awaitable[Any]]) -> None:
    async def main() -> None:
        process = await start("cat", stdin=PIPE, stdout=PIPE)
        for word in (b"one\n", b"two\n"):
            process.stdin.write(word)
            await process.stdin.drain()
            assert await process.stdout.readline() == word
        process.stdin.close()
        assert await process.wait() == 0

    run(main)


def test_signals_and_waiters(start: Callable[..., Awaitable[Any]]) -> None:
    async def main() -> None:
        for send, number in (
            (lambda process: process.kill(), signal.SIGKILL),
            (lambda process: process.terminate(), signal.SIGTERM),
            (lambda process: process.send_signal(signal.SIGUSR1), signal.SIGUSR1),
        ):
            process = await start("sleep", "1000")
            waiting = [asyncio.ensure_future(process.wait()) for _ in range(3)]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), 0.01)
            send(process)
            assert await asyncio.gather(*waiting) == [-number] * 3
            with pytest.raises(ProcessLookupError):
                process.kill()

    run(main)


def test_many_at_once(start: Callable[..., Awaitable[Any]]) -> None:
    async def one(number: int) -> int:
        process = await start("sh", "-c", f"echo {number}; exit {number}", stdout=PIPE)
        out, _ = await process.communicate()
        assert out == b"%d\n" % number
        return int(process.returncode)

    async def main() -> None:
        assert await asyncio.gather(*(one(number) for number in range(50))) == list(range(50))

    run(main)
    before = open_descriptors()
    run(main)
    assert len(open_descriptors()) <= len(before)


def test_a_start_that_fails(start: Callable[..., Awaitable[Any]]) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError) as caught:
            await start("no-such-program", stdout=PIPE)
        assert caught.value.filename == "no-such-program"

    run(main)


def test_a_task_that_is_cancelled(start: Callable[..., Awaitable[Any]]) -> None:
    async def main() -> None:
        process = await start("sleep", "1000", stdout=PIPE)
        task = asyncio.ensure_future(process.communicate())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert process.returncode is None
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(main)


@pytest.mark.filterwarnings("ignore")
def test_a_start_that_is_cancelled(start: Callable[..., Awaitable[Any]], client: procctl.Client) -> None:
    """Wherever it is, the program is killed and the cancelled task ends. (The standard module's waits for ever, where the
    pipes are being connected.)
    """

    async def main(steps: int) -> bool:
        task = asyncio.ensure_future(start("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE))
        for _ in range(steps):
            await asyncio.sleep(0)
        if task.done():
            process = task.result()
            process.kill()
            await process.wait()
            return True
        task.cancel()
        await asyncio.wait({task}, timeout=LONG)
        assert task.cancelled()
        return False

    steps = 0
    while not run(lambda: main(steps)):
        steps += 1
    eventually(lambda: not client.list())


def test_a_transport_that_is_closed(start: Callable[..., Awaitable[Any]], client: procctl.Client) -> None:
    """It kills, as the standard one does."""

    async def main() -> None:
        process = await start("sleep", "1000")
        process._transport.close()
        assert await process.wait() == -signal.SIGKILL

    run(main)
    eventually(lambda: not client.list())


@pytest.mark.filterwarnings("ignore")
def test_a_loop_that_ends_before_its_program(start: Callable[..., Awaitable[Any]], client: procctl.Client) -> None:
    """Nothing can be closed in order any more; the descriptors are given back all the same."""
    subprocess.call(["true"])
    before = len(open_descriptors())

    async def main() -> None:
        await start("sleep", "1000", stdin=PIPE, stdout=PIPE)

    for _ in range(3):
        run(main)
    client.kill("all", "KILL", wait=True)

    def all_closed() -> bool:
        gc.collect()
        standard._cleanup()  # type: ignore[attr-defined]
        return len(open_descriptors()) <= before

    eventually(all_closed, f"the end of what is beside {open_descriptors()}")


def test_an_end_that_somebody_else_has_seen(start: Callable[..., Awaitable[Any]]) -> None:
    async def main() -> None:
        process = await start("sh", "-c", "read x; exit 2", stdin=PIPE)
        popen = process._transport.get_extra_info("subprocess")
        assert isinstance(popen, subprocess.Popen)
        process.stdin.write(b"\n")
        await process.stdin.drain()
        assert popen.wait(LONG) == 2
        process._transport.close()
        assert await process.wait() == 2

    run(main)


def test_the_server_is_gone(start: Callable[..., Awaitable[Any]], server: Server) -> None:
    async def main() -> None:
        process = await start("sleep", "1000", stdout=PIPE)
        waiting = asyncio.ensure_future(process.wait())
        await asyncio.sleep(0)
        server.kill()
        with pytest.raises(procctl.ConnectionLost):
            await waiting
        with pytest.raises(procctl.ConnectionLost):
            await process.wait()
        os.kill(process.pid, signal.SIGKILL)
        assert await process.stdout.read() == b""

    run(main)


def test_the_connection_is_made_anew(start: Callable[..., Awaitable[Any]]) -> None:
    async def main() -> None:
        process = await start("sh", "-c", "read x; exit 9", stdin=PIPE)
        lose_shared(process._transport.get_extra_info("subprocess"))
        await asyncio.sleep(0.01)
        process.stdin.write(b"\n")
        assert await process.wait() == 9

    run(main)


def test_shell_and_what_cannot_be_given(server: Server) -> None:
    async def main() -> None:
        process = await aio.create_subprocess_shell("echo $0; exit 4", stdout=PIPE, options={"labels": {"a": "b"}})
        assert (await process.communicate())[0] == b"/bin/sh\n" and process.returncode == 4
        with pytest.raises(ValueError):
            await aio.create_subprocess_shell(["a"], stdout=PIPE)  # type: ignore[arg-type]
        with pytest.raises(ValueError):
            await aio.create_subprocess_exec("true", text=True)

    run(main)


def test_the_standard_functions_are_as_they_were(client: procctl.Client) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sh", "-c", "exit 5")
        assert not client.list() and await process.wait() == 5

    asyncio.run(main())


def test_installed_before_asyncio_is_imported(server: Server) -> None:
    code = """
import procctl.subprocess, sys
procctl.subprocess.install()
assert "asyncio" not in sys.modules
import asyncio
async def main():
    process = await asyncio.create_subprocess_shell("echo $PPID", stdout=-1)
    print(int((await process.communicate())[0]) == procctl.connect().info()["pid"], process.returncode)
asyncio.run(main())
"""
    done = python(code)
    assert done.stdout == "True 0\n" and sys.modules["asyncio"], done.stderr
