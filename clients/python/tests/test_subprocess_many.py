# SPDX-License-Identifier: Apache-2.0
"""``procctl.subprocess`` with more living programs than a server takes connections, and what comes of sharing them."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List

import pytest

import procctl
from conftest import Server
from procctl import aio, subprocess
from procctl._popen import pool
from support import LONG, eventually, open_descriptors, python

QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
SLEEP = ["sleep", "1000"]


def connections(client: procctl.Client) -> int:
    """How many the server has beside this one."""
    return int(client.info()["counts"]["connections"]) - 1


def test_thousands_alive(client: procctl.Client) -> None:
    before = len(open_descriptors())
    many = [subprocess.Popen(SLEEP, **QUIET) for _ in range(2500)]
    assert connections(client) <= 2500 // pool.SHARE + 2 and len(open_descriptors()) < before + 10
    assert not any(process.poll() for process in many)
    # Others have their connections, and this process its further programs.
    procctl.connect().close()
    assert subprocess.call(["sh", "-c", "exit 3"]) == 3
    many[0].kill()
    many[-1].kill()
    assert many[0].wait(LONG) == many[-1].wait(LONG) == -signal.SIGKILL
    assert client.kill("all", "KILL", wait=True, timeout=LONG)
    assert {process.wait(LONG) for process in many} == {-signal.SIGKILL}
    assert connections(client) == 1, "one is kept for the next start"
    eventually(lambda: not client.list(), "their being forgotten")


def test_hundreds_alive_with_asyncio(client: procctl.Client) -> None:
    async def main() -> None:
        many = [await aio.create_subprocess_exec(*SLEEP, **QUIET) for _ in range(1200)]
        waiting = [asyncio.ensure_future(process.wait()) for process in many]
        assert connections(client) <= 1200 // pool.SHARE + 2
        process = await aio.create_subprocess_exec("sh", "-c", "exit 3")
        assert await process.wait() == 3
        client.kill("all", "KILL")
        assert {*await asyncio.gather(*waiting)} == {-signal.SIGKILL}

    before = len(open_descriptors())
    asyncio.run(asyncio.wait_for(main(), 2 * LONG))
    gc.collect()
    assert len(open_descriptors()) <= before + 1 and connections(client) == 1
    eventually(lambda: not client.list(), "their being forgotten")


def test_many_threads_share(client: procctl.Client) -> None:
    """Each waits for its own program, none reads in vain for another, and there are fewer connections than threads."""
    with ThreadPoolExecutor(64) as threads:
        many = [*threads.map(lambda _: subprocess.Popen(SLEEP, **QUIET), range(64))]
        waiting = [threads.submit(process.wait, LONG) for process in many]
        for process in many:
            process.kill()
        assert {wait.result(LONG) for wait in waiting} == {-signal.SIGKILL}
        many = [*threads.map(lambda _: subprocess.Popen(SLEEP, **QUIET), range(64))]
        waiting = [threads.submit(process.wait, LONG) for process in many]
        assert connections(client) <= 2 * pool.MOST
        client.kill("all", "KILL")
        assert {wait.result(LONG) for wait in waiting} == {-signal.SIGKILL}


def test_a_start_that_takes_long_delays_nothing_else(server: Server, client: procctl.Client, tmp_path: Any) -> None:
    """The server goes on with a connection's requests when a start is decided, and it is decided when the program runs."""
    living = subprocess.Popen(SLEEP, **QUIET)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(4) as threads:
        slow = threads.submit(subprocess.call, [str(fifo)], options={"start_timeout": 3})
        quick = [threads.submit(subprocess.call, ["sh", "-c", "exit 3"]) for _ in range(3)]
        living.kill()
        assert living.wait(LONG) == -signal.SIGKILL
        assert [each.result(LONG) for each in quick] == [3] * 3
        assert isinstance(slow.exception(LONG), OSError)


