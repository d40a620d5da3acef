# SPDX-License-Identifier: Apache-2.0
"""Stops, and signals, of a process whose running program is replaced: none is lost, and what is stopped stays so."""

import os
import signal
import sys

import procfs
import pytest
import wire
from replacing import replace, unfit
from subscriptions import names, subscribe, told
from support import failure, get, kill, mask_of, read_until, ready, spawn, wait_one


def stands(record):
    """Wait until the kernel has it stopped: let go of by its tracer it is on its way there, within the kernel."""
    wire.wait_until(lambda: procfs.stat(record["pid"])["state"] == "T")


def test_a_stopped_process_stays_stopped(client, connect, zoo):
    record = ready(client, [zoo("waits")], stdin="pipe")
    watcher = connect()
    subscribe(watcher, record["id"], events=["stopped", "continued", "replaced", "exited"])
    kill(client, record["id"], signal="STOP", scope="process")
    told(watcher, "stopped")
    unfit(client, record["id"], "ENOENT", "nosuch")
    assert get(client, record["id"])["state"] == "stopped"
    stands(record)
    answer = replace(client, record["id"], "sh", "-c", "read x; exit 6")
    assert answer["state"] == "stopped" and answer["generation"] == 2
    stands(record)
    kill(client, record["id"], signal="CONT", scope="process")
    notes = told(watcher, "continued")
    client.request("write", {"process": record["id"], "data": "\n"})
    assert names(notes + told(watcher, "exited")) == ["replaced", "continued", "exited"]
    assert wait_one(client, record["id"])["exit"] == {"code": 6}


@pytest.mark.parametrize("turn", range(10))
def test_stops_and_continues_all_the_while(client, connect, zoo, turn):
    """As many continuations as stops are told, and what is said last is so."""
    record = ready(client, [zoo("waits")])
    watcher = connect()
    subscribe(watcher, record["id"], events=["stopped", "continued"])
    other = connect()
    for number in range(20):
        order = client.start("exec-replace", {"process": record["id"], "argv": [zoo("waits")]})
        kill(other, record["id"], signal="STOP", scope="process")
        kill(other, record["id"], signal="CONT", scope="process")
        client.finish(order)
    kill(other, record["id"], signal="STOP", scope="process")
    wire.wait_until(lambda: get(client, record["id"])["state"] == "stopped")
    stands(record)
    kill(other, record["id"], signal="CONT", scope="process")
    wire.wait_until(lambda: get(client, record["id"])["state"] == "running")
    watcher.request("ping")
    words = [note["method"] for note in watcher.notifications]
    assert words[-2:] == ["stopped", "continued"] and words == ["stopped", "continued"] * (len(words) // 2), words


def test_others_are_seen_to_stop_meanwhile(client, connect, zoo):
    """One that cannot be interrupted stands before the others in what the kernel tells the server of its children."""
    hard = ready(client, [zoo("in_vfork")], stdin="pipe")
    wire.wait_until(lambda: procfs.children(hard["pid"]) and procfs.stat(hard["pid"])["state"] == "D")
    order = client.start("exec-replace", {"process": hard["id"], "argv": ["true"], "start_timeout_ms": 20000})
    other = connect()
    records = [ready(other, [zoo("waits")]) for _ in range(3)]
    for record in records:
        os.kill(record["pid"], signal.SIGSTOP)
        wire.wait_until(lambda: get(other, record["id"])["state"] == "stopped")
        os.kill(record["pid"], signal.SIGCONT)
        wire.wait_until(lambda: get(other, record["id"])["state"] == "running")
    kill(other, records[0]["id"], signal="KILL", wait=True)
    other.request("write", {"process": hard["id"], "data": "x"})
    assert client.finish(order)["generation"] == 2


# Masks and dispositions


def handled(record):
    """The signal masks of a process as numbers: blocked, ignored, pending of the process."""
    return tuple(int(procfs.status(record["pid"], name), 16) for name in ("SigBlk", "SigIgn", "ShdPnd"))


SPOILT = """
import fcntl, os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
signal.setitimer(signal.ITIMER_REAL, 3600)
os.set_blocking(1, False)
print("ready", flush=True)
sys.stdin.read()
"""


def spoilt(client):
    return ready(client, [sys.executable, "-c", SPOILT], stdin="pipe")


@pytest.mark.parametrize("params", [{}, {"signals": "fresh"}])
def test_signals_are_fresh(client, zoo, params):
    record = spoilt(client)
    replace(client, record["id"], zoo("waits"), **params)
    read_until(client, record["id"], b"ready\nready\n")
    assert handled(record) == (0, 0, 0)
    flags = int(dict(line.split(":", 1) for line in open("/proc/%d/fdinfo/1" % record["pid"]))["flags"], 8)
    assert not flags & os.O_NONBLOCK
    assert get(client, record["id"])["state"] == "running"


def test_signals_may_be_inherited(client, zoo):
    record = spoilt(client)
    replace(client, record["id"], zoo("waits"), signals="inherit")
    read_until(client, record["id"], b"ready\nready\n")
    blocked, ignored, pending = handled(record)
    assert blocked == mask_of(signal.SIGUSR1, signal.SIGUSR2) and pending == mask_of(signal.SIGUSR2)
    # Python itself ignores PIPE and XFSZ, which its successor has from it.
    assert ignored == mask_of(signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)


def test_signals_may_be_said(client, zoo):
    record = spoilt(client)
    replace(client, record["id"], zoo("waits"), signals={"ignored": ["INT"], "blocked": ["TERM", int(signal.SIGRTMIN) + 3]})
    read_until(client, record["id"], b"ready\nready\n")
    assert handled(record) == (mask_of(signal.SIGTERM, signal.SIGRTMIN + 3), mask_of(signal.SIGINT), 0)


def test_a_signal_that_comes_meanwhile_is_not_lost(client, connect, zoo):
    """It acts on the one program or on the other."""
    other = connect()
    for _ in range(40):
        record = ready(client, [zoo("waits")])
        order = client.start("exec-replace", {"process": record["id"], "argv": [zoo("waits")]})
        kill(other, record["id"], signal="TERM", scope="process")
        try:
            client.finish(order)
        except wire.RpcError as error:
            assert error.data["reason"] == "exited", error
        assert wait_one(client, record["id"])["exit"]["signal"] == signal.SIGTERM


def test_a_held_process_may_inherit_as_well(client, zoo):
    record = spawn(client, [zoo("waits")], hold=True, signals={"ignored": ["HUP"]})
    replace(client, record["id"], signals="inherit")
    read_until(client, record["id"], b"ready\n")
    assert handled(record)[1] == mask_of(signal.SIGHUP)
    error = failure(client.request, "exec-replace", {"connection": True, "argv": ["true"], "signals": "inherit"})
    assert error.code == -32602 and error.data["path"] == "signals"
