# SPDX-License-Identifier: Apache-2.0
"""What goes on across the replacement of a running program: output, subscribers, waiters, deadlines, stops."""

import signal
import sys

import openrpc
import pytest
import wire
from replacing import replace, unfit
from subscriptions import names, subscribe, told, told_bytes
from support import kill, read_all, read_until, ready, spawn, wait_one

# Writes as fast as it can, a line at a time, each whole.
TALKS = "import os, sys\nword = sys.argv[1].encode() * 7 + b'\\n'\nos.write(1, b'ready\\n')\nwhile True: os.write(1, word)"


def of(notes, name):
    return [params for each, params in notes if each == name]


def test_the_event_marks_the_byte(client, connect, zoo):
    record = ready(client, ["sh", "-c", "echo ready; printf old; printf err >&2; read x"], stdin="pipe")
    read_until(client, record["id"], b"old")
    read_until(client, record["id"], b"err", "stderr")
    watcher = connect()
    subscribe(watcher, record["id"], **{"from": {"stdout": 0, "stderr": 0}})
    replace(client, record["id"], "sh", "-c", "printf new; exit 3")
    notes = told(watcher, "drained")
    event, = of(notes, "replaced")
    assert event["offsets"] == {"stdout": 9, "stderr": 3} and event["argv"] == ["sh", "-c", "printf new; exit 3"]
    assert event["generation"] == 2 and event["process"] == record["id"]
    at = [name for name, _ in notes].index("replaced")
    assert told_bytes(notes[:at]) == b"ready\nold" and told_bytes(notes[:at], "stderr") == b"err"
    assert told_bytes(notes[at:], start=9) == b"new"
    assert names(notes)[-3:] == ["output", "exited", "drained"]


@pytest.mark.parametrize("output", [{}, {"limit": 4096}, {"limit": 4096, "when_full": "block"}])
def test_the_byte_is_exact_however_fast_they_talk(client, connect, output):
    """Before the byte nothing of the new program, from it on nothing of the old one."""
    record = spawn(client, [sys.executable, "-c", TALKS, "0"], output=output)
    watcher = connect()
    subscribe(watcher, record["id"], events=["replaced", "output"], lossless="when_full" in output)
    for turn in range(1, 9):
        told(watcher, "output")
        replace(client, record["id"], sys.executable, "-c", TALKS, str(turn))
        notes = told(watcher, "replaced")
        offset = notes[-1][1]["offsets"]["stdout"]
        for name, params in notes[:-1]:
            end = params["offset"] + (params["length"] if name == "gap" else len(wire.chunk_of(params)))
            assert end <= offset, "told before the event, and of the new program"
            assert name == "gap" or not wire.chunk_of(params).strip(b"%dready\n" % (turn - 1))
        name, params = told(watcher, lambda name, params: name in ("output", "gap"))[0]
        assert params["offset"] == offset
        if name == "output":
            assert b"ready\n".startswith(wire.chunk_of(params)[:6]), "the first word of the new program"
    kill(client, record["id"], signal="KILL")


def test_on_a_terminal_too(client, connect):
    record = spawn(client, ["sh", "-c", "printf old; read x"], pty={})
    read_until(client, record["id"], b"old", "terminal")
    watcher = connect()
    subscribe(watcher, record["id"], **{"from": {"terminal": 0}})
    replace(client, record["id"], "sh", "-c", "printf new")
    notes = told(watcher, "drained")
    event, = of(notes, "replaced")
    assert event["offsets"] == {"terminal": 3}
    assert told_bytes(notes, "terminal") == b"oldnew"


def test_a_full_ring_that_blocks(client, connect):
    """What the old program left in the pipe still comes before the event."""
    record = spawn(
        client, ["sh", "-c", "head -c 5000 /dev/zero; echo done >&2; read x"], stdin="pipe",
        output={"limit": 4096, "when_full": "block"})
    read_until(client, record["id"], b"done\n", "stderr")
    watcher = connect()
    subscribe(watcher, record["id"], events=["output", "replaced", "drained"], streams=["stdout"], **{"from": {"stdout": 0}})
    replace(client, record["id"], "sh", "-c", "printf new")
    assert read_all(client, record["id"]) == bytes(5000) + b"new"
    event, = of(told(watcher, "replaced"), "replaced")
    assert event["offsets"]["stdout"] == 5000
    told(watcher, "drained")


