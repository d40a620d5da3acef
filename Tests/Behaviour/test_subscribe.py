# SPDX-License-Identifier: Apache-2.0
"""Subscriptions: who is told what, in which order, from which byte on, and when it ends."""

import os
import signal
import time

import wire
from subscriptions import names, subscribe, told, told_bytes
from support import drained, failure, get, kill, ready, spawn, wait_one


def test_a_process_that_ended_before_anyone_looked(client):
    """Its whole output, its exit and its drain, though all of it was over."""
    record = spawn(client, ["sh", "-c", "echo out; echo err >&2; exit 3"])
    done = drained(client, record["id"])
    answer = client.request("subscribe", {"processes": record["id"], "from": {"stdout": 0, "stderr": 0}})
    assert answer["processes"] == [record["id"]] and answer["subscription"] >= 1
    notes = told(client, "drained")
    assert names(notes) == ["output", "exited", "drained"]
    assert told_bytes(notes) == b"out\n" and told_bytes(notes, "stderr") == b"err\n"
    assert notes[-1][1]["record"] == done and notes[-2][1]["record"]["exit"] == {"code": 3}
    assert {params["subscription"] for _, params in notes} == {answer["subscription"]}
    assert {params["process"] for _, params in notes} == {record["id"]}


def test_the_order_of_a_life(client, connect):
    """started, output…, exited, drained; the reply to the spawn comes before all of it."""
    subscribe(client, "all")
    record = spawn(client, ["sh", "-c", "echo a; echo b; exit 1"])
    notes = told(client, "drained")
    assert names(notes) == ["started", "output", "exited", "drained"]
    # The record as it is when it is told: the program may have been quicker.
    lasting = ("id", "pid", "argv", "started_at", "owner", "session", "generation")
    assert [notes[0][1]["record"][key] for key in lasting] == [record[key] for key in lasting]
    assert told_bytes(notes) == b"a\nb\n" and notes[-1][1]["record"]["exit"] == {"code": 1}


def test_the_first_words_are_never_missed(client, connect):
    """However quick a program is: a subscription that was there before gets every byte of it, behind its start."""
    watcher = connect()
    subscribe(watcher, {"labels": {"quick": "yes"}})
    ids = {spawn(client, ["echo", str(n)], labels={"quick": "yes"})["id"]: n for n in range(200)}
    by_process = {}
    while sum(1 for notes in by_process.values() if notes[-1][0] == "drained") < len(ids):
        name, params = watcher.notification()
        by_process.setdefault(params["process"], []).append((name, params))
    for process, notes in by_process.items():
        assert names(notes) == ["started", "output", "exited", "drained"]
        assert told_bytes(notes) == b"%d\n" % ids[process]


def test_a_grandchild_that_holds_the_pipe(client, room):
    """Exited at once, with what the pipe held before it; more output and the drain come later."""
    script = "(read x < %s; echo late) & echo early; exit 7"
    fifo = room / "fifo"
    os.mkfifo(fifo)
    subscribe(client, "all")
    record = spawn(client, ["sh", "-c", script % fifo])
    notes = told(client, "exited")
    assert names(notes) == ["started", "output", "exited"] and told_bytes(notes) == b"early\n"
    done = notes[-1][1]["record"]
    assert done["exit"] == {"code": 7} and done["drained_at"] is None
    assert done["streams"]["stdout"] == {"kind": "pipe", "start": 0, "end": 6, "open": True}
    assert client.request("get", {"process": record["id"], "holders": True})["holders"]["stdout"]
    fifo.write_text("go\n")
    notes = told(client, "drained")
    assert names(notes) == ["output", "drained"] and told_bytes(notes, start=6) == b"late\n"


def test_stopped_and_continued(client, zoo):
    record = ready(client, [zoo("waits")])
    subscribe(client, record["id"])
    kill(client, record["id"], signal="STOP", scope="process")
    (note,) = told(client, "stopped")
    assert note[1]["signal"] == 19 and note[1]["signal_name"] == "SIGSTOP"
    kill(client, record["id"], signal="CONT", scope="process")
    assert names(told(client, "continued")) == ["continued"]
    kill(client, record["id"], signal="KILL")
    assert names(told(client, "drained")) == ["exited", "drained"]


def test_from_now_on(client, zoo):
    """Without `from` only what comes is told; each stream of its own can begin elsewhere."""
    record = ready(client, [zoo("handles_term")])
    subscribe(client, record["id"])
    other = subscribe(client, record["id"], **{"from": {"stdout": 2}})
    kill(client, record["id"])
    notes = []
    while sum(name == "drained" for name, _ in notes) < 2:
        notes += told(client, "drained")
    mine = [note for note in notes if note[1]["subscription"] == other]
    assert told_bytes(mine, start=2) == b"ady\nbye\n"
    rest = [note for note in notes if note[1]["subscription"] != other]
    assert told_bytes(rest, start=6) == b"bye\n"


def test_from_beyond_the_end_waits(client, zoo):
    record = ready(client, [zoo("handles_term")])
    subscribe(client, record["id"], **{"from": {"stdout": 8}})
    kill(client, record["id"])
    assert told_bytes(told(client, "drained"), start=8) == b"e\n"


