# SPDX-License-Identifier: Apache-2.0
"""exec_replace of a process that runs, and execvp of a caller that is under the server's care itself."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import Server
from support import LONG, all_output, eventually, python_command, python_env

import procctl
from procctl import aio

SLEEP = ["sleep", "1000"]


def test_a_running_program_is_replaced(client: procctl.Client, tmp_path: Path) -> None:
    process = client.spawn(["cat"], stdin="pipe", env={**os.environ, "KEPT": "1", "GONE": "2"})
    pid = process.pid
    record = process.exec_replace(
        ["sh", "-c", 'read x; echo "$KEPT-$GONE-$NEW $x"; pwd; exit 6'],
        env_base="keep",
        env={"NEW": "3", "GONE": None},
        cwd=tmp_path,
        start_timeout=5,
    )
    assert (record.pid, record.generation, record.state) == (pid, 2, "running")
    assert record.replaced_at and record.started_at and record.replaced_at >= record.started_at
    process.write("through\n")
    assert process.wait(LONG).code == 6
    assert all_output(process).decode().splitlines() == ["1--3 through", str(tmp_path.resolve())]


def test_one_that_cannot_be_started(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)
    with pytest.raises(FileNotFoundError) as caught:
        process.exec_replace(["no-such-program"])
    assert isinstance(caught.value, procctl.ExecError) and caught.value.filename == "no-such-program"
    assert caught.value.stage == "exec" and process.poll() is None and process.record.generation == 1


def test_what_may_not_be_replaced_says_why(client: procctl.Client) -> None:
    process = client.spawn(["true"])
    process.wait(LONG)
    with pytest.raises(procctl.WrongState) as caught:
        process.exec_replace(SLEEP)
    assert caught.value.data["reason"] == "exited"
    running = client.spawn(SLEEP)
    with pytest.raises(procctl.WrongState) as caught:
        client.exec_replace(running.id, ["true"], from_inside=True)
    assert caught.value.data["reason"] == "not_inside" and running.state == "running"


def test_subscribers_are_told(client: procctl.Client) -> None:
    process = client.spawn(["sh", "-c", "printf old; exec sleep 1000"])
    eventually(lambda: process.read().data == b"old", "the output")
    with process.events(["replaced", "output", "drained"], from_={"stdout": 0}) as events:
        process.exec_replace(["sh", "-c", "printf new"])
        told = list(events)
    assert told[0] == procctl.events.Output(process.id, "stdout", 0, b"old")
    assert told[1] == procctl.Replaced(process.id, {"stderr": 0, "stdout": 3}, ("sh", "-c", "printf new"), 2)
    assert told[2] == procctl.events.Output(process.id, "stdout", 3, b"new")


@pytest.mark.parametrize("signals, ignored", [(None, 0), ("fresh", 0), ("inherit", 1 << signal.SIGHUP - 1)])
def test_signals(client: procctl.Client, signals: Any, ignored: int) -> None:
    process = client.spawn(["cat"], stdin="pipe", signals=procctl.Signals(ignored=("HUP",)))
    process.exec_replace(["grep", "SigIgn", "/proc/self/status"], signals=signals)
    assert process.wait(LONG).code == 0
    assert int(all_output(process).split()[1], 16) == ignored


@pytest.mark.usefixtures("server")
def test_on_asyncio() -> None:
    async def body() -> None:
        async with await aio.connect() as client:
            process = await client.spawn(SLEEP)
            record = await process.exec_replace(["sh", "-c", "exit 3"], signals="inherit", start_timeout=5)
            assert (record.pid, record.generation) == (process.pid, 2)
            assert (await process.wait(LONG)).code == 3

    asyncio.run(body())


# From inside


def inside(client: procctl.Client, code: str, *arguments: str) -> procctl.Process:
    """A piece of Python under the server's care."""
    return client.spawn(python_command("import os, sys, procctl\n" + code, *arguments), env=python_env(), stdin="pipe")


@pytest.mark.parametrize(
    "call",
    [
        "procctl.execvp('sh', ['sh', '-c', sys.argv[1]])",
        "procctl.execv('/bin/sh', ['sh', '-c', sys.argv[1]])",
        "procctl.execve('/bin/sh', ['sh', '-c', sys.argv[1]], os.environ)",
        "procctl.execvpe('sh', ['sh', '-c', sys.argv[1]], dict(os.environ))",
    ],
)
def test_execvp_is_in_place(client: procctl.Client, call: str) -> None:
    process = inside(client, call + "\nprint('Good Bye!!')", 'read x; echo "$$ $x"; exit 5')
    eventually(lambda: process.refresh().generation == 2, "the replacement")
    process.write("hello\n")
    assert process.wait(LONG).code == 5
    assert all_output(process) == b"%d hello\n" % process.record.pid
    assert [record.id for record in client.list()] == [process.id], "nobody stands in"


def test_execvp_that_fails_goes_on(client: procctl.Client) -> None:
    code = (
        "for name in 'no-such-program', '/dev/null':\n"
        "    try: procctl.execvp(name, [name])\n"
        "    except OSError as error: print(isinstance(error, (FileNotFoundError, PermissionError)), error.filename, error.stage)\n"
        "sys.exit(4)"
    )
    process = inside(client, code)
    assert process.wait(LONG).code == 4
    assert all_output(process).decode().splitlines() == [
        "True no-such-program exec",
        "True /dev/null exec",
    ]


def test_a_caller_with_threads(client: procctl.Client) -> None:
    code = (
        "import threading, time\n"
        "for _ in range(3): threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "threading.Thread(target=lambda: procctl.execvp('sh', ['sh', '-c', 'exit 9'])).start()"
    )
    assert inside(client, code).wait(LONG).code == 9


def test_a_child_of_a_managed_caller_is_somebody_else(client: procctl.Client) -> None:
    """It has PROCCTL_PROCESS from its parent; its program is a process of its own."""
    code = (
        "pid = os.fork()\n"
        "if pid == 0: procctl.execvp('sh', ['sh', '-c', 'exit 7'])\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) + 1)"
    )
    process = inside(client, code)
    assert process.wait(LONG).code == 8 and process.record.generation == 1


def test_a_caller_of_another_server(client: procctl.Client, short_path: Path) -> None:
    """Its id may be somebody's there as well."""
    other = Server(short_path / "other")
    code = "os.environ['PROCCTL_SOCKET'] = sys.argv[1]\nprocctl.execvp('sh', ['sh', '-c', 'exit 7'])"
    try:
        with procctl.connect(other.path) as elsewhere:
            taken = elsewhere.spawn(SLEEP)
            process = inside(client, code, other.path)
            assert taken.id == process.id
            assert process.wait(LONG).code == 7 and process.record.generation == 1
            assert taken.state == "running"
        other.close()
    finally:
        other.kill()
