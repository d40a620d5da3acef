# SPDX-License-Identifier: Apache-2.0
"""Killing: any signal, a process, its group or its whole tree, with escalation; and what the reply says of it."""

import os
import signal

import procfs
import pytest
import wire
from support import drained, failure, get, gone, kill, read_until, ready, spawn, wait_one

MEMBERS = {"process", "already_exited", "exit", "signal", "signal_name", "signalled", "survivors", "method", "exact"}


def kill_one(client, process, **params):
    entries = kill(client, process, **params)
    assert len(entries) == 1 and set(entries[0]) == MEMBERS, entries
    return entries[0]


def pid_line(client, process):
    return int(read_until(client, process, b"\n").split(b"\n")[0])


@pytest.mark.parametrize(
    "name, number",
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        (15, 15),
        ("KILL", 9),
        ("HUP", 1),
        ("SIGUSR1", 10),
        ("SIGRTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("SIGRTMAX-1", 63),
        (64, 64),
    ],
)
def test_signals_by_name_and_number(client, zoo, name, number):
    record = ready(client, [zoo("waits")])
    entry = kill_one(client, record["id"], signal=name, wait=True)
    assert entry["process"] == record["id"] and entry["signal"] == number and entry["signal_name"].startswith("SIG")
    assert entry["already_exited"] is False and entry["signalled"] == [record["pid"]] and entry["survivors"] == []
    done = wait_one(client, record["id"])
    assert done["exit"]["signal"] == number and done["reason"] == "killed"


def test_the_default_is_the_processs_own_stop_signal(client, zoo):
    record = ready(client, [zoo("waits")])
    assert kill_one(client, record["id"])["signal_name"] == "SIGTERM"
    assert wait_one(client, record["id"])["exit"]["signal"] == 15
    record = ready(client, [zoo("waits")], stop={"signal": "INT"})
    assert kill_one(client, record["id"])["signal"] == 2
    assert wait_one(client, record["id"])["exit"]["signal"] == 2


def test_survivors_are_told_only_when_waited_for(client, zoo):
    record = ready(client, [zoo("ignores_term")])
    entry = kill_one(client, record["id"])
    assert entry["survivors"] is None and entry["exit"] is None
    entry = kill_one(client, record["id"], wait=True, timeout_ms=100)
    assert entry["survivors"] == [record["pid"]] and entry["signalled"] == [record["pid"]]
    entry = kill_one(client, record["id"], signal="KILL", wait=True)
    assert entry["survivors"] == []
    assert wait_one(client, record["id"])["exit"]["signal"] == 9


def test_method_and_exactness(client, zoo):
    record = ready(client, [zoo("waits")])
    tree = kill_one(client, record["id"], signal="CONT")
    assert tree["method"] == record["containment"] and tree["exact"] is (tree["method"] == "cgroup")
    assert kill_one(client, record["id"], signal="CONT", scope="group")["method"] == "group"
    one = kill_one(client, record["id"], signal="CONT", scope="process")
    assert one["method"] == "process" and one["exact"] is True
    assert client.request("info")["containment"] == record["containment"]


@pytest.mark.parametrize("flags", ["", "s", "d", "ds", "h", "dsh", "dsht", "l", "ld", "lds", "ldsh", "ldsht"])
def test_nothing_escapes_a_kill_of_the_tree(client, zoo, flags):
    """Double fork, a session of its own, held pipes, an ignored TERM, a leader long gone: none helps."""
    record = spawn(client, [zoo("escapes"), flags])
    escaped = pid_line(client, record["id"])
    if "l" in flags:
        wait_one(client, record["id"])
    entry = kill_one(client, record["id"], signal="KILL", wait=True)
    assert escaped in entry["signalled"] and entry["survivors"] == []
    assert entry["already_exited"] is False, "something of its tree was left"
    gone(escaped)
    done = drained(client, record["id"])
    assert done["exit"] == ({"code": 0} if "l" in flags else {"signal": 9, "signal_name": "SIGKILL", "core": False})


