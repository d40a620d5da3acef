# SPDX-License-Identifier: Apache-2.0
"""exec-replace of a running process: what stays of the process and what the new program gets."""

import os
import pathlib
import signal
import sys

import procfs
import pytest
import wire
from replacing import probed, replace
from support import NOBODY, ROOT, drained, get, kill, read_all, read_until, ready, script, spawn, wait_one

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "clients" / "python" / "examples"

# Sits at a prompt as the book's program does; what it would say next must never be seen.
CALLER = "print('Process calling'); input('Press ENTER to exit '); print('Good Bye!!')"
CALLED = "echo Hello from the called process; read line && echo \"got <$line>\"; exit 7"


def at_its_prompt(client, **params):
    record = spawn(client, [sys.executable, "-u", "-c", CALLER], **params)
    stream = "terminal" if "pty" in params else "stdout"
    read_until(client, record["id"], b"Press ENTER to exit ", stream)
    return record


def test_the_books_caller_at_its_prompt(client):
    record = at_its_prompt(client, stdin="pipe")
    replaced = replace(client, record["id"], "sh", "-c", CALLED)
    assert replaced["pid"] == record["pid"] and replaced["state"] == "running"
    assert replaced["argv"] == ["sh", "-c", CALLED] and replaced["generation"] == 2
    assert record["replaced_at"] is None and replaced["replaced_at"] >= replaced["started_at"]
    assert {"started_at", "session", "owner", "name", "labels"} & {
        key for key in record if record[key] != replaced[key]} == set()
    client.request("write", {"process": record["id"], "data": "\n"})
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 7} and done["reason"] == "exited" and done["generation"] == 2
    said = read_all(client, record["id"])
    assert said == b"Process calling\nPress ENTER to exit Hello from the called process\ngot <>\n"
    assert b"Good Bye!!" not in read_all(client, record["id"], "stderr")


def test_the_example_called_at_its_prompt(client):
    """The program of the examples, by the same client as everybody's."""
    record = spawn(client, ["python3", str(EXAMPLES / "called_process.py")], stdin="pipe")
    read_until(client, record["id"], b"Press ENTER to exit ")
    replace(client, record["id"], "sh", "-c", "read line; exit 3")
    client.request("write", {"process": record["id"], "data": "\n"})
    assert wait_one(client, record["id"])["exit"] == {"code": 3}


def test_on_a_terminal(client):
    record = at_its_prompt(client, pty={"rows": 30, "cols": 99})
    replace(client, record["id"], "sh", "-c", "stty size; tty >/dev/null && read line && echo got; exit 8")
    read_until(client, record["id"], b"30 99\r\n", "terminal")
    client.request("write", {"process": record["id"], "data": "\n"})
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 8}
    shown = read_all(client, record["id"], "terminal")
    assert b"Good Bye" not in shown and shown.endswith(b"got\r\n")


def test_what_stays(client, zoo, room):
    with open(room / "f", "w") as file:
        record = ready(
            client, [zoo("waits")], [file.fileno()], fds={"6": 0}, umask=0o27, nice=3, cwd=str(room),
            rlimits={"nofile": 77}, no_new_privileges=True)
    before = procfs.stat(record["pid"])
    cgroup = pathlib.Path("/proc/%d/cgroup" % record["pid"]).read_text()
    held = {number: target for number, target in procfs.descriptors(record["pid"]).items()}
    replace(client, record["id"], zoo("waits"))
    assert read_until(client, record["id"], b"ready\nready\n")
    assert procfs.stat(record["pid"]) == dict(before, state=procfs.stat(record["pid"])["state"])
    assert pathlib.Path("/proc/%d/cgroup" % record["pid"]).read_text() == cgroup
    assert procfs.descriptors(record["pid"]) == held
    replace(client, record["id"], zoo("probe"))
    seen = probed(client, record)
    assert seen["pid"] == record["pid"] and seen["session"] == record["session"] == seen["pgid"]
    assert set(seen["fds"]) == {"0", "1", "2", "6"} and seen["fds"]["6"]["target"] == str(room / "f")
    assert seen["umask"] == 0o27 and seen["nice"] == 3 and seen["rlimits"]["nofile"] == [77, 77]
    assert seen["no_new_privs"] == 1 and seen["cwd"] == os.fsencode(os.path.realpath(room))


def test_another_users_process(client, zoo, room):
    if not ROOT:
        assert get(client, ready(client, [zoo("waits")], user=os.getuid())["id"])["state"] == "running"
        return
    record = ready(client, [zoo("waits")], user=NOBODY, group=NOBODY, groups=[12345], cwd="/")
    private = room / "private"
    private.mkdir(mode=0o700)
    replace(client, record["id"], zoo("probe"))
    seen = probed(client, record)
    assert seen["uids"] == [NOBODY] * 3 and seen["gids"] == [NOBODY] * 3 and seen["groups"] == [12345]


@pytest.mark.parametrize("base", ["keep", "inherit", "empty", None])
def test_its_environment(server, client, zoo, base):
    record = ready(client, [zoo("waits")], env={"KEPT": "1", "GONE": "2"})
    replace(
        client, record["id"], zoo("probe"), env={"NEW": "3", "GONE": None}, **({} if base is None else {"env_base": base}))
    seen = probed(client, record)["env"]
    assert seen[b"NEW"] == b"3" and b"GONE" not in seen
    assert (b"KEPT" in seen) == (base in ("keep", None))
    if base == "empty":
        assert seen == {b"NEW": b"3"}
    else:
        assert seen[b"PROCCTL_PROCESS"] == b"%d" % record["id"] and b"PATH" in seen