def test_a_subscriber_may_want_nothing_else(client, connect, zoo):
    record = ready(client, [zoo("waits")])
    watcher = connect()
    subscribe(watcher, "all", events=["replaced"])
    for generation in (2, 3):
        replace(client, record["id"], zoo("waits"))
        assert told(watcher, "replaced")[0][1]["generation"] == generation
    unfit(client, record["id"], "ENOENT", "nosuch")
    assert watcher.request("ping") and not watcher.notifications


def test_the_record_says_so(client, zoo):
    record = ready(client, [zoo("waits")], labels={"a": "b"}, name="replaced-one")
    answer = replace(client, record["id"], zoo("waits"))
    openrpc.check(answer, openrpc.COMPONENTS["schemas"]["Record"], "the record")
    listed, = client.request("list", {"name": "replaced-one"})["processes"]
    assert listed["generation"] == 2 and listed["replaced_at"] == answer["replaced_at"] >= record["started_at"]
    assert listed["started_at"] == record["started_at"] and listed["labels"] == {"a": "b"}


def test_stops_of_others_are_told_meanwhile(client, connect, zoo):
    """The server does not listen while it is through in a moment. This one is not: its program is in a vfork."""
    hard = ready(client, [zoo("in_vfork")], stdin="pipe")
    other = spawn(client, ["sleep", "1000"])
    listener = connect()
    subscribe(listener, other["id"], events=["stopped", "continued"])
    order = client.start("exec-replace", {"process": hard["id"], "argv": ["true"]})
    asking = connect()
    for turn in range(10):
        for number, event in (("STOP", "stopped"), ("CONT", "continued")):
            kill(asking, other["id"], signal=number, scope="process")
            assert names(told(listener, event)) == [event], turn
    asking.request("write", {"process": hard["id"], "data": "x"})
    assert client.finish(order)["generation"] == 2


def test_waiters_wait_on(client, connect, zoo):
    record = ready(client, [zoo("waits")])
    waiters = [connect() for _ in range(3)]
    pending = [
        (waiter, waiter.start("wait", {"processes": [record["id"]], "until": until}))
        for waiter, until in zip(waiters, ("exited", "drained", "exited"))]
    reader = connect()
    long_poll = reader.start("read", {"process": record["id"], "offset": 6, "timeout_ms": 20000})
    replace(client, record["id"], "sh", "-c", "echo new; exit 9")
    assert wire.chunk_of(reader.finish(long_poll)) == b"new\n"
    for waiter, identifier in pending:
        assert waiter.finish(identifier)["done"][0]["exit"] == {"code": 9}


def test_a_deadline_goes_on(client, zoo):
    record = ready(client, [zoo("waits")], timeout_ms=1500, stop={"signal": "USR1", "grace_ms": 10000})
    answer = replace(client, record["id"], zoo("waits"))
    assert answer["deadline_at"] == record["deadline_at"]
    done = wait_one(client, record["id"])
    assert done["reason"] == "deadline" and done["exit"]["signal"] == signal.SIGUSR1


def test_a_lifetime_goes_on(client, connect, zoo):
    owner = connect()
    record = ready(owner, [zoo("waits")], lifetime="connection")
    replace(client, record["id"], zoo("waits"))
    owner.close()
    assert wait_one(client, record["id"])["reason"] == "connection"
    watcher = connect()
    subscribe(watcher, "all", events=["exited"])
    record = ready(client, [zoo("waits")], lifetime={"lease_ms": 200})
    replace(client, record["id"], zoo("waits"))
    notes = told(watcher, lambda name, params: params["process"] == record["id"])
    assert notes[-1][1]["record"]["reason"] == "lease"
