# SPDX-License-Identifier: Apache-2.0
"""``procctl.subprocess``: what a program gets of its caller, as far as CPython's own tests do not look."""

from __future__ import annotations

import base64
import errno
import json
import os
import resource
import signal
import subprocess as standard
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

import procctl
from procctl import subprocess
from support import LONG, PROBE, eventually, open_descriptors, python_command, python_env

pytestmark = pytest.mark.usefixtures("server")


def seen(**options: Any) -> Dict[str, Any]:
    """What a program sees that is started with these parameters."""
    found: Dict[str, Any] = json.loads(subprocess.check_output([sys.executable, "-S", PROBE], timeout=LONG, **options))
    return found


def seen_by_a_child(**options: Any) -> Dict[str, Any]:
    """The same of a child of ours."""
    found: Dict[str, Any] = json.loads(standard.check_output([sys.executable, "-S", PROBE], timeout=LONG, **options))
    return found


def test_it_gets_what_a_child_would() -> None:
    before = os.umask(0o027)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
    try:
        for options in ({}, {"restore_signals": False}, {"umask": 0o077}, {"cwd": "/"}, {"env": {"A": "b"}}):
            ours, childs = seen(**options), seen_by_a_child(**options)
            for found in (ours, childs):
                # What C code has set behind Python's back (readline: LINES, COLUMNS) is not in os.environ.
                variables = {base64.b64decode(each) for each in found["environment"]}
                found["environment"] = {each for each in variables if not each.startswith((b"LINES=", b"COLUMNS="))}
            for same in ("argv", "environment", "cwd", "umask", "blocked", "ignored", "uid", "gid"):
                assert ours[same] == childs[same], same
            assert set(ours["descriptors"]) == set(childs["descriptors"])
    finally:
        os.umask(before)
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGURG])


def test_sessions_and_groups(client: procctl.Client) -> None:
    servers = client.info()["pid"]
    default = seen()
    assert default["sid"] == os.getsid(servers)
    assert default["pgid"] not in (os.getpgid(servers), default["pid"]), "neither the server's group, nor led by itself"
    led = seen(start_new_session=True)
    assert led["sid"] == led["pgid"] == led["pid"]


def test_the_default_group_can_become_a_session() -> None:
    code = "import os; os.setsid(); print(os.getsid(0) == os.getpid())"
    assert subprocess.check_output([sys.executable, "-S", "-c", code]) == b"True\n"


def test_what_kills_its_group_reaches_nobody_else() -> None:
    with subprocess.Popen(["sleep", "1000"]) as other:
        assert subprocess.call(["sh", "-c", "sleep 1000 & kill -KILL 0"]) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="process_group came with Python 3.11")
def test_process_groups() -> None:
    assert (lambda found: found["pgid"] == found["pid"] != found["sid"])(seen(process_group=0))
    with subprocess.Popen(["sleep", "1000"], process_group=0) as leader:
        assert seen(process_group=leader.pid)["pgid"] == leader.pid
        leader.kill()
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as elsewhere:
        with pytest.raises(PermissionError):
            seen(process_group=elsewhere.pid)
        elsewhere.kill()
    with pytest.raises(PermissionError):
        seen(process_group=0, start_new_session=True)


