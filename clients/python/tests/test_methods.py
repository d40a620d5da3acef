# SPDX-License-Identifier: Apache-2.0
"""Every method but spawn, by what it does."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from support import LONG, alive, all_output, eventually

import procctl

SLEEP = ["sleep", "1000"]


def sh(command: str) -> "list[str]":
    return ["sh", "-c", command]


def test_the_way_of_the_readme(client: procctl.Client) -> None:
    process = client.spawn(sh("echo hi; exit 3"))
    assert process.wait().returncode == 3
    assert all_output(process) == b"hi\n"
    assert (process.exit, process.record.reason, process.poll()) == (procctl.Exit(code=3), "exited", 3)
    process.release()
    assert process.wait(0).returncode == 3
    with pytest.raises(procctl.NoSuchProcess) as caught:
        client.get(process)
    assert isinstance(caught.value, ProcessLookupError) and caught.value.data["process"] == process.id


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 128, 255])
def test_exit_codes_arrive_as_themselves(client: procctl.Client, code: int) -> None:
    assert client.spawn(sh(f"exit {code}")).wait(LONG) == procctl.Exit(code=code)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN + 3])
def test_signals_arrive_as_themselves(client: procctl.Client, number: int) -> None:
    ended = client.spawn(sh(f"kill -{int(number)} $$")).wait(LONG)
    assert (ended.code, ended.signal, ended.returncode) == (None, number, -number)
    assert ended.signal_name == procctl._values.signal_name(number)


def test_the_record(client: procctl.Client) -> None:
    process = client.spawn(SLEEP, name="sleeper", labels={"a": "b"}, cwd="/")
    record = process.record
    assert (record.id, record.instance, record.name, record.state) == (
        process.id,
        client.instance,
        "sleeper",
        "running",
    )
    assert record.pid == process.pid and alive(record.pid or 0)
    assert (record.argv, record.cwd, record.labels) == (("sleep", "1000"), "/", {"a": "b"})
    assert record.started_at and record.exit is record.exited_at is record.drained_at is record.reason is None
    assert record.streams["stdout"] == {"kind": "pipe", "start": 0, "end": 0, "open": True}
    assert (record.lifetime, record.deadline_at, record.generation) == ("detached", None, 1)
    assert record.containment in ("cgroup", "descendants")
    assert "running" in repr(process) and "sleep 1000" in repr(process)
    process.kill(wait=True)
    ended = process.refresh()
    assert ended.exited_at and ended.usage and ended.usage["max_rss_kib"] > 0 and ended.reason == "killed"
    assert set(ended.usage["faults"]) == {"minor", "major"}


def test_waiting_for_all_any_and_the_first_failure(client: procctl.Client) -> None:
    good, bad, long = client.spawn(["true"]), client.spawn(["false"]), client.spawn(SLEEP)
    both = client.wait([good, bad.id])
    assert {record.id for record in both.done} == {good.id, bad.id} and both.pending == [] and not both.timed_out
    first = client.wait([long, bad], mode="any")
    assert ([record.id for record in first.done], first.pending) == ([bad.id], [long.id])
    failed = client.wait([long, good, bad], mode="first-failure")
    assert bad.id in [record.id for record in failed.done] and failed.pending == [long.id]
    late = client.wait([long, good], timeout=0.01)
    assert late.timed_out and late.pending == [long.id] and [record.id for record in late.done] == [good.id]
    assert client.wait({"no": "such label"}).done == []


def test_a_handle_waits_with_a_timeout_and_again(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)
    assert process.poll() is None
    with pytest.raises(procctl.TimedOut) as caught:
        process.wait(0.01)
    assert isinstance(caught.value, TimeoutError) and process.returncode is None
    process.terminate()
    assert process.wait(LONG).signal == signal.SIGTERM
    assert process.wait(0).signal == signal.SIGTERM


def test_exited_and_drained_are_two_things(client: procctl.Client) -> None:
    process = client.spawn(sh("sleep 1000 & echo started"))
    assert process.wait(LONG).code == 0
    assert process.record.drained_at is None and process.record.streams["stdout"]["open"]
    with pytest.raises(procctl.TimedOut):
        process.wait(0.01, until="drained")
    held = process.refresh(holders=True).holders
    assert held and len(held["stdout"]) == 1
    process.kill(wait=True, timeout=LONG)
    assert process.wait(LONG, until="drained").code == 0
    assert process.record.drained_at is not None


def test_kill_and_what_it_says(client: procctl.Client) -> None:
    process = client.spawn(sh("sleep 1000 & wait"))
    eventually(lambda: len(process.refresh(members=True).members or []) == 2, "the child")
    result = process.kill(wait=True, timeout=LONG)
    assert (result.process, result.already_exited, result.signal, result.signal_name) == (
        process.id,
        False,
        9,
        "SIGKILL",
    )
    assert len(result.signalled) == 2 and result.survivors == [] and result.exit is not None
    again = process.kill()
    assert again.already_exited and again.exit == procctl.Exit(signal=9, signal_name="SIGKILL")


def test_scopes_and_signals(client: procctl.Client, tmp_path: Path) -> None:
    # No commands in its loop: a shell whose child is stopped between vfork and exec cannot stop itself.
    process = client.spawn(sh("trap 'echo caught' USR1; echo ready; while :; do :; done"))
    output = process.output()
    assert next(output) == b"ready\n"
    process.send_signal("USR1", scope="process")
    assert next(output) == b"caught\n"
    process.send_signal(signal.SIGSTOP, scope="group")
    eventually(lambda: process.state == "stopped", "the stop")
    process.send_signal("SIGCONT", scope="group")
    eventually(lambda: process.state == "running", "the continuing")
    process.kill(wait=True)
    assert list(output) == []


def test_escalation(client: procctl.Client) -> None:
    process = client.spawn(sh("trap '' TERM; echo ready; while :; do sleep 1000; done"))
    assert next(process.output()) == b"ready\n"
    result = process.stop(grace=0.05)
    assert result.survivors == [] and process.wait(LONG).signal == signal.SIGKILL


def test_kill_by_labels_and_all(client: procctl.Client) -> None:
    one, two = (client.spawn(SLEEP, labels={"job": job}) for job in "ab")
    assert [result.process for result in client.kill({"job": "a"}, wait=True)] == [one.id]
    assert (one.poll(), two.poll()) == (-signal.SIGTERM, None)
    assert two.id in [result.process for result in client.kill("all", "KILL", wait=True)]


def test_lists(client: procctl.Client) -> None:
    done = client.spawn(["true"], labels={"job": "x"})
    done.wait(LONG)
    running = client.spawn(SLEEP, name="sleeper", labels={"job": "x", "no": "2"})
    assert [record.id for record in client.list()] == [done.id, running.id]
    for options, expected in [
        ({"state": "running"}, [running.id]),
        ({"state": ["exited", "held"]}, [done.id]),
        ({"name": "sleeper"}, [running.id]),
        ({"labels": {"job": "x"}}, [done.id, running.id]),
        ({"labels": {"no": "2"}}, [running.id]),
        ({"processes": done}, [done.id]),
        ({"processes": [running, done], "state": "running"}, [running.id]),
        ({"processes": "all"}, [done.id, running.id]),
    ]:
        assert [record.id for record in client.list(**options)] == expected, options  # type: ignore[arg-type]


def test_reading(client: procctl.Client) -> None:
    process = client.spawn(sh("printf abcdef; printf error >&2"))
    process.wait(LONG, until="drained")
    assert process.read() == procctl.Chunk(process.id, "stdout", 0, b"abcdef", 6, True)
    assert process.read(offset=2, limit=3) == procctl.Chunk(process.id, "stdout", 2, b"cde", 5, False)
    assert process.read(offset=6).end and process.read("stderr").data == b"error"


def test_reading_waits_for_output(client: procctl.Client) -> None:
    process = client.spawn(sh("kill -STOP $$; echo late"))
    assert process.read().data == b""
    assert process.read(timeout=0.01).data == b""
    eventually(lambda: process.state == "stopped", "the stop")
    timer = threading.Timer(0.05, lambda: process.send_signal("CONT"))
    timer.start()
    assert process.read(timeout=LONG).data == b"late\n"
    timer.join()


def test_output_that_was_dropped_is_reported(client: procctl.Client) -> None:
    process = client.spawn(sh("head -c 100000 /dev/zero; printf end"), output=procctl.Output(1000))
    process.wait(LONG, until="drained")
    chunk = process.read()
    assert chunk.data == b"" and chunk.offset == 0 and chunk.lost == chunk.next_offset >= 99_000 - 3
    with pytest.raises(procctl.OutputLost) as caught:
        all_output(process)
    assert (caught.value.offset, caught.value.length) == (0, chunk.lost)
    gaps: "list[procctl.Chunk]" = []
    rest = b"".join(process.output(on_gap=gaps.append))
    assert rest.endswith(b"\0end") and len(gaps) == 1 and gaps[0].lost + len(rest) == 100_003


def test_output_in_any_size(client: procctl.Client) -> None:
    process = client.spawn(sh("head -c 900000 /dev/urandom | tee /dev/stderr"))
    assert all_output(process) == all_output(process, "stderr")
    assert process.record.id and process.wait(LONG).code == 0


def test_a_held_process(client: procctl.Client) -> None:
    process = client.spawn(["echo", "as created"], hold=True)
    assert (process.record.state, process.record.started_at) == ("held", None) and process.pid
    record = process.exec_replace()
    assert record.id == process.id and record.started_at
    assert process.wait(LONG).code == 0 and all_output(process) == b"as created\n"


def test_a_held_process_with_another_program(client: procctl.Client, tmp_path: Path) -> None:
    process = client.spawn(["true"], hold=True, env={"KEPT": "1", "GONE": "2"})
    with pytest.raises(FileNotFoundError) as caught:
        process.exec_replace(["no-such-program"])
    assert isinstance(caught.value, procctl.ExecError) and caught.value.filename == "no-such-program"
    assert caught.value.data["process"] == process.id and process.state == "held"
    pid = process.pid
    process.exec_replace(
        ["another", "-c", "pwd; echo $KEPT-$GONE-$NEW $$"],
        file="/bin/sh",
        cwd=tmp_path,
        env_base="keep",
        env={"NEW": "3", "GONE": None},
    )
    assert process.wait(LONG).code == 0
    assert all_output(process).decode().split() == [str(tmp_path), "1--3", str(pid)]


def test_a_held_process_can_be_killed(client: procctl.Client) -> None:
    process = client.spawn(["true"], hold=True)
    process.kill()
    assert process.wait(LONG).signal == signal.SIGKILL


def test_a_connection_becomes_a_program(client: procctl.Client) -> None:
    with client.exec_replace_connection(["sh", "-c", "read line; echo got $line; exit 3"]) as program:
        program.settimeout(LONG)
        program.sendall(b"something\n")
        assert program.makefile("rb").read() == b"got something\n"
    with pytest.raises(FileNotFoundError) as caught:
        client.exec_replace_connection(["no-such-program"])
    assert isinstance(caught.value, procctl.ExecError)


def test_update(client: procctl.Client) -> None:
    process = client.spawn(SLEEP, labels={"a": "1"}, timeout=1000)
    assert process.update(timeout="none").deadline_at is None
    record = process.update(name="renamed", labels={"b": "2"}, lifetime=procctl.Lease(100), stop=procctl.Stop("INT", 1))
    assert (record.name, record.labels, record.lifetime) == ("renamed", {"b": "2"}, {"lease_ms": 100_000})
    assert client.kill(process, wait=True)[0].signal == signal.SIGINT
    again = client.spawn(SLEEP)
    again.update(timeout=0.01, stop=procctl.Stop("KILL", 0))
    assert again.wait(LONG).signal == signal.SIGKILL and again.record.reason == "deadline"


def test_release(client: procctl.Client) -> None:
    processes = [client.spawn(["true"]) for _ in range(3)]
    living = client.spawn(SLEEP)
    client.wait(processes)
    with pytest.raises(procctl.WrongState):
        living.release()
    assert sorted(client.release("all")) == [process.id for process in processes]
    assert [record.id for record in client.list()] == [living.id]


def test_the_server_itself(client: procctl.Client) -> None:
    client.spawn(SLEEP)
    info = client.info()
    assert client.ping() == info["instance"] == client.instance
    assert info["name"] == "procctld" and info["counts"]["running"] == 1 and info["socket"] == client.path
    assert info["limits"] and all(isinstance(value, int) for value in info["limits"].values())
    assert client.discover()["openrpc"].startswith("1.")


def test_shutdown(client: procctl.Client, server: Any) -> None:
    process = client.spawn(SLEEP)
    assert client.shutdown() == 1
    assert server.popen.wait(LONG) == 0
    assert not alive(process.pid or 0)
    with pytest.raises(procctl.ConnectionLost):
        client.ping()


def test_any_method_by_name(client: procctl.Client) -> None:
    assert client.call("ping") == {"instance": client.instance}
    assert client.call("spawn", [["true"]])["id"] >= 1
    with pytest.raises(procctl.MethodNotFound) as caught:
        client.call("no-such-method")
    assert caught.value.data["method"] == "no-such-method"
    with pytest.raises(procctl.InvalidParams) as invalid:
        client.call("spawn", {"argv": ["a"], "cwdd": "/"})
    assert invalid.value.path == "cwdd"


def test_a_process_of_another_server_is_not_mistaken(client: procctl.Client) -> None:
    process = client.spawn(["true"])
    client.instance = "another"
    with pytest.raises(procctl.NoSuchProcess, match="another server"):
        process.kill()


def test_messages_of_any_size(client: procctl.Client) -> None:
    long = "x" * 100_000
    process = client.spawn(["sh", "-c", ": $1", "sh", long])
    assert process.record.argv[-1] == long and process.wait(LONG).code == 0
    with pytest.raises(procctl.LimitReached) as caught:
        client.call("ping", {"a": "x" * (17 << 20)})
    assert caught.value.limit == "message_bytes"
