# SPDX-License-Identifier: Apache-2.0
"""Held processes: created, all but execve done, waiting for exec-replace to let the program run."""

import ctypes
import os
import signal

import procfs
import pytest
import wire
from support import drained, failure, get, kill, pipe, probe, read_all, spawn, unfold, wait_one

PR_SET_CHILD_SUBREAPER = 36


def replace(client, process, **params):
    return client.request("exec-replace", dict(params, process=process))


def test_a_held_process_exists_and_runs_nothing(client, zoo):
    record = spawn(client, [zoo("exits"), "3"], hold=True, name="held")
    assert record["state"] == "held" and record["started_at"] is None and record["exit"] is None
    assert record["generation"] == 1 and procfs.alive(record["pid"])
    assert get(client, "held")["state"] == "held"
    started = replace(client, record["id"])
    assert (
        started["state"] in ("running", "exited") and started["pid"] == record["pid"] and started["id"] == record["id"]
    )
    assert started["started_at"] is not None
    assert wait_one(client, record["id"])["exit"] == {"code": 3}


def test_the_program_it_was_created_with(client, zoo, room):
    record = spawn(client, ["a", "b"], file=zoo("probe"), cwd=str(room), env={"X": "1"}, umask=0o31, hold=True, fds={})
    replace(client, record["id"])
    drained(client, record["id"])
    seen = unfold(read_all(client, record["id"]))
    assert seen["argv"] == [b"a", b"b"] and seen["env"][b"X"] == b"1" and seen["umask"] == 0o31
    assert seen["cwd"] == os.fsencode(os.path.realpath(room)) and seen["pid"] == record["pid"]
    assert set(seen["fds"]) == {"0", "1", "2"} and seen["session"] == seen["pid"]
    assert int(seen["SigIgn"], 16) == 0 and int(seen["SigBlk"], 16) == 0


def test_another_program(client, zoo, room):
    record = spawn(client, ["/nonexistent/never"], cwd="/", env={"X": "1", "Y": "2"}, hold=True)
    started = replace(
        client, record["id"], argv=["other", "arg"], file=zoo("probe"), env={"X": None, "Z": "3"}, cwd=str(room)
    )
    assert started["argv"] == ["other", "arg"]
    drained(client, record["id"])
    seen = unfold(read_all(client, record["id"]))
    assert seen["argv"] == [b"other", b"arg"] and seen["cwd"] == os.fsencode(os.path.realpath(room))
    assert b"X" not in seen["env"] and seen["env"][b"Y"] == b"2" and seen["env"][b"Z"] == b"3"


@pytest.mark.parametrize("base", ["inherit", "empty", "keep", None])
def test_environment_bases(server, client, zoo, base):
    record = spawn(client, [zoo("probe")], env_base="empty", env={"KEPT": "1"}, hold=True)
    replace(client, record["id"], **({} if base is None else {"env_base": base}), env={"NEW": "2"})
    drained(client, record["id"])
    seen = unfold(read_all(client, record["id"]))["env"]
    assert seen[b"NEW"] == b"2"
    assert (b"KEPT" in seen) == (base in ("keep", None))
    assert (b"PATH" in seen) == (base == "inherit" and "PATH" in server.environment)
    if base == "empty":
        assert seen == {b"NEW": b"2"}


def test_signals_for_the_replacement(client, zoo):
    record = spawn(client, [zoo("probe")], hold=True, signals={"ignored": ["PIPE"]})
    replace(client, record["id"], signals={"blocked": ["USR1"]})
    drained(client, record["id"])
    seen = unfold(read_all(client, record["id"]))
    assert int(seen["SigBlk"], 16) == 1 << (signal.SIGUSR1 - 1)


def test_descriptors_of_a_held_process(client, zoo, room):
    with open(room / "f", "w+b") as file:
        record = spawn(client, [zoo("probe")], [file.fileno()], fds={"6": 0, "4": 0}, hold=True)
    replace(client, record["id"])
    drained(client, record["id"])
    seen = unfold(read_all(client, record["id"]))["fds"]
    assert set(seen) == {"0", "1", "2", "4", "6"} and seen["6"]["target"] == str(room / "f")


@pytest.mark.parametrize(
    "params, stage, errno_name",
    [
        ({"argv": ["nosuch"]}, "exec", "ENOENT"),
        ({"argv": ["/dev/null"]}, "exec", "EACCES"),
        ({"argv": ["true", "x" * (200 << 10)]}, "exec", "E2BIG"),
        ({"argv": ["true"], "cwd": "/nonexistent"}, "cwd", "ENOENT"),
    ],
)
def test_a_failing_start_stays_held(client, zoo, params, stage, errno_name):
    record = spawn(client, [zoo("exits"), "5"], hold=True)
    for _ in range(3):
        error = failure(replace, client, record["id"], **params)
        assert error.code == 4 and error.data["kind"] == "exec_failed", error
        assert (error.data["stage"], error.data["errno_name"]) == (stage, errno_name), error
        assert error.data["process"] == record["id"]
        assert error.data["path"] == (params["cwd"] if stage == "cwd" else params["argv"][0])
        assert get(client, record["id"])["state"] == "held"
    assert replace(client, record["id"])["generation"] == 1
    assert wait_one(client, record["id"])["exit"] == {"code": 5}


