# SPDX-License-Identifier: Apache-2.0
"""procctl wait, kill, stop and release."""

import json
import signal

import procfs
import pytest
import wire
from cli_support import cli, recorder  # noqa: F401


def spawn(cli, script, *options):
    return cli("spawn", *options, "sh", "-c", script).strip()


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_wait_for_one_has_its_status(cli, code):
    process = spawn(cli, "exit %d" % code)
    done = cli.run("wait", process)
    assert (done.returncode, done.stdout.decode()) == (code, "%s exited with code %d\n" % (process, code))


def test_wait_for_one_that_a_signal_ended(cli):
    process = spawn(cli, "ulimit -c 0; kill -SEGV $$", "--name", "crash")
    done = cli.run("wait", process)
    assert done.returncode == 128 + signal.SIGSEGV
    assert done.stdout.decode() == "%s (crash) was ended by SIGSEGV\n" % process


def test_wait_for_several_is_0_or_1(cli):
    good, other, bad = spawn(cli, "exit 0"), spawn(cli, "exit 0"), spawn(cli, "exit 7")
    assert cli.run("wait", good, other).returncode == 0
    assert cli.run("wait", good, bad).returncode == 1
    assert cli.run("wait", "--all", "--quiet").stdout == b""


def test_wait_any_and_first_failure(cli):
    spawn(cli, "sleep 1000", "-n", "long")
    short = spawn(cli, "exit 5")
    done = cli.run("wait", "--any", "long", short)
    assert (done.returncode, done.stdout) == (5, b"%s exited with code 5\n" % short.encode())
    done = cli.run("wait", "--first-failure", "long", short)
    assert done.returncode == 1
    assert "either" in cli.fails(64, "wait", "--any", "--first-failure", "long")


def test_wait_drained(cli):
    process = spawn(cli, "sleep 0.3 & echo $!")
    assert cli.run("wait", "--drained", process).returncode == 0
    assert cli.json("inspect", process)["drained_at"] is not None


def test_wait_times_out_with_124(cli):
    process = spawn(cli, "sleep 1000")
    done = cli.run("wait", "--timeout", "50ms", process)
    assert (done.returncode, done.stdout, done.stderr) == (124, b"", b"")
    done = cli.run("wait", "-t", "0", "--json", process)
    assert done.returncode == 124
    assert json.loads(done.stdout) == {"done": [], "pending": [int(process)], "timed_out": True}


def test_quit_ends_a_wait_without_a_word(cli):
    """The Swift runtime would take SIGQUIT for a crash."""
    process = spawn(cli, "sleep 1000")
    waiting = cli.start("wait", process)
    wire.wait_until(lambda: "socket:" in str(procfs.descriptors(waiting.pid)), what="it to connect")
    waiting.send_signal(signal.SIGQUIT)
    assert waiting.communicate(timeout=30) == (b"", b"")
    assert waiting.returncode == -signal.SIGQUIT


def test_wait_by_label(cli):
    spawn(cli, "exit 0", "-l", "job=a", "-l", "x=y")
    spawn(cli, "exit 9", "-l", "job=a")
    assert cli.run("wait", "-l", "job=a", "-l", "x=y").returncode == 0
    assert cli.run("wait", "-l", "job=a").returncode == 1
    assert cli.run("wait", "-l", "job=none").returncode == 0


@pytest.mark.parametrize("command", ["wait", "kill", "stop", "release"])
def test_which_processes_must_be_said_once(cli, command):
    assert "Which processes" in cli.fails(64, command)
    cli.fails(64, command, "1", "--all")
    cli.fails(64, command, "1", "--label", "a=b")
    cli.fails(64, command, "--label", "ab")


def test_an_unknown_process_is_status_1(cli):
    assert "procctl ps" in cli.fails(1, "wait", "99999")
    assert "nobody" in cli.fails(1, "kill", "nobody")
    done = cli.run("stop", "--json", "99999")
    assert json.loads(done.stdout)["error"]["code"] == 1 and done.returncode == 1


@pytest.mark.parametrize(
    "options", [["-s", "INT"], ["-s", "sigint"], ["-s", "2"], ["-INT"], ["-SIGINT"], ["-2"], ["--signal", "INT"]]
)
def test_kill_takes_signals_as_people_write_them(recorder, options):
    command, server = recorder(lambda method, params: {"processes": []})
    command("kill", *options, "7", "web")
    params = server.requests[0]["params"]
    assert params["processes"] == [7, "web"] and params["signal"] in ("INT", "SIGINT", 2)


def test_kill_has_every_parameter(recorder):
    command, server = recorder(lambda method, params: {"processes": []})
    command("kill", "--scope", "group", "--escalate", "2s", "--wait", "--timeout", "3s", "--all")
    assert server.requests[0]["params"] == {
        "processes": "all", "scope": "group", "escalate_after_ms": 2000, "wait": True, "timeout_ms": 3000
    }


def test_kill_defaults_to_the_stop_signal(cli):
    process = spawn(cli, "trap 'exit 4' USR1; echo ready; while :; do sleep 0.02; done", "--stop-signal", "USR1")
    cli("logs", process)
    text = cli("kill", "--scope", "process", process)
    assert text.startswith("%s: SIGUSR1 to " % process)
    assert cli.run("wait", process).returncode in (4, 128 + signal.SIGUSR1)


def test_stop_says_what_died_and_how(cli):
    process = spawn(cli, "sleep 1000 & sleep 1000", "--name", "tree")
    tree = [member["pid"] for member in cli.json("inspect", "tree")["members"]]
    text = cli("stop", "tree")
    assert text.startswith("%s: SIGTERM to " % process), text
    assert "found by " in text and "nothing is left" in text and "was ended by SIGTERM" in text
    assert not any(procfs.alive(pid) for pid in tree)
    assert cli("stop", process) == "%s: already exited, SIGTERM\n" % process


def test_stop_goes_on_to_sigkill(cli):
    process = spawn(cli, "trap '' TERM; echo ready; while :; do sleep 0.02; done")
    while cli("logs", process) != "ready\n":
        pass
    assert "nothing is left" in cli("stop", "--grace", "100ms", process)
    assert cli.run("wait", "-q", process).returncode == 128 + signal.SIGKILL


def test_survivors_are_status_1(recorder):
    entry = {
        "process": 7, "already_exited": False, "exit": None, "signal": 9, "signal_name": "SIGKILL",
        "signalled": [10, 11], "survivors": [11], "method": "descendants", "exact": False,
    }
    command, _ = recorder(lambda method, params: {"processes": [entry]})
    for arguments in (["stop", "7"], ["kill", "--wait", "7"]):
        done = command.run(*arguments)
        assert done.returncode == 1
        assert done.stdout == b"7: SIGKILL to 10 11, found by descendants (best effort); left: 11\n"


def test_release(cli):
    gone, alive = spawn(cli, "exit 0"), spawn(cli, "sleep 1000")
    cli("wait", gone)
    assert cli("release", gone) == gone + "\n"
    assert "its record is gone" in cli.fails(1, "inspect", gone)
    cli.fails(1, "release", alive)
    assert cli.json("release", "--all") == {"released": []}
