# SPDX-License-Identifier: Apache-2.0
"""procctld in the background: --daemon returns when it listens; --idle-exit-ms ends it when nobody needs it."""

import os
import signal
import subprocess

import procfs
import serverproc
import wire
from serverproc import Started, server_command
from support import gone, ready, spawn


def daemon(place, *arguments, **options):
    return subprocess.run(
        [serverproc.binary(), "--socket", str(place / "s"), "--daemon", *arguments],
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        timeout=wire.PATIENCE,
        **options,
    )


def test_a_daemon_listens_when_the_command_returns(place, zoo):
    with open(place / "inherited", "w") as inherited:
        result = daemon(
            place,
            pass_fds=[inherited.fileno()],
            cwd=place,
            preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), result
    with wire.Client(place / "s") as client:
        pid = client.request("info")["pid"]
        assert os.readlink("/proc/%d/cwd" % pid) == "/"
        seen = procfs.stat(pid)
        assert seen["session"] not in (
            os.getsid(0),
            pid,
        ), "forked twice: no session leader, so it never gets a terminal"
        open_there = procfs.descriptors(pid)
        assert {open_there[number] for number in (0, 1, 2)} == {"/dev/null"}
        assert str(place / "inherited") not in open_there.values()
        assert int(procfs.status(pid, "SigIgn"), 16) & 1 << (signal.SIGUSR1 - 1) == 0
        ready(client, [zoo("waits")])
        again = daemon(place)
        assert (again.returncode, again.stdout) == (0, ""), "another server already listens: that is what was wanted"
        assert client.request("info")["pid"] == pid
        client.request("kill", {"processes": "all", "signal": "KILL"})
        client.request("shutdown")
    gone(pid)
    assert not (place / "s").exists()


def test_a_daemon_that_cannot_start_says_why(place):
    (place / "s").write_text("precious")
    result = daemon(place)
    assert result.returncode == 1 and result.stdout == "" and len(result.stderr.strip().splitlines()) == 1, result


def test_daemons_at_once_start_one(place):
    commands = [
        subprocess.Popen(
            [serverproc.binary(), "--socket", str(place / "s"), "--daemon", "--idle-exit-ms", "60000"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(6)
    ]
    assert [command.wait(wire.PATIENCE) for command in commands] == [0] * 6
    with wire.Client(place / "s") as client:
        pid = client.request("info")["pid"]
        client.request("shutdown")
    gone(pid)


# Idle exit


def test_idle_exit(place, zoo):
    with Started(server_command("--socket", place / "s", "--idle-exit-ms", "300"), place / "s") as server:
        with server.connect() as client:
            record = spawn(client, [zoo("waits")], timeout_ms=1500, stop={"signal": "KILL"})
            assert client.request("wait", {"processes": record["id"], "timeout_ms": 600})["timed_out"]
        with server.connect() as client:
            client.request("wait", {"processes": record["id"]})
            client.request("release", {"processes": record["id"]})
        assert server.process.wait(wire.PATIENCE) == 0
        assert not (place / "s").exists()


def test_no_idle_exit_with_something_left(place, zoo):
    """A connection, a living process, an unreleased record: each keeps it."""
    with Started(server_command("--socket", place / "s", "--idle-exit-ms", "100"), place / "s") as server:
        with server.connect() as client:
            held = spawn(client, [zoo("waits")], hold=True)
            assert client.request("wait", {"processes": held["id"], "timeout_ms": 500})["timed_out"]
        with server.connect() as client:
            assert client.request("get", {"process": held["id"]})["state"] == "held"
            client.request("kill", {"processes": held["id"], "signal": "KILL", "wait": True})
        with server.connect() as client:
            assert client.request("get", {"process": held["id"]})["state"] == "exited"


def test_what_ended_with_its_connection_keeps_no_server(place, zoo):
    """As after a `procctl run` that was killed: nobody is left to ask for the record."""
    with Started(server_command("--socket", place / "s", "--idle-exit-ms", "100"), place / "s") as server:
        with server.connect() as client:
            spawn(client, [zoo("waits")], lifetime="connection", stop={"signal": "KILL"})
        assert server.process.wait(wire.PATIENCE) == 0