def test_a_directory_without_a_name(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    before = os.open(".", os.O_PATH)
    try:
        os.chdir(gone)
        gone.rmdir()
        assert subprocess.check_output(["readlink", "/proc/self/cwd"]).endswith(b"(deleted)\n")
    finally:
        os.fchdir(before)
        os.close(before)


def test_the_path_of_the_given_environment_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "only-there"
    program.write_text("#!/bin/sh\necho there\n")
    program.chmod(0o755)
    assert subprocess.check_output(["only-there"], env={"PATH": str(tmp_path)}) == b"there\n"
    with pytest.raises(FileNotFoundError) as caught:
        subprocess.check_output(["only-there"])
    assert caught.value.filename == "only-there"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert subprocess.check_output(["only-there"]) == b"there\n"
    with pytest.raises(FileNotFoundError):
        subprocess.check_output(["only-there"], env={})


def test_not_allowed_counts_more_than_not_there(tmp_path: Path) -> None:
    """As for the standard module, which tells the first error of another kind."""
    (tmp_path / "closed").write_text("#!/bin/sh\n")
    for path in (f"{tmp_path}:/nonexistent", f"/nonexistent:{tmp_path}", f"{tmp_path}/closed:{tmp_path}"):
        errors = []
        for module in (subprocess, standard):
            with pytest.raises(OSError) as caught:
                module.run(["closed"], env={"PATH": path})
            errors.append((type(caught.value), caught.value.errno, caught.value.filename, str(caught.value)))
        assert errors[0] == errors[1] and errors[0][1] == errno.EACCES


def test_errors_are_those_of_the_standard_module(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    empty = tmp_path / "empty"
    empty.write_text("no format")
    empty.chmod(0o755)
    for arguments in (
        {"args": ["/nonexistent"]},
        {"args": [str(script)]},
        {"args": [str(empty)]},
        {"args": [str(tmp_path)]},
        {"args": ["true"], "cwd": "/nonexistent"},
        {"args": ["true"], "cwd": str(script)},
        {"args": ["true", "x" * (1 << 18)]},
        {"args": ["true\0"]},
        {"args": ["true"], "env": {"A=B": "c"}},
        {"args": ["true"], "env": {"A": None}},
        {"args": ["true"], "stdout": 999},
        {"args": ["true"], "stdin": standard.STDOUT},
        {"args": ["true"], "stderr": -5},
        {"args": ["true"], "pass_fds": [-1]},
        {"args": []},
    ):
        caught = []
        for module in (subprocess, standard):
            try:
                module.run(**arguments)
            except Exception as error:  # noqa: BLE001 - whichever it is
                caught.append((type(error), getattr(error, "errno", None), getattr(error, "strerror", None)))
        assert len(caught) == 2 and caught[0] == caught[1], arguments


def test_environment_names_that_are_not_utf8() -> None:
    out = subprocess.check_output(["env", "-0"], env={b"\xff\xfe": b"\xfd", "A": "1"})
    assert set(out.split(b"\0")[:-1]) == {b"\xff\xfe=\xfd", b"A=1"}
    os.environb[b"PROCCTL_\xff"] = b"\xfe"
    try:
        assert b"PROCCTL_\xff=\xfe\0" in subprocess.check_output(["env", "-0"])
    finally:
        del os.environb[b"PROCCTL_\xff"]


def test_an_entry_without_a_name_is_left_out() -> None:
    """env(1) and others can make one; a program that has it can start others all the same."""
    code = (
        "import os, procctl; from procctl import subprocess\n"
        "for env in (None, {**os.environ}): print(b'=x' in subprocess.check_output(['env'], env=env).split(b'\\n'))\n"
        "print(procctl.connect().spawn(['true'], pty=True).wait().code)"
    )
    done = standard.run(["env", "=x", *python_command(code)], env=python_env(), stdout=standard.PIPE, timeout=LONG)
    assert done.stdout == b"False\nFalse\n0\n"


def test_what_cannot_cross_is_refused() -> None:
    with pytest.raises(ValueError, match="preexec_fn"):
        subprocess.Popen(["true"], preexec_fn=os.getpid)
    with pytest.raises(TypeError, match="pty"):
        subprocess.Popen(["true"], options={"pty": True})
    with pytest.raises(TypeError, match="stdout"):
        subprocess.Popen(["true"], options={"stdout": "null"})


def test_options(client: procctl.Client) -> None:
    options: procctl.SpawnOptions = {"nice": 5, "rlimits": {"core": 0, "nofile": (100, 200)}, "labels": {"of": "test"}}
    with subprocess.Popen(["sh", "-c", "nice; ulimit -S -n; read x"], stdin=-1, stdout=-1, options=options) as process:
        assert process.stdout is not None and process.stdin is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"5\n", b"100\n"]
        (record,) = client.list(labels={"of": "test"})
        assert record.pid == process.pid
        process.stdin.close()


def test_limits_and_nice_of_the_caller_are_sent_by_choice() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        command = ["sh", "-c", "ulimit -S -c"]
        assert subprocess.check_output(command, options={"rlimits": subprocess.own_limits()}) == b"0\n"
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_with_its_parent(client: procctl.Client, server: Any) -> None:
    """A process that ends with whoever started it, even when that is killed."""
    code = (
        "import time; from procctl import subprocess\n"
        "options = {'lifetime': 'connection'}\n"
        "print(subprocess.Popen(['sleep', '1000'], stdout=subprocess.DEVNULL, options=options).pid)\n"
        "time.sleep(1000)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    with standard.Popen([sys.executable, "-c", code], stdout=standard.PIPE, env=environment) as caller:
        assert caller.stdout is not None
        pid = int(caller.stdout.readline())
        (record,) = [each for each in client.list() if each.pid == pid]
        assert record.state == "running"
        caller.kill()
    assert client.process(record).wait(LONG).signal == signal.SIGTERM


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_another_user_in_a_directory_of_ours(tmp_path: Path) -> None:
    """As for a child, whose directory is inherited, or entered before its user is."""
    tmp_path.chmod(0o700)
    found = subprocess.check_output(["sh", "-c", "id -u; id -g; id -G"], user=65534, cwd=tmp_path)
    assert found == standard.check_output(["sh", "-c", "id -u; id -g; id -G"], user=65534, cwd=tmp_path)


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """260 descriptors that a program may inherit."""
    numbers = [os.open(os.devnull, os.O_RDONLY) for _ in range(260)]
    for number in numbers:
        os.set_inheritable(number, True)
    yield len(numbers)
    for number in numbers:
        os.close(number)


def test_more_descriptors_than_a_message_can_carry(many_descriptors: int) -> None:
    before = open_descriptors()
    with pytest.raises(procctl.LimitReached) as caught:
        subprocess.run(["true"], close_fds=False)
    assert caught.value.limit == "message_descriptors" and set(open_descriptors()) <= set(before)
    assert subprocess.call(["true"]) == 0


def test_other_threads_open_and_close_what_a_program_may_inherit() -> None:
    """A fork has no moment between looking and copying; here one is closed in between again and again."""
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            numbers = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
            for number in numbers:
                os.set_inheritable(number, True)
            for number in numbers:
                os.close(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            churning = [pool.submit(churn) for _ in range(4)]
            try:
                assert {subprocess.call(["true"], close_fds=False) for _ in range(50)} == {0}
            finally:
                ended.set()
            assert [each.result(LONG) for each in churning] == [None] * 4
    finally:
        sys.setswitchinterval(interval)


def test_data_goes_past_the_server(server: Any) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        streams: Any = process.process.record.streams
        assert {streams[name]["kind"] for name in ("stdin", "stdout", "stderr")} == {"descriptor"}
        assert process.communicate(b"x" * 1_000_000)[0] == b"x" * 1_000_000
