# SPDX-License-Identifier: Apache-2.0
"""spawn: what a program is started with, and how a start fails."""

from __future__ import annotations

import base64
import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Dict

import pytest
from support import LONG, all_output, eventually, open_descriptors, probe

import procctl


def text(encoded: str) -> str:
    return os.fsdecode(base64.b64decode(encoded))


def environment(found: Dict[str, Any]) -> Dict[bytes, bytes]:
    variables = (base64.b64decode(variable).split(b"=", 1) for variable in found["environment"])
    return {name: value for name, value in variables}


def test_a_program_starts_as_a_child_of_the_caller_would(
    client: procctl.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_THE_CALLER", "ä €")
    before = os.umask(0o027)
    try:
        found = probe(client)
    finally:
        os.umask(before)
    assert text(found["cwd"]) == str(tmp_path)
    assert found["umask"] == 0o027
    assert environment(found) == dict(os.environb)
    assert found["sid"] == found["pgid"] == found["pid"]
    assert (found["blocked"], found["ignored"]) == (
        [],
        [signal.SIGPIPE, signal.SIGXFSZ],
    )  # Those two are the probe's own, being Python.
    assert sorted(found["descriptors"]) == ["0", "1", "2"]
    assert found["descriptors"]["0"] == "/dev/null"


def test_the_callers_directory_needs_no_path(
    client: procctl.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    process = client.spawn(["readlink", "/proc/self/cwd"])
    assert process.wait(LONG).code == 0
    assert all_output(process) == f"{gone} (deleted)\n".encode()


def test_options_for_cwd_umask_and_environment(
    client: procctl.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    found = probe(client, cwd="inner", umask=0o077, env={"ONLY": "this", b"BYTES": b"\xff"})
    assert text(found["cwd"]) == str(tmp_path / "inner")
    assert found["umask"] == 0o077
    assert environment(found) == {b"ONLY": b"this", b"BYTES": b"\xff"}
    directory = os.open(tmp_path / "inner", os.O_PATH)
    try:
        assert text(probe(client, cwd=directory)["cwd"]) == str(tmp_path / "inner")
    finally:
        os.close(directory)


def test_the_servers_own_environment_and_directory(client: procctl.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNKNOWN_TO_THE_SERVER", "1")
    found = environment(
        probe(client, env_base="inherit", env={"ADDED": "2", "HOME": None}, cwd=procctl.SERVER, umask=procctl.SERVER)
    )
    assert found[b"ADDED"] == b"2" and b"HOME" not in found and b"UNKNOWN_TO_THE_SERVER" not in found
    assert os.fsdecode(found[b"PROCCTL_SOCKET"]) == client.path
    assert int(found[b"PROCCTL_PROCESS"]) >= 1


def test_bytes_that_are_no_text(client: procctl.Client, tmp_path: Path) -> None:
    directory = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(directory)
    odd = os.fsdecode(b"\x80odd")
    found = probe(client, "", odd, b"\xc3", cwd=directory, env={"ODD": odd, "PLAIN": "ä"})
    assert [base64.b64decode(argument) for argument in found["argv"]][-2:] == [b"\x80odd", b"\xc3"]
    assert base64.b64decode(found["cwd"]) == directory
    assert environment(found) == {b"ODD": b"\x80odd", b"PLAIN": "ä".encode()}
    process = client.spawn(["printf", r"\377\n"])
    assert process.wait(LONG).code == 0
    assert all_output(process) == b"\xff\n"
    record = client.spawn(["true", odd]).record
    assert record.argv == ("true", odd)


def test_environment_variables_whose_names_are_not_utf8(
    client: procctl.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environb, b"\xff", b"\xfe")  # type: ignore[misc]
    for options in ({}, {"pty": True, "stdout": "pipe"}):
        process = client.spawn(["env", "-0"], **options)  # type: ignore[arg-type]
        assert process.wait(LONG, until="drained").code == 0
        assert b"\xff=\xfe\0" in all_output(process)


def test_lone_surrogates_that_stand_for_no_byte_are_refused(client: procctl.Client) -> None:
    with pytest.raises(UnicodeEncodeError):
        client.spawn(["true", "\ud800"])
    with pytest.raises(UnicodeEncodeError):
        client.spawn(["true"], name="\udcff")
    assert client.ping()


@pytest.mark.parametrize(
    "argv, options, stage, number, path",
    [
        (["no-such-program"], {}, "exec", errno.ENOENT, "no-such-program"),
        (["/no/such/program"], {}, "exec", errno.ENOENT, "/no/such/program"),
        (["/dev/null/x"], {}, "exec", errno.ENOTDIR, "/dev/null/x"),
        (["/etc/passwd"], {}, "exec", errno.EACCES, "/etc/passwd"),
        (["true"], {"cwd": "/no/such/directory"}, "cwd", errno.ENOENT, "/no/such/directory"),
        (["true"], {"cwd": "/etc/passwd"}, "cwd", errno.ENOTDIR, "/etc/passwd"),
        (["true"], {"stdin": procctl.File("/no/such/file")}, "stdin", errno.ENOENT, "/no/such/file"),
        (["true"], {"stdout": procctl.File("/etc/passwd", "create-new")}, "stdout", errno.EEXIST, "/etc/passwd"),
    ],
)
def test_a_start_that_fails(
    client: procctl.Client, argv: Any, options: Any, stage: str, number: int, path: str
) -> None:
    with pytest.raises(type(OSError(number, ""))) as caught:
        client.spawn(argv, **options)
    error = caught.value
    assert isinstance(error, procctl.SpawnError) and error.kind == "spawn_failed"
    assert (error.stage, error.errno, error.strerror, error.filename) == (stage, number, os.strerror(number), path)
    assert client.list() == []


def test_a_file_without_a_format_is_no_program(client: procctl.Client, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.write_text("no magic here\n")
    nothing.chmod(0o755)
    with pytest.raises(procctl.SpawnError) as caught:
        client.spawn([nothing])
    assert (caught.value.errno, caught.value.filename) == (errno.ENOEXEC, str(nothing))


def test_files_and_candidates(client: procctl.Client) -> None:
    assert client.spawn(["named", "-c", "exit 3"], file="/bin/sh").wait(LONG).code == 3
    assert client.spawn(["named", "-c", "exit 4"], file=["/no/such/sh", "/bin/sh"]).wait(LONG).code == 4


@pytest.mark.parametrize(
    "argv, options, path",
    [
        ([], {}, "argv"),
        (["true"], {"name": "not a name"}, "name"),
        (["true"], {"nice": 99}, "nice"),
        (["true"], {"session": "none"}, "session"),
        (["true"], {"stdin": "sideways"}, "stdin"),
    ],
)
def test_params_the_server_refuses(client: procctl.Client, argv: Any, options: Any, path: str) -> None:
    with pytest.raises(procctl.InvalidParams) as caught:
        client.spawn(argv, **options)
    assert caught.value.path == path
    assert isinstance(caught.value, ValueError)


def test_params_this_client_refuses(client: procctl.Client) -> None:
    for error, argv, options in (
        (TypeError, "true", {}),
        (ValueError, ["a\0b"], {}),
        (ValueError, ["true"], {"env": {"A=B": "1"}}),
        (TypeError, ["true"], {"cwdd": "/"}),
        (OverflowError, ["true"], {"user": 2**64}),
        (ValueError, ["true"], {"timeout": -1}),
        (TypeError, ["true"], {"stdin": object()}),
        (ValueError, ["true"], {"stdin": -7}),
    ):
        with pytest.raises((error, AttributeError)):
            client.spawn(argv, **options)  # type: ignore[arg-type, typeddict-item]
    assert client.list() == []


def test_a_name_is_taken_once(client: procctl.Client) -> None:
    first = client.spawn(["sleep", "1000"], name="web", labels={"job": "x"})
    with pytest.raises(procctl.NameTaken) as caught:
        client.spawn(["true"], name="web")
    assert caught.value.process == first.id
    assert client.get("web").labels == {"job": "x"}


def test_settings_of_the_program(client: procctl.Client) -> None:
    found = probe(
        client,
        nice=5,
        no_new_privileges=True,
        session="group",
        signals=procctl.Signals(ignored=("HUP", signal.SIGUSR1), blocked=("SIGRTMIN+2",)),
    )
    assert found["nice"] == 5 and found["no_new_privileges"]
    assert found["pgid"] == found["pid"] != found["sid"]
    assert {signal.SIGHUP, signal.SIGUSR1} <= set(found["ignored"])
    assert found["blocked"] == [signal.SIGRTMIN + 2]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    process = client.spawn(
        ["sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -Sc"], rlimits={"nofile": (100, hard), "core": 0}
    )
    assert process.wait(LONG).code == 0
    assert all_output(process).split() == [
        b"100",
        str(hard).encode() if hard != resource.RLIM_INFINITY else b"unlimited",
        b"0",
    ]


def test_another_user(client: procctl.Client, as_root: bool) -> None:
    if as_root:
        process = client.spawn(["id", "-u"], user=65534, group=65534, groups=[], cwd="/")
        assert process.wait(LONG).code == 0 and all_output(process) == b"65534\n"
    else:
        with pytest.raises(procctl.ProcctlError) as caught:
            client.spawn(["true"], user=0, group=0)
        assert isinstance(caught.value, PermissionError)


def test_a_deadline_and_a_stop_rule(client: procctl.Client) -> None:
    process = client.spawn(["sleep", "1000"], timeout=0.05, stop=procctl.Stop(signal.SIGKILL, 0))
    assert process.record.deadline_at is not None
    assert process.wait(LONG).signal == signal.SIGKILL
    assert process.record.reason == "deadline"


def test_lifetimes(client: procctl.Client) -> None:
    with procctl.connect() as other:
        bound = other.spawn(["sleep", "1000"], lifetime="connection")
        free = other.spawn(["sleep", "1000"])
        leased = other.spawn(["sleep", "1000"], lifetime=procctl.Lease(0.05))
        assert leased.record.lifetime == {"lease_ms": 50}
    assert client.process(bound.record.id).wait(LONG).signal == signal.SIGTERM
    assert client.get(bound.record.id).reason == "connection"
    assert client.get(free.record.id).state == "running"
    eventually(lambda: leased.record.id in [record.id for record in client.list(state="exited")], "the lease's end")
    assert client.get(leased.record.id).reason == "lease"


def test_standard_streams(client: procctl.Client, tmp_path: Path) -> None:
    source, target, errors = tmp_path / "source", tmp_path / "target", tmp_path / "errors"
    source.write_text("from a file\n")
    errors.write_text("before\n")
    process = client.spawn(
        ["sh", "-c", "cat; echo error >&2"],
        stdin=procctl.File(source),
        stdout=procctl.File(target),
        stderr=procctl.File(errors, "append"),
    )
    assert process.wait(LONG).code == 0
    assert (target.read_text(), errors.read_text()) == ("from a file\n", "before\nerror\n")
    merged = client.spawn(["sh", "-c", "echo out; echo error >&2"], stderr=subprocess.STDOUT)
    assert merged.wait(LONG).code == 0 and all_output(merged) == b"out\nerror\n"
    silent = client.spawn(
        ["sh", "-c", "cat; echo out; echo error >&2"], stdin=subprocess.DEVNULL, stdout="null", stderr="null"
    )
    assert silent.wait(LONG).code == 0 and silent.record.streams["stdout"] == {"kind": "null"}
    piped = client.spawn(["cat"], stdin=subprocess.PIPE)
    piped.write("sent\n", eof=True)
    assert piped.wait(LONG).code == 0 and all_output(piped) == b"sent\n"


def test_descriptors_are_passed_along(client: procctl.Client, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with open(tmp_path / "file", "w+", encoding="utf-8") as file:
        file.write("given\n")
        file.flush()
        file.seek(0)
        command = f"cat; echo through >/proc/self/fd/{writing}; echo nine >&9; ls /proc/self/fd"
        process = client.spawn(["sh", "-c", command], stdin=file, pass_fds=[writing], fds={9: writing})
        os.close(writing)
        assert process.wait(LONG).code == 0, all_output(process, "stderr")
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"through\nnine\n"
    listed = all_output(process).split()
    assert listed[0] == b"given" and {b"0", b"1", b"2", b"9", str(writing).encode()} < set(listed)
    assert process.record.streams["stdin"] == {"kind": "descriptor"}


def test_the_callers_own_streams_crosswise(client: procctl.Client) -> None:
    pipes = [os.pipe() for _ in range(2)]
    process = client.spawn(["sh", "-c", "echo out; echo error >&2"], stdout=pipes[1][1], stderr=pipes[0][1])
    assert process.wait(LONG).code == 0
    for (reading, writing), expected in zip(pipes, (b"error\n", b"out\n")):
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read() == expected


def test_the_most_descriptors_and_one_more(client: procctl.Client) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    numbers = [os.dup(null) for _ in range(252)]
    try:
        # With the directory, which is a descriptor too, these are as many as go into one message.
        process = client.spawn(["sh", "-c", "ls /proc/self/fd | wc -l"], pass_fds=numbers)
        assert process.wait(LONG).code == 0 and int(all_output(process)) >= 252 + 3
        with pytest.raises(procctl.LimitReached, match="at most 253") as caught:
            client.spawn(["true"], pass_fds=[*numbers, null])
        assert caught.value.maximum == 253
        assert client.spawn(["true"], pass_fds=[*numbers, null], cwd="/").wait(LONG).code == 0
    finally:
        for number in [null, *numbers]:
            os.close(number)


def test_a_closed_descriptor_is_an_error_and_no_more(client: procctl.Client) -> None:
    closed = os.open(os.devnull, os.O_RDONLY)
    os.close(closed)
    with pytest.raises(OSError) as caught:
        client.spawn(["true"], pass_fds=[closed])
    assert caught.value.errno == errno.EBADF
    assert client.spawn(["true"]).wait(LONG).code == 0


def test_a_thousand_failing_starts_leave_nothing_open(client: procctl.Client) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    server = client.info()["pid"]
    for round_ in range(1000):
        with pytest.raises(FileNotFoundError):
            client.spawn(["no-such-program"], stdin=null, pass_fds=[null])
        if round_ == 10:
            before, before_there = open_descriptors(), len(os.listdir(f"/proc/{server}/fd"))
    assert open_descriptors() == before
    eventually(lambda: len(os.listdir(f"/proc/{server}/fd")) <= before_there, "the server's closing of descriptors")
    os.close(null)


def test_few_descriptors_are_enough(client: procctl.Client) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(open_descriptors())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 3, hard))
    try:
        assert client.spawn([sys.executable, "-S", "-c", ""]).wait(LONG).code == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_thread_is_started_for_a_client(client: procctl.Client) -> None:
    client.spawn(["true"]).wait(LONG)
    assert threading.active_count() == 1