@pytest.mark.parametrize("flags", ["t", "ds", "dst", "ldst"])
def test_escalation_goes_on_until_the_tree_is_empty(client, zoo, flags):
    """The leader dies by TERM (or is gone), the descendant does not: escalation is about the tree."""
    record = spawn(client, [zoo("escapes"), flags])
    escaped = pid_line(client, record["id"])
    if "l" in flags:
        wait_one(client, record["id"])
    entry = kill_one(client, record["id"], signal="TERM", escalate_after_ms=100, wait=True)
    assert entry["survivors"] == [] and escaped in entry["signalled"]
    gone(escaped)
    expected = {"code": 0} if "l" in flags else {"signal": 15, "signal_name": "SIGTERM", "core": False}
    assert drained(client, record["id"])["exit"] == expected


def test_escalation_goes_on_when_nobody_waits_for_it(client, connect, zoo):
    leaving = connect()
    record = ready(leaving, [zoo("breeds"), "3"])
    entry = kill_one(leaving, record["id"], escalate_after_ms=50)
    leaving.close()
    for pid in entry["signalled"]:
        gone(pid)
    assert drained(client, record["id"])["exit"]["signal"] == 15


def test_without_escalation_what_ignores_it_lives(client, zoo):
    record = ready(client, [zoo("breeds"), "3"])
    entry = kill_one(client, record["id"], wait=True, timeout_ms=200)
    assert len(entry["signalled"]) == 4 and len(entry["survivors"]) == 3
    assert all(procfs.alive(pid) for pid in entry["survivors"])
    assert wait_one(client, record["id"])["exit"]["signal"] == 15


def test_scope_process_leaves_the_children(client, zoo):
    record = spawn(client, [zoo("escapes"), ""])
    child = pid_line(client, record["id"])
    entry = kill_one(client, record["id"], scope="process", signal="KILL")
    assert entry["signalled"] == [record["pid"]]
    assert wait_one(client, record["id"])["exit"]["signal"] == 9
    assert procfs.alive(child)
    again = kill_one(client, record["id"], signal="KILL", wait=True)
    assert again["signalled"] == [child] and again["already_exited"] is False
    gone(child)


def test_scope_group_reaches_the_group(client, zoo):
    record = spawn(client, [zoo("escapes"), ""])
    child = pid_line(client, record["id"])
    kill_one(client, record["id"], scope="group", signal="KILL")
    gone(child)
    assert wait_one(client, record["id"])["exit"]["signal"] == 9
    record = spawn(client, [zoo("escapes"), "s"])
    child = pid_line(client, record["id"])
    kill_one(client, record["id"], scope="group", signal="KILL")
    assert wait_one(client, record["id"])["exit"]["signal"] == 9
    assert procfs.alive(child), "it is in another group"


def test_a_large_tree(client, zoo):
    record = ready(client, [zoo("breeds"), "200"])
    entry = kill_one(client, record["id"], signal="KILL", wait=True)
    assert len(entry["signalled"]) == 201 and entry["survivors"] == []


def test_a_tree_that_forks_while_it_is_killed(client):
    record = spawn(client, ["sh", "-c", "while :; do sleep 1000 & sleep 0; done"])
    wire.wait_until(lambda: len(get(client, record["id"], members=True)["members"]) > 20)
    entry = kill_one(client, record["id"], signal="KILL", wait=True)
    assert entry["survivors"] == []
    if entry["exact"]:
        assert get(client, record["id"], members=True)["members"] == []


def test_already_exited(client):
    record = spawn(client, ["sh", "-c", "exit 3"])
    wait_one(client, record["id"])
    for params in (
        {},
        {"signal": "KILL"},
        {"wait": True},
        {"escalate_after_ms": 10},
        {"scope": "process"},
        {"scope": "group"},
    ):
        entry = kill_one(client, record["id"], **params)
        assert entry["already_exited"] is True and entry["exit"] == {"code": 3} and entry["signalled"] == [], entry
        assert entry["survivors"] == ([] if params.get("wait") else None), entry


