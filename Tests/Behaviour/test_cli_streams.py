# SPDX-License-Identifier: Apache-2.0
"""procctl write, resize, events, and logs as they come: merged, timed, followed, with names before the lines."""

import json
import re
import subprocess

import wire
from cli_support import Terminal, binary, cli, line  # noqa: F401


def spawn(cli, script, *options):
    return cli("spawn", *options, "sh", "-c", script).strip()


def test_write_and_its_end(cli):
    process = cli("spawn", "--stdin", "pipe", "cat").strip()
    assert cli.json("write", process, "one ") == {
        "process": int(process), "accepted": 4, "written": 4, "closed": False}
    cli("send", process, "two", "--newline")
    cli("write", process, "-", "--eof", input=b"three\xff\n")
    assert cli.run("wait", "--drained", process).returncode == 0
    assert cli.run("logs", process).stdout == b"one two\nthree\xff\n"
    assert cli.fails(1, "write", process, "more")


def test_both_streams_in_the_order_they_came(cli):
    script = "for i in 1 2 3 4 5; do echo out $i; sleep 0.03; echo err $i >&2; sleep 0.03; done"
    process = spawn(cli, script)
    cli.run("wait", "--drained", process)
    wanted = "".join("out %d\nerr %d\n" % (n, n) for n in range(1, 6)).encode()
    assert cli.run("logs", process, stderr=subprocess.STDOUT).stdout == wanted
    timed = cli.run("logs", "-t", process, stderr=subprocess.STDOUT).stdout.decode().splitlines()
    stamps = [row[:23] for row in timed]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", stamp) for stamp in stamps), timed
    assert stamps == sorted(stamps) and len(set(stamps)) > 3


def test_tail_and_since_offset(cli):
    process = spawn(cli, "seq 1 9")
    cli.run("wait", "--drained", process)
    assert cli("logs", "--tail", "2", process) == "8\n9\n"
    assert cli("logs", "--since-offset", "14", process) == "8\n9\n"


def test_followed_as_json(cli):
    process = cli("spawn", "--stdin", "pipe", "cat").strip()
    follower = cli.start("logs", "-f", "--json", process)
    cli("write", process, "one\n")
    first = json.loads(line(follower))
    assert (first["stream"], first["offset"], first["text"], first["next_offset"]) == ("stdout", 0, "one\n", 4)
    cli("write", process, "--eof")
    follower.communicate(timeout=30)
    assert follower.returncode == 0


def test_several_on_a_terminal_have_names_and_colours(cli):
    spawn(cli, "echo one; echo bad >&2", "--name", "a")
    spawn(cli, "echo two", "--name", "longer")
    cli.run("wait", "--drained", "a", "longer")
    environment = dict(cli.environment, TERM="xterm")
    with Terminal([binary(), "logs", "-f", "a", "longer"], environment) as terminal:
        assert terminal.end() == 0
    rows = terminal.seen.decode().splitlines()
    assert sorted(re.sub("\x1b\\[[0-9]*m", "", row) for row in rows) == ["a      ! bad", "a      | one", "longer | two"]
    assert all(row.startswith("\x1b[") for row in rows)
    assert sorted(cli.run("logs", "a", "longer").stdout.splitlines()) == [b"one", b"two"]


def test_events(cli):
    process = cli("spawn", "--stdin", "pipe", "--name", "one", "cat").strip()
    watching = cli.start("events", "--json", process)
    wire.wait_until(lambda: cli("kill", "-s", "STOP", process) and cli.json("inspect", process)["state"] == "stopped")
    cli("kill", "-s", "CONT", process)
    cli("write", process, "--eof")
    events = [json.loads(row) for row in watching.communicate(timeout=30)[0].splitlines()]
    assert [event["event"] for event in events][-2:] == ["exited", "drained"]
    assert events[-1]["record"]["exit"] == {"code": 0} and "subscription" not in events[-1]
    assert "one) exited with code 0" in cli("events", "one")


def test_a_wait_on_a_terminal_tells_how_far_it_is(cli):
    first, second = cli("spawn", "--stdin", "pipe", "cat").strip(), cli("spawn", "--stdin", "pipe", "cat").strip()
    with Terminal([binary(), "wait", first, second], cli.environment) as terminal:
        terminal.until("0 of 2 done, 0s")
        cli("write", first, "--eof")
        terminal.until("1 of 2 done")
        cli("write", second, "--eof")
        terminal.until("\r\x1b[K%s exited with code 0" % first)
        assert terminal.end() == 0
