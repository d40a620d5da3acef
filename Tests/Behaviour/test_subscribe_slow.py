# SPDX-License-Identifier: Apache-2.0
"""Subscribers that are slow, stop, or leave: a gap for them, nothing for the others."""

import os

import procfs
import wire
from subscriptions import Tally, names, subscribe, told, told_bytes
from support import drained, get, kill, read_all, spawn, wait_one

MIB = 1 << 20
BLOCK = {"limit": 65536, "when_full": "block"}


def written(client, process):
    return get(client, process)["streams"]["stdout"]["end"]


def stands_still(client, process):
    """Waits until a program writes nothing more; returns how far it has come."""
    seen = [-1, -2, -3]

    def still():
        seen.append(written(client, process))
        return len(set(seen[-8:])) == 1

    wire.wait_until(still)
    return seen[-1]


def test_one_that_does_not_read_finds_a_gap(client, connect, zoo):
    listener = connect()
    subscribe(listener, "all")
    record = spawn(client, [zoo("floods"), str(8 * MIB)], output={"limit": 65536})
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 0}, "the program did not wait"
    tally, gaps, order = Tally(), [], []
    while not tally.ended:
        name, params = listener.notification()
        tally.take({"method": name, "params": params})
        order.append(name)
        if name == "gap":
            gaps.append(params)
    assert len(gaps) >= 1 and tally.received + tally.lost == 8 * MIB
    assert gaps[-1]["offset"] + gaps[-1]["length"] == done["streams"]["stdout"]["start"]
    assert order[0] == "started" and order[-2:] == ["exited", "drained"]


def test_events_are_not_lost_with_the_output(client, connect, zoo):
    """Gaps are for bytes; each event of many processes arrives, behind its output."""
    listener = connect()
    subscribe(listener, "all")
    records = [spawn(client, [zoo("floods"), "300000", str(n)], output={"limit": 4096}) for n in range(20)]
    for record in records:
        drained(client, record["id"])
    by_process = {}
    while sum(1 for notes in by_process.values() if notes[-1][0] == "drained") < len(records):
        name, params = listener.notification()
        by_process.setdefault(params["process"], []).append((name, params))
    for number, record in enumerate(records):
        notes = by_process[record["id"]]
        assert [name for name, _ in notes if name not in ("output", "gap")] == ["started", "exited", "drained"]
        assert notes[-2][1]["record"]["exit"] == {"code": number}
        reached = 0
        for name, params in notes:
            if name in ("output", "gap"):
                assert params["offset"] == reached
                reached += params["length"] if name == "gap" else len(wire.chunk_of(params))
        assert reached == 300000


def test_a_lossless_one_that_does_not_read_holds_the_program(client, connect, zoo):
    """And nobody else; when it reads on, nothing is missing."""
    listener, other = connect(), connect()
    subscribe(listener, "all", lossless=True, events=["output", "drained"])
    length = 4 * MIB
    record = spawn(client, [zoo("floods"), str(length)], output=BLOCK)
    reached = stands_still(client, record["id"])
    assert 65536 <= reached < length and get(client, record["id"])["state"] == "running"
    assert read_all(other, spawn(other, ["echo", "on"])["id"]) == b"on\n"
    tally = Tally()
    while not tally.ended or tally.offset < length:
        name, params = listener.notification()
        if params["process"] == record["id"]:
            tally.take({"method": name, "params": params})
    assert tally.received == length and tally.gaps == 0
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_a_lossless_one_that_leaves_lets_the_program_go_on(client, connect, zoo):
    """The ring is full again then, and the next reader frees it."""
    listener = connect()
    subscribe(listener, "all", lossless=True)
    record = spawn(client, [zoo("floods"), str(2 * MIB)], output=BLOCK)
    stands_still(client, record["id"])
    listener.close()
    wire.wait_until(lambda: client.request("info")["counts"]["connections"] == 1)
    second = connect()
    start = get(client, record["id"])["streams"]["stdout"]["start"]
    subscribe(second, record["id"], lossless=True, **{"from": {"stdout": start}})
    tally = Tally()
    tally.offset = start
    tally.drain(second)
    assert tally.received == 2 * MIB - start and tally.gaps == 0