def test_a_bad_program_to_begin_with(client, zoo):
    """Held at spawn, its program is first looked for when it is let go."""
    record = spawn(client, ["nosuch"], hold=True)
    assert record["state"] == "held"
    error = failure(replace, client, record["id"])
    assert error.code == 4 and error.data["path"] == "nosuch"
    replace(client, record["id"], argv=[zoo("exits"), "6"])
    assert wait_one(client, record["id"])["exit"] == {"code": 6}


def test_the_steps_before_execve_are_done_at_spawn(client):
    for params, stage in (({"stdin": {"file": "/nonexistent"}}, "stdin"), ({"stdout": {"file": "/"}}, "stdout")):
        error = failure(spawn, client, ["true"], hold=True, **params)
        assert error.code == 3 and error.data["stage"] == stage


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_act_on_a_held_process(client, zoo, number):
    record = spawn(client, [zoo("exits")], hold=True)
    entry = kill(client, record["id"], signal=int(number), wait=True)[0]
    assert entry["signalled"] == [record["pid"]] and entry["survivors"] == []
    done = wait_one(client, record["id"])
    assert done["exit"]["signal"] == number and done["reason"] == "killed" and done["started_at"] is None
    error = failure(replace, client, record["id"])
    assert error.code in (2, 6), error


def test_a_held_process_killed_by_somebody_else(client, zoo):
    record = spawn(client, [zoo("exits")], hold=True)
    os.kill(record["pid"], signal.SIGKILL)
    done = drained(client, record["id"])
    assert done["exit"] == {"signal": 9, "signal_name": "SIGKILL", "core": False} and done["reason"] == "signalled"


def test_a_held_process_can_be_stopped(client, zoo):
    record = spawn(client, [zoo("exits"), "7"], hold=True)
    kill(client, record["id"], signal="STOP", scope="process")
    wire.wait_until(lambda: procfs.stat(record["pid"])["state"] == "T")
    kill(client, record["id"], signal="CONT", scope="process")
    replace(client, record["id"])
    assert wait_one(client, record["id"])["exit"] == {"code": 7}


def test_waiting_for_a_held_process(client, connect, zoo):
    record = spawn(client, [zoo("exits"), "4"], hold=True)
    identifier = client.start("wait", {"processes": record["id"]})
    replace(connect(), record["id"])
    assert client.finish(identifier)["done"][0]["exit"] == {"code": 4}


def test_the_deadline_runs_from_the_start_of_the_program(client, zoo):
    record = spawn(client, [zoo("waits")], hold=True, timeout_ms=200, stop={"signal": "KILL"})
    answer = client.request("wait", {"processes": record["id"], "timeout_ms": 600})
    assert answer["timed_out"] and get(client, record["id"])["state"] == "held"
    replace(client, record["id"])
    assert wait_one(client, record["id"])["reason"] == "deadline"


def test_a_held_process_holds_only_what_is_its_own(client, zoo):
    """Its first act is to close everything else: pipes of other programs must end."""
    with pipe() as (read_end, write_end):
        spawned = client.request("spawn", {"argv": [zoo("waits")], "fds": {"9": 0}}, [write_end])
        held = spawn(client, [zoo("waits")], hold=True)
        os.close(write_end)
        open_there = procfs.descriptors(held["pid"])
        assert "pipe:[%d]" % os.fstat(read_end).st_ino not in open_there.values(), open_there
        kill(client, spawned["id"], signal="KILL", wait=True)
        assert os.read(read_end, 1) == b""


def test_an_exited_process_is_not_replaced(client):
    record = spawn(client, ["true"])
    wait_one(client, record["id"])
    assert failure(replace, client, record["id"], argv=["true"]).code in (2, 6)


def test_when_the_server_dies_it_ends_with_125(fresh, zoo):
    """Seen from here as the reaper of orphans (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        server = fresh()
        with server.connect() as client:
            pids = [spawn(client, [zoo("waits")], hold=True)["pid"] for _ in range(3)]
            server.process.kill()
            server.process.wait(20)
        for pid in pids:
            reaped, status = wire.wait_until(lambda pid=pid: reap(pid))
            assert os.waitstatus_to_exitcode(status) == 125
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def reap(pid):
    """(pid, status) once our orphan has ended, None before it is ours or has ended."""
    try:
        found = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return found if found[0] else None


def test_many_held_at_once(client, zoo):
    answers = client.batch([("spawn", {"argv": [zoo("exits"), str(n)], "hold": True}) for n in range(50)])
    ids = [answer["result"]["id"] for answer in answers]
    client.batch([("exec-replace", {"process": process}) for process in ids])
    done = client.request("wait", {"processes": ids})["done"]
    assert sorted(record["exit"]["code"] for record in done) == list(range(50))
    assert probe(client, zoo)["fds"].keys() == {"0", "1", "2"}