def test_several(client, zoo):
    ids = [ready(client, [zoo("waits")], labels={"kill": "me"})["id"] for _ in range(5)]
    spared = ready(client, [zoo("waits")], labels={"kill": "not"})["id"]
    entries = kill(client, {"labels": {"kill": "me"}}, wait=True)
    assert sorted(entry["process"] for entry in entries) == ids
    assert all(entry["survivors"] == [] for entry in entries)
    assert get(client, spared)["state"] == "running"
    assert kill(client, []) == [] and kill(client, {"labels": {"kill": "none"}}) == []


def test_unknown(client, zoo):
    record = ready(client, [zoo("waits")])
    error = failure(kill, client, [record["id"], 10**9], signal="KILL")
    assert error.code == 1 and error.data["process"] == 10**9
    assert get(client, record["id"])["state"] == "running", "one unknown fails the request, and nothing is signalled"


def test_a_stopped_process_dies_by_term(client, zoo):
    """TERM, HUP and INT are followed by CONT."""
    for name in ("TERM", "HUP", "INT"):
        record = ready(client, [zoo("waits")])
        kill(client, record["id"], signal="STOP")
        wire.wait_until(lambda r=record: get(client, r["id"])["state"] == "stopped")
        kill(client, record["id"], signal=name)
        assert wait_one(client, record["id"])["exit"]["signal_name"] == "SIG" + name


def test_stopped_and_continued(client, zoo):
    record = ready(client, [zoo("handles_term"), "2"])
    for _ in range(5):
        kill(client, record["id"], signal="STOP")
        wire.wait_until(lambda: get(client, record["id"])["state"] == "stopped")
        kill(client, record["id"], signal="CONT")
        wire.wait_until(lambda: get(client, record["id"])["state"] == "running")
    os.kill(record["pid"], signal.SIGSTOP)
    wire.wait_until(lambda: get(client, record["id"])["state"] == "stopped", what="a stop by somebody else")
    os.kill(record["pid"], signal.SIGCONT)
    wire.wait_until(lambda: get(client, record["id"])["state"] == "running")
    kill(client, record["id"])
    assert wait_one(client, record["id"])["exit"] == {"code": 2}


def test_a_stopped_process_killed(client, zoo):
    record = spawn(client, [zoo("stops_itself")])
    wire.wait_until(lambda: get(client, record["id"])["state"] == "stopped")
    kill(client, record["id"], signal="KILL")
    assert wait_one(client, record["id"])["exit"]["signal"] == 9


def test_the_reply_of_a_waiting_kill_is_not_held_up_by_another(client, connect, zoo):
    stubborn = ready(client, [zoo("ignores_term")])
    identifier = client.start("kill", {"processes": stubborn["id"], "wait": True, "timeout_ms": 20000})
    other = ready(connect(), [zoo("waits")])
    assert kill_one(client, other["id"], wait=True)["survivors"] == []
    assert identifier not in client.replies
    kill(client, stubborn["id"], signal="KILL")
    assert client.finish(identifier)["processes"][0]["survivors"] == []


def test_cancelling_a_kill_does_not_stop_its_plan(client, zoo):
    record = ready(client, [zoo("ignores_term")])
    client.start("kill", {"processes": record["id"], "escalate_after_ms": 300, "wait": True}, identifier="k")
    client.notify("$/cancelRequest", {"id": "k"})
    assert failure(client.finish, "k").code == -32800
    assert wait_one(client, record["id"])["exit"]["signal"] == 9


def test_signals_that_end_nothing(client, zoo):
    record = ready(client, [zoo("waits")])
    for name in ("CONT", "CHLD", "URG", "WINCH"):
        assert kill_one(client, record["id"], signal=name)["signalled"] == [record["pid"]]
    assert get(client, record["id"])["state"] == "running"