def test_unsubscribing_a_lossless_one(client, connect, zoo):
    """With another that goes on, the program goes on with that one."""
    lazy, eager = connect(), connect()
    subscription = subscribe(lazy, "all", lossless=True, events=["output"])
    subscribe(eager, "all", lossless=True, events=["output", "drained"])
    record = spawn(client, [zoo("floods"), str(4 * MIB)], output=BLOCK)
    tally = Tally()
    while tally.received < 65536:
        name, params = eager.notification()
        tally.take({"method": name, "params": params})
    assert stands_still(client, record["id"]) < 4 * MIB
    lazy.request("unsubscribe", {"subscription": subscription})
    tally.drain(eager)
    assert tally.received == 4 * MIB and tally.gaps == 0
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_a_lossless_one_among_others(client, connect, zoo):
    """What is kept for it is there for one that is not, which still may find a gap."""
    lossless, plain = connect(), connect()
    subscribe(plain, "all", events=["output", "drained"])
    subscribe(lossless, "all", lossless=True, events=["output", "drained"])
    spawn(client, [zoo("floods"), str(2 * MIB)], output=BLOCK)
    tally = Tally().drain(lossless)
    assert tally.received == 2 * MIB and tally.gaps == 0
    other = Tally().drain(plain)
    assert other.received + other.lost == 2 * MIB


def test_a_plain_one_frees_nothing(client, connect, zoo):
    """In block mode the program waits for a reader; a subscriber that is not lossless is none."""
    listener = connect()
    subscribe(listener, "all", events=["output", "drained"])
    record = spawn(client, [zoo("floods"), "300000"], output=BLOCK)
    assert stands_still(client, record["id"]) == 65536
    assert len(read_all(client, record["id"], limit=30000)) == 300000
    tally = Tally().drain(listener)
    assert tally.received + tally.lost == 300000


def test_reads_free_nothing_while_a_lossless_one_is_there(client, connect, zoo):
    listener = connect()
    subscribe(listener, "all", lossless=True, events=["output", "drained"])
    record = spawn(client, [zoo("floods"), str(2 * MIB)], output=BLOCK)
    reached = stands_still(client, record["id"])
    client.request("read", {"process": record["id"], "offset": reached})
    assert stands_still(client, record["id"]) == reached
    assert Tally().drain(listener).received == 2 * MIB


def test_at_the_exit_everything_is_there(client, connect, zoo):
    """The ring of a program in block mode takes what the pipe held at its end, and a lossless one gets that too."""
    listener = connect()
    subscribe(listener, "all", lossless=True, events=["output", "exited", "drained"])
    record = spawn(client, [zoo("floods"), "40000"], output={"limit": 4096, "when_full": "block"})
    wait_one(client, record["id"])
    notes = told(listener, "drained")
    assert names(notes) == ["output", "exited", "drained"] and len(told_bytes(notes)) == 40000


def test_one_that_stalls_is_ended(client, connect, zoo):
    """After its time the program goes on without it; it may subscribe again where it stood."""
    lazy, eager = connect(), connect()
    subscription = subscribe(lazy, "all", lossless=True, events=["output"], stall_ms=300)
    patient = subscribe(eager, "all", lossless=True, events=["output", "drained"], stall_ms=3_600_000)
    record = spawn(client, [zoo("floods"), str(4 * MIB)], output=BLOCK)
    tally = Tally().drain(eager)
    assert patient and tally.received == 4 * MIB and tally.gaps == 0
    notes = told(lazy, "subscription_ended")
    assert notes[-1][1] == {"subscription": subscription, "reason": "stalled"}
    reached = len(told_bytes(notes[:-1]))
    assert 0 < reached < 4 * MIB
    subscribe(lazy, record["id"], lossless=True, **{"from": {"stdout": reached}})
    after = Tally()
    after.offset = reached
    after.drain(lazy)
    assert reached + after.received + after.lost == 4 * MIB and after.lost > 0