def test_keep_is_what_it_was_last_started_with(client, zoo):
    record = ready(client, [zoo("waits")], env={"A": "1"})
    replace(client, record["id"], zoo("waits"), env={"B": "2"})
    replace(client, record["id"], zoo("waits"), env={"A": None, "C": "3"})
    replace(client, record["id"], zoo("probe"))
    seen = probed(client, record)["env"]
    assert b"A" not in seen and seen[b"B"] == b"2" and seen[b"C"] == b"3"


def test_no_argv_runs_what_ran_last_once_more(client, zoo):
    record = ready(client, ["first", "x"], file=zoo("waits"))
    assert replace(client, record["id"])["argv"] == ["first", "x"]
    read_until(client, record["id"], b"ready\nready\n")
    assert replace(client, record["id"], "second", file=[zoo("waits")])["argv"] == ["second"]
    read_until(client, record["id"], b"ready\n" * 3)
    assert replace(client, record["id"])["argv"] == ["second"]
    assert read_until(client, record["id"], b"ready\n" * 4) == b"ready\n" * 4
    assert get(client, record["id"])["generation"] == 4


def test_the_path_is_the_new_environments(client, zoo, room):
    for name in ("one", "two"):
        (room / name).mkdir()
        script(room / name, "tool", "#!/bin/sh\necho %s $0 $1\n" % name)
    record = ready(client, [zoo("waits")], env={"PATH": "/nonexistent"})
    replace(client, record["id"], "tool", "x", env={"PATH": "%s:%s" % (room / "nowhere", room / "two")})
    drained(client, record["id"])
    assert read_all(client, record["id"]) == b"ready\ntwo %s x\n" % os.fsencode(room / "two" / "tool")


def test_candidates_and_argv_zero(client, zoo, room):
    (room / "plain").write_text("no program")
    record = ready(client, [zoo("waits")])
    replace(
        client, record["id"], "called", "x", file=[str(room / "none"), str(room / "plain"), "/dev/null/x", zoo("probe")])
    assert probed(client, record)["argv"] == [b"called", b"x"]


def test_bytes_that_are_no_text(client, zoo):
    record = ready(client, [zoo("waits")])
    odd = b"\xff\xfe\n\t\\\""
    answer = client.request("exec-replace", {
        "process": record["id"], "argv": [zoo("probe"), wire.base64_of(odd)], "env": {"ODD": wire.base64_of(odd)}})
    assert wire.bytes_of(answer["argv"][1]) == odd
    seen = probed(client, record)
    assert seen["argv"][1] == odd and seen["env"][b"ODD"] == odd


def test_large_arguments(client, zoo):
    """As much as execve takes, which is more than a page or a pipe holds."""
    many = ["%05d" % number + "x" * 995 for number in range(1000)]
    record = ready(client, [zoo("waits")], output={"limit": 4 << 20})
    replace(client, record["id"], zoo("probe"), *many)
    seen = probed(client, record)
    assert seen["argv"][1:] == [item.encode() for item in many]


# Its kind


@pytest.mark.parametrize("argv", [
    ["sh", "-c", "echo ready; while :; do :; done"],
    ["sh", "-c", "echo ready; sleep 1000 & wait"],
    [sys.executable, "-c",
        "import threading, time\nfor _ in range(4): threading.Thread(target=time.sleep, args=(999,)).start()\n"
        "print('ready', flush=True)"],
    [sys.executable, "-c", "import select; print('ready', flush=True); select.epoll().poll()"],
    [sys.executable, "-c",
        "import signal; signal.pthread_sigmask(0, range(1, 65)); print('ready', flush=True); signal.pause()"],
    ["perl", "-e", '$| = 1; print "ready\\n"; sleep'],
], ids=["spins", "waits for a child", "has threads", "polls", "blocks all signals", "perl"])
def test_whatever_it_is_doing(client, zoo, argv):
    record = ready(client, argv)
    replace(client, record["id"], zoo("exits"), "5")
    assert wait_one(client, record["id"])["exit"] == {"code": 5}
    assert procfs.stat(record["pid"]) is None


def test_its_children_stay_its_children(client):
    record = ready(client, ["sh", "-c", "sleep 1000 & echo $!; echo ready; wait"])
    child = int(read_until(client, record["id"], b"ready").split()[0])
    replace(client, record["id"], "sleep", "1000")
    assert procfs.stat(child)["ppid"] == record["pid"]
    entry = kill(client, record["id"], signal="KILL", wait=True)[0]
    assert sorted(entry["signalled"]) == sorted([child, record["pid"]]) and entry["survivors"] == []


def test_usage_and_reason_go_on(client, zoo):
    record = ready(client, [zoo("waits")])
    replace(client, record["id"], zoo("waits"))
    kill(client, record["id"], signal=int(signal.SIGTERM))
    done = wait_one(client, record["id"])
    assert done["exit"]["signal"] == signal.SIGTERM and done["reason"] == "killed" and done["usage"]["max_rss_kib"] > 0