def test_from_what_is_gone_is_a_gap(client, zoo):
    record = spawn(client, [zoo("floods"), "100000"], output={"limit": 4096})
    start = drained(client, record["id"])["streams"]["stdout"]["start"]
    subscribe(client, record["id"], **{"from": {"stdout": 10}})
    notes = told(client, "drained")
    assert notes[0][0] == "gap" and notes[0][1]["offset"] == 10 and notes[0][1]["length"] == start - 10
    assert names(notes) == ["gap", "output", "exited", "drained"]
    assert len(told_bytes(notes[1:], start=start)) == 100000 - start


def test_streams(client):
    record = spawn(client, ["sh", "-c", "echo out; echo err >&2"])
    drained(client, record["id"])
    subscribe(client, record["id"], streams=["stderr"], **{"from": {"stdout": 0, "stderr": 0}})
    notes = told(client, "drained")
    assert told_bytes(notes) == b"" and told_bytes(notes, "stderr") == b"err\n"


def test_events(client):
    subscribe(client, "all", events=["exited"])
    record = spawn(client, ["sh", "-c", "echo out; exit 2"])
    assert told(client, "exited")[0][1]["record"]["id"] == record["id"]
    drained(client, record["id"])
    assert client.request("ping") and not client.notifications


def test_output_only(client):
    subscribe(client, "all", events=["output"])
    record = spawn(client, ["echo", "x"])
    drained(client, record["id"])
    client.request("ping")
    assert [name for name, _ in told(client, "output")] == ["output"] and not client.notifications


def test_no_events_at_all(client):
    subscribe(client, "all", events=[])
    drained(client, spawn(client, ["echo", "x"])["id"])
    assert client.request("ping") and not client.notifications


def test_the_label_filter_is_live(client, connect):
    spawner = connect()
    old = spawn(spawner, ["sleep", "1000"], labels={"app": "a", "tier": "1"})
    spawn(spawner, ["sleep", "1000"], labels={"app": "b"})
    answer = client.request("subscribe", {"processes": {"labels": {"app": "a"}}, "events": ["started", "exited"]})
    assert answer["processes"] == [old["id"]]
    spawn(spawner, ["true"], labels={"app": "b"})
    new = spawn(spawner, ["true"], labels={"tier": "2", "app": "a"})
    assert [(name, params["process"]) for name, params in told(client, "exited")] == [
        ("started", new["id"]), ("exited", new["id"])
    ]
    kill(spawner, old["id"], signal="KILL")
    assert told(client, "exited")[0][1]["process"] == old["id"]


def test_names_are_fixed(client, connect):
    """A name means the process that has it; one that takes it later is another."""
    spawner = connect()
    first = spawn(spawner, ["sleep", "1000"], name="web")
    subscribe(client, "web", events=["started", "exited"])
    kill(spawner, "web", signal="KILL", wait=True)
    assert told(client, "exited")[0][1]["process"] == first["id"]
    wait_one(spawner, spawn(spawner, ["true"], name="web")["id"])
    assert client.request("ping") and not client.notifications


def test_several_processes(client):
    records = [spawn(client, ["echo", str(n)]) for n in range(3)]
    for record in records:
        drained(client, record["id"])
    ids = [record["id"] for record in records]
    answer = client.request("subscribe", {"processes": ids, "from": {"stdout": 0}})
    assert answer["processes"] == ids
    notes = []
    for _ in ids:
        notes += told(client, "drained")
    for number, process in enumerate(ids):
        assert told_bytes([note for note in notes if note[1]["process"] == process]) == b"%d\n" % number


def test_held_and_started(client):
    record = spawn(client, ["echo", "at last"], hold=True)
    subscribe(client, record["id"])
    client.request("ping")
    assert not client.notifications
    client.request("exec-replace", {"process": record["id"]})
    notes = told(client, "drained")
    assert names(notes) == ["started", "output", "exited", "drained"] and told_bytes(notes) == b"at last\n"


def test_held_and_started_where_nobody_asks_for_the_start(client):
    record = spawn(client, ["echo", "at last"], hold=True)
    subscribe(client, record["id"], events=["output", "drained"])
    client.request("exec-replace", {"process": record["id"]})
    assert told_bytes(told(client, "drained")) == b"at last\n"


def test_a_terminal(client):
    subscribe(client, "all")
    record = spawn(client, ["sh", "-c", "echo x; read y; echo $y"], pty={})
    client.request("write", {"process": record["id"], "data": "typed\n"})
    notes = told(client, "drained")
    assert told_bytes(notes, "terminal").replace(b"typed\r\n", b"", 1) == b"x\r\ntyped\r\n"


def test_unsubscribe(client, zoo):
    record = spawn(client, [zoo("floods"), "0"])
    subscription = subscribe(client, record["id"])
    told(client, "output")
    assert client.request("unsubscribe", {"subscription": subscription}) == {"subscription": subscription}
    client.notifications.clear()
    for _ in range(20):
        client.request("ping")
    assert not client.notifications, "none comes behind the reply"
    error = failure(client.request, "unsubscribe", {"subscription": subscription})
    assert error.code == -32602 and error.data["path"] == "subscription"