def test_block_while_followed(client, connect, zoo):
    """Without a lossless subscriber the oldest bytes go. With one the program waits for it, and what it has been sent
    stays readable as long as there is room.
    """
    rule = {"limit": 65536, "when_full": "block-while-followed"}
    alone = spawn(client, [zoo("floods"), str(2 * MIB)], output=rule)
    stream = drained(client, alone["id"])["streams"]["stdout"]
    assert (stream["start"], stream["end"]) == (2 * MIB - 65536, 2 * MIB)
    listener = connect()
    subscribe(listener, "all", lossless=True, events=["output", "drained"])
    record = spawn(client, [zoo("floods"), str(4 * MIB)], output=rule)
    assert stands_still(client, record["id"]) < 4 * MIB
    tally = Tally()
    while not (tally.ended and tally.offset == 4 * MIB):
        name, params = listener.notification()
        if params["process"] == record["id"]:
            tally.take({"method": name, "params": params})
    assert tally.received == 4 * MIB and tally.gaps == 0
    stream = drained(client, record["id"])["streams"]["stdout"]
    assert stream["end"] - stream["start"] >= 65536


def test_block_while_followed_goes_on_when_the_last_one_leaves(client, connect, zoo):
    listener = connect()
    subscription = subscribe(listener, "all", lossless=True, events=["output"])
    rule = {"limit": 65536, "when_full": "block-while-followed"}
    record = spawn(client, [zoo("floods"), str(4 * MIB)], output=rule)
    assert stands_still(client, record["id"]) < 4 * MIB
    listener.start("unsubscribe", {"subscription": subscription})
    assert drained(client, record["id"])["streams"]["stdout"]["end"] == 4 * MIB


def test_many_that_leave_in_the_middle(server, client, connect, zoo):
    record = spawn(client, [zoo("floods"), "0"], output={"limit": 65536})
    for _ in range(50):
        listener = server.connect()
        listener.start("subscribe", {"processes": "all", "lossless": True})
        listener.socket.recv(100)
        listener.close()
    assert client.request("ping")
    wire.wait_until(lambda: client.request("info")["counts"]["connections"] == 1)
    kill(client, record["id"], signal="KILL")


def test_one_that_reads_nothing_and_asks_much(client, connect, zoo):
    """Subscribed, flooded, and full of replies: its own requests wait, nobody else's."""
    record = spawn(client, [zoo("floods"), "0"])
    wire.wait_until(lambda: written(client, record["id"]))
    lazy = connect()
    subscribe(lazy, "all")
    lazy.socket.setblocking(False)
    try:
        for _ in range(20000):
            lazy.socket.send(b'{"jsonrpc":"2.0","id":1,"method":"info"}\n')
    except BlockingIOError:
        pass
    assert client.request("ping") and os.path.exists("/proc/%d" % record["pid"])
    kill(client, record["id"], signal="KILL")


def test_a_flood_is_not_all_that_a_slow_one_hears(client, connect, zoo):
    """What stderr said comes when it was said, though stdout always has more."""
    script = "%s 0 & read go; echo here >&2; wait" % zoo("floods")
    record = spawn(client, ["sh", "-c", script], stdin="pipe", output={"limit": 65536})
    listener = connect()
    subscribe(listener, record["id"], events=["output"])
    client.request("write", {"process": record["id"], "data": "\n"})
    for _ in range(200):
        before = written(client, record["id"])
        wire.wait_until(lambda: written(client, record["id"]) >= before + 65536)
        name, params = listener.notification()
        if params["stream"] == "stderr":
            break
    assert params["stream"] == "stderr" and params["text"] == "here\n"
    kill(client, record["id"], signal="KILL")


def test_what_was_released_is_not_kept_for_one_that_does_not_read(fresh):
    """Its place in the order is; the bytes have gone with the process, and it will find a gap."""
    server = fresh()
    with server.connect() as listener, server.connect() as client:
        subscribe(listener, "all")
        full = spawn(client, ["head", "-c", "2000000", "/dev/zero"])
        drained(client, full["id"])
        before = int(procfs.status(server.pid, "RssShmem").split()[0])
        for _ in range(60):
            record = spawn(client, ["head", "-c", "200000", "/dev/zero"])
            drained(client, record["id"])
            client.request("release", {"processes": [record["id"]]})
        grown = int(procfs.status(server.pid, "RssShmem").split()[0]) - before
        assert grown < 4 << 10, "%d KiB for sixty of 200 KB" % grown
        notes = told(listener, lambda name, params: name == "drained" and params["process"] == record["id"])
        lost = [params["length"] for name, params in notes if name == "gap" and params["process"] == record["id"]]
        assert lost == [200000]
