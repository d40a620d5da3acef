# SPDX-License-Identifier: Apache-2.0
"""A client that finds no server starts one; two at once start one."""

from __future__ import annotations

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import pytest
from support import LONG, alive, all_output, eventually, procctld, python, python_command, python_env

import procctl
from procctl import _autostart


@pytest.fixture
def path(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A socket nobody listens on yet; whoever does in the end is shut down."""
    socket = short_path / "procctl" / "socket"
    monkeypatch.setenv("PROCCTL_SOCKET", str(socket))
    monkeypatch.setenv("PROCCTLD", procctld())
    monkeypatch.setenv("PROCCTL_IDLE_EXIT_MS", "60000")
    monkeypatch.delenv("PROCCTL_NO_AUTOSTART")
    yield str(socket)
    try:
        with procctl.connect(str(socket), autostart=False) as client:
            pid = client.info()["pid"]
            client.kill("all", "KILL", wait=True)
            client.shutdown()
        eventually(lambda: not alive(pid), "the server's end")
    except procctl.ServerNotRunning:
        pass


def test_a_server_is_started(path: str) -> None:
    with procctl.connect() as client:
        assert client.path == path
        process = client.spawn(["sh", "-c", "echo hi"])
        assert process.wait(LONG).code == 0 and all_output(process) == b"hi\n"
        pid = client.info()["pid"]
        assert os.getsid(pid) != os.getsid(0) and os.readlink(f"/proc/{pid}/cwd") == "/"
    with procctl.connect() as client:
        assert client.info()["pid"] == pid


def test_many_at_once_start_one(path: str) -> None:
    together = threading.Barrier(8)

    def start(_: int) -> str:
        together.wait()
        with procctl.connect() as client:
            return client.instance

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(8)))) == 1


def test_two_programs_at_once_start_one(path: str) -> None:
    code = "import procctl; print(procctl.connect().instance, flush=True)"
    programs = [
        subprocess.Popen(python_command(code), env=python_env(), stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert len({program.communicate(timeout=LONG)[0] for program in programs}) == 1
    assert [program.returncode for program in programs] == [0] * 4


def test_execvp_starts_one_too(path: str) -> None:
    done = python("import procctl; procctl.execvp('sh', ['sh', '-c', 'echo out; exit 3'])")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "", 3)


def test_it_ends_when_idle(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCCTL_IDLE_EXIT_MS", "50")
    with procctl.connect() as client:
        pid = client.info()["pid"]
        process = client.spawn(["true"])
        process.wait(LONG)
        process.release()
        assert alive(pid)
    eventually(lambda: not alive(pid), "the idle server's end")
    with procctl.connect() as client:
        assert client.info()["pid"] != pid


def test_connecting_again_and_again_to_a_server_that_keeps_ending(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCCTL_IDLE_EXIT_MS", "30")
    seen = set()
    for round_ in range(40):
        with procctl.connect(timeout=LONG) as client:
            assert client.ping() == client.instance
            seen.add(client.instance)
        # To come at about the moment the server goes: a little earlier, a little later.
        threading.Event().wait(0.025 + round_ * 0.0004)
    assert len(seen) > 1


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_it_can_be_turned_off(path: str, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "variable":
        monkeypatch.setenv("PROCCTL_NO_AUTOSTART", "1")
    with pytest.raises(procctl.ServerNotRunning):
        procctl.connect(autostart=how != "argument")
    assert not os.path.exists(path)


def test_a_server_that_cannot_be_started(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCCTLD", "/no/such/procctld")
    with pytest.raises(procctl.ServerNotRunning, match="/no/such/procctld cannot be started: No such file"):
        procctl.connect()
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho 'procctld: no luck' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setenv("PROCCTLD", str(failing))
    with pytest.raises(procctl.ServerNotRunning, match="could not be started: procctld: no luck"):
        procctl.connect()
    monkeypatch.delenv("PROCCTLD")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_autostart.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(procctl.ServerNotRunning, match="no procctld was found"):
        procctl.connect()


def test_where_the_server_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bin", "path"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "procctld").write_text("")
        (tmp_path / name / "procctld").chmod(0o755)
    along = {"PATH": str(tmp_path / "path")}
    monkeypatch.setattr(_autostart.sys, "executable", str(tmp_path / "bin" / "python"))
    assert _autostart.find_server({**along, "PROCCTLD": "/named"}) == "/named"
    assert _autostart.find_server(along) == str(tmp_path / "bin" / "procctld")
    (tmp_path / "bin" / "procctld").unlink()
    assert _autostart.find_server(along) == str(tmp_path / "path" / "procctld")
    assert _autostart.find_server({"PATH": str(tmp_path)}) is None