def test_a_subscription_is_its_connections(client, connect):
    subscription = subscribe(client, "all")
    assert failure(connect().request, "unsubscribe", {"subscription": subscription}).code == -32602


def test_ids_are_not_used_again(client):
    first = subscribe(client, "all")
    client.request("unsubscribe", {"subscription": first})
    assert subscribe(client, "all") == first + 1


def test_sixty_four_of_them(client, connect):
    most = client.request("info")["limits"]["subscriptions"]
    assert most == 64
    subscriptions = [subscribe(client, "all", events=["exited"]) for _ in range(most)]
    error = failure(subscribe, client, "all")
    assert error.code == 8 and error.data["limit"] == "subscriptions" and error.data["maximum"] == most
    assert subscribe(connect(), "all"), "of one connection"
    client.request("unsubscribe", {"subscription": subscriptions[5]})
    again = subscribe(client, "all", events=["exited"])
    spawn(client, ["true"])
    seen = {client.notification()[1]["subscription"] for _ in range(most)}
    assert seen == set(subscriptions) - {subscriptions[5]} | {again}


def test_who_does_not_subscribe_is_told_nothing(client, connect):
    subscribe(connect(), "all")
    record = spawn(client, ["echo", "x"])
    drained(client, record["id"])
    assert client.request("ping") and not client.buffer


def test_unknown_processes(client):
    assert failure(subscribe, client, 10**9).code == 1
    assert failure(subscribe, client, ["nosuch"]).code == 1
    assert client.request("subscribe", {"processes": []})["processes"] == []
    assert client.request("subscribe", {"processes": {"labels": {"no": "such"}}})["processes"] == []


def test_released_while_subscribed(client, zoo):
    """Its pipes are closed, `drained` is sent, and the subscription goes on."""
    record = spawn(client, ["sh", "-c", "%s lhdsn" % zoo("escapes")])
    wait_one(client, record["id"])
    subscription = subscribe(client, "all")
    assert names(told(client, "exited")) == ["exited"]
    kill_later = get(client, record["id"], members=True)["members"]
    client.request("release", {"processes": record["id"]})
    assert told(client, "drained")[-1][1]["process"] == record["id"]
    spawn(client, ["true"])
    assert told(client, "drained")[0][1]["subscription"] == subscription
    for member in kill_later:
        os.kill(member["pid"], signal.SIGKILL)


def test_a_batch_is_answered_before_its_events(client):
    client.subscribed = True
    answers = client.batch(
        [("subscribe", {"processes": "all"})] + [("spawn", {"argv": ["echo", str(n)]}) for n in range(5)]
        + [("ping", {})]
    )
    ids = [answer["result"]["id"] for answer in answers[1:6]]
    assert client.notifications == type(client.notifications)(), "the reply came first"
    notes = []
    for _ in ids:
        notes += told(client, "drained")
    for number, process in enumerate(ids):
        mine = [note for note in notes if note[1]["process"] == process]
        assert names(mine) == ["started", "output", "exited", "drained"] and told_bytes(mine) == b"%d\n" % number


def test_a_batch_that_waits_hears_before_its_answer(client):
    """Else it would wait for what it is not told."""
    client.subscribed = True
    client.send(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": {"processes": "all"}},
            {"jsonrpc": "2.0", "id": 2, "method": "spawn", "params": {"argv": ["cat"], "stdin": "pipe", "name": "w"}},
            {"jsonrpc": "2.0", "id": 3, "method": "wait", "params": {"processes": ["w"]}},
        ]
    )
    first = client.receive()
    assert first["method"] == "started"
    client.notify("write", {"process": "w", "data": "", "eof": True})
    while True:
        message = client.receive()
        if isinstance(message, list):
            break
        assert message["method"] in ("output", "exited", "drained"), message
    assert sorted(answer["id"] for answer in message) == [1, 2, 3]


def test_a_half_closed_connection_is_told_on(client, connect, zoo):
    record = ready(client, [zoo("handles_term")])
    listener = connect()
    subscribe(listener, record["id"])
    listener.half_close()
    kill(client, record["id"])
    assert told_bytes(told(listener, "drained"), start=6) == b"bye\n"


def test_with_headers(connect):
    client = connect("headers")
    subscribe(client, "all")
    spawn(client, ["echo", "framed"])
    assert told_bytes(told(client, "drained")) == b"framed\n"


def test_a_lease_is_kept(client, zoo):
    """A subscription of the owner's holds it, as a pending request does."""
    record = ready(client, [zoo("waits")], lifetime={"lease_ms": 200})
    subscription = subscribe(client, record["id"])
    start = time.monotonic()
    wire.wait_until(lambda: time.monotonic() - start > 0.6)
    assert client.request("list", {})["processes"][0]["state"] == "running"
    client.request("unsubscribe", {"subscription": subscription})
    # Not by a wait: a request that names it would hold it as well.
    (done,) = wire.wait_until(lambda: client.request("list", {"state": "exited"})["processes"])
    assert done["reason"] == "lease"