def test_a_handler_that_waits_for_other_threads(server: Server) -> None:
    """The main thread, which reads what it waits for, is in the handler meanwhile: no other thread may need it to."""
    code = """
import os, signal, threading
from procctl import subprocess
first, second, third = [subprocess.Popen(["sleep", "1000"]) for _ in "123"]
def work():
    second.kill()
    print("worker", second.wait(20), flush=True)
    third.kill()
    while third.poll() is None:
        pass
    print("worker", third.poll(), subprocess.call(["sh", "-c", "exit 3"]), flush=True)
thread = threading.Thread(target=work)
def handler(*_):
    thread.start()
    thread.join(20)
    first.kill()
signal.signal(signal.SIGUSR1, handler)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
print("main", first.wait(20))
"""
    done = python(code)
    assert done.stdout == "worker -9\nworker -9 3\nmain -9\n", done.stderr


def test_a_handler_that_polls_another_program(server: Server) -> None:
    """What it asks about has ended while its own thread was waiting for something else."""
    code = """
import os, signal, threading
from procctl import subprocess
first, second = [subprocess.Popen(["sh", "-c", "read x; exit 7"], stdin=-1) for _ in "12"]
def handler(*_):
    second.stdin.close()
    while second.poll() is None:
        pass
    print("handler", second.returncode, flush=True)
    first.stdin.close()
signal.signal(signal.SIGUSR1, handler)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
print("main", first.wait(20))
"""
    done = python(code)
    assert done.stdout == "handler 7\nmain 7\n", done.stderr


def test_an_exception_anywhere_leaves_the_others_alone(server: Server) -> None:
    """The programs of lifetime "connection" live as long as the connection they share: no exception of a signal handler
    may cost it, wherever it comes in.
    """
    code = """
import random, signal
from procctl import subprocess
sleep = {"args": ["sleep", "1000"], "options": {"lifetime": "connection"}}
others = [subprocess.Popen(**sleep) for _ in range(3)]
armed = False
def handler(*_):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, handler)
def ask():
    others[0].poll()
    others[1].send_signal(signal.SIGCONT)
    try:
        others[2].wait(0.0003)
    except subprocess.TimeoutExpired:
        pass
for number in range(1000):
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1e-3))
        ask()
        armed = False
    except KeyboardInterrupt:
        armed = False
    assert [each.poll() for each in others] == [None] * 3, number
for each in others:
    each.kill()
print([each.wait(20) for each in others])
"""
    done = python(code)
    assert done.stdout == "[-9, -9, -9]\n", done.stderr


def test_a_message_given_up_in_the_middle(client: procctl.Client) -> None:
    """It is too large for the socket, the server is stopped, and what comes behind it is heard all the same."""
    with procctl.connect() as other:
        living = other.spawn(SLEEP, lifetime="connection", **{"stdin": "null", "stdout": "null"})
        server = int(client.info()["pid"])
        os.kill(server, signal.SIGSTOP)
        try:
            for _ in range(3):
                try:
                    other.call("ping", {"x": "x" * 2_000_000}, timeout=0.01)
                except procctl.TimedOut:
                    pass
        finally:
            os.kill(server, signal.SIGCONT)
        assert other.ping() == client.ping() and living.poll() is None


@pytest.mark.filterwarnings("ignore")
def test_dropped_in_the_middle_of_a_request(client: procctl.Client) -> None:
    """Garbage collection comes in anywhere, and what it collects here speaks to the server."""
    def drop(number: int) -> None:
        for _ in range(20):
            cycle: List[Any] = [subprocess.Popen(["true"], **QUIET)]
            cycle.append(cycle)
            del cycle
            assert subprocess.call(["true"]) == 0

    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        with ThreadPoolExecutor(4) as threads:
            for done in [threads.submit(drop, number) for number in range(4)]:
                done.result(2 * LONG)
    finally:
        gc.set_threshold(*before)
    assert threading.active_count() == 1
