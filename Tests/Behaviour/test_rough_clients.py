# SPDX-License-Identifier: Apache-2.0
"""Clients that leave at bad moments, ask for too much, or do not read: the server and everybody else go on."""

import json
import os
import signal

import procfs
import pytest
import wire
from support import failure, get, kill, ready, spawn, wait_one

WITHOUT_END = 10**9


class Paused:
    """While it lasts the server does nothing: what is sent and closed meanwhile reaches it as one piece."""

    def __init__(self, server):
        self.pid = server.process.pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        wire.wait_until(lambda: procfs.stat(self.pid)["state"] == "T", what="the server to be stopped")

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def call(identifier, method, **params):
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if identifier is not None:
        message["id"] = identifier
    return json.dumps(message).encode() + b"\n"


def send_while_paused(server, *messages):
    client = server.connect()
    client.request("ping")
    with Paused(server):
        client.send_raw(b"".join(messages))
        client.close()


def alive(server):
    with server.connect() as client:
        assert client.request("ping")["instance"]


@pytest.mark.parametrize("identifier", [1, None])
def test_leaving_with_requests_behind_a_spawn(server, identifier):
    mark = {"about": "leaving behind a spawn %s" % identifier}
    for turn in range(1, 11):
        spawn_call = call(identifier, "spawn", argv=["true"], labels=mark)
        send_while_paused(server, spawn_call, call(2, "wait", processes="all"))
        alive(server)
        with server.connect() as client:
            exited = {"labels": mark, "state": "exited"}
            wire.wait_until(lambda: len(client.request("list", exited)["processes"]) == turn, what="it to have run")


def test_leaving_with_a_request_behind_a_failing_takeover(server):
    for _ in range(5):
        send_while_paused(
            server, call(1, "exec-replace", connection=True, argv=["nosuch"]), call(2, "ping"), call(3, "ping")
        )
        for _ in range(3):
            alive(server)


def test_what_was_sent_behind_a_takeover_is_the_programs(server, tmp_path):
    target = tmp_path / "said"
    program = "cat > %s.part; mv %s.part %s" % ((target,) * 3)
    with Paused(server), server.connect() as client:
        client.send_raw(call(1, "exec-replace", connection=True, argv=["sh", "-c", program]) + b"hello\n")
    wire.wait_until(target.exists, what="the program to have read")
    assert target.read_text() == "hello\n"


def test_a_connection_lifetime_that_ends_during_the_start(server, client):
    mark = {"about": "a connection that ends early"}
    for _ in range(5):
        send_while_paused(server, call(1, "spawn", argv=["sleep", "300"], lifetime="connection", labels=mark))

    def reasons():
        return [record["reason"] for record in client.request("list", {"labels": mark})["processes"]]

    wire.wait_until(lambda: reasons() == ["connection"] * 5, what="the processes to go with their connections")


def test_a_wait_without_id_ends_with_its_connection(server, client, zoo):
    record = ready(client, [zoo("waits")], lifetime={"lease_ms": 300})
    other = server.connect()
    other.notify("wait", {"processes": record["id"]})
    other.request("ping")
    other.close()
    assert wait_unnamed(client, record["id"])["reason"] == "lease"


def wait_unnamed(client, process):
    """Its record when it has exited, without a request that names it."""

    def exited():
        found = client.request("list", {"state": "exited"})["processes"]
        return [record for record in found if record["id"] == process]

    wire.wait_until(exited, what="process %d to exit" % process)
    return exited()[0]


def test_looking_at_all_renews_no_lease(client, zoo):
    record = ready(client, [zoo("waits")], lifetime={"lease_ms": 300})
    assert wait_unnamed(client, record["id"])["reason"] == "lease"


def test_a_peer_that_leaves_a_full_queue_unread(server, client):
    before = client.request("info")["counts"]["connections"]
    send_while_paused(server, *[call(number, "rpc.discover") for number in range(300)])
    wire.wait_until(
        lambda: client.request("info")["counts"]["connections"] == before, what="the connection to be gone"
    )


def test_a_long_batch_lets_others_pass(server, client):
    """A ping of somebody else is answered before a batch that was sent earlier."""
    spawned = [spawn(client, ["true"])["id"] for _ in range(30)]
    with server.connect() as slow:
        with Paused(server):
            slow.send([{"jsonrpc": "2.0", "id": n, "method": "list", "params": {}} for n in range(1000)])
            client.send_raw(call(WITHOUT_END, "ping"))
        assert client.receive()["id"] == WITHOUT_END
        assert not slow.readable()
        assert slow.receive(60)
    assert spawned


def test_the_answers_of_a_batch_are_bounded(server, client):
    record = spawn(client, ["head", "-c", "1000000", "/dev/zero"])
    wait_one(client, record["id"], until="drained")
    with server.connect() as greedy:
        requests = [("read", {"process": record["id"], "limit": 1 << 20})] * 50
        replies = greedy.batch(requests, timeout=60)
        refused = [reply["error"] for reply in replies if "error" in reply]
        assert refused and len(refused) < 50
        assert all(error["code"] == 8 and error["data"]["limit"] == "send_queue_bytes" for error in refused)
        assert greedy.request("ping")


def test_a_huge_path_is_refused_not_tried(client):
    error = failure(spawn, client, ["x" * 1_000_000], env={"PATH": "a:" * 5_000})
    assert error.code == 3 and error.data["errno_name"] == "ENAMETOOLONG", error
    error = failure(spawn, client, ["x"], env={"PATH": "a:" * 100_000})
    assert error.code == 3 and error.data["errno_name"] == "E2BIG", error


def test_unsetting_many_variables_is_quick_enough_to_finish(client, zoo):
    many = {"V%d" % number: "x" for number in range(20_000)}
    record = spawn(client, [zoo("exits"), "0"], hold=True, env=many)
    client.request(
        "exec-replace", {"process": record["id"], "env": {name: None for name in list(many)[:15_000]}}
    )
    assert wait_one(client, record["id"])["exit"] == {"code": 0}


def test_a_takeover_behind_an_unread_queue(server):
    with server.connect() as client:
        client.request("ping")
        for number in range(60):
            client.send_raw(call(number, "rpc.discover"))
        client.send_raw(call(1000, "exec-replace", connection=True, argv=["nosuch"]))
        answers = [client.receive() for _ in range(61)]
        assert answers[-1]["id"] == 1000
        assert answers[-1]["error"]["code"] in (4, 6), answers[-1]
        assert client.request("ping")


def test_cancelling_what_waits_behind_a_start(client, zoo):
    """The cancel does not wait for the start."""
    held = spawn(client, [zoo("waits")], hold=True)
    kill(client, held["id"], signal="STOP", scope="process")
    wire.wait_until(lambda: procfs.stat(held["pid"])["state"] == "T", what="the stop")
    first = client.start("exec-replace", {"process": held["id"]})
    second = client.start("ping")
    client.notify("$/cancelRequest", {"id": second})
    assert failure(client.finish, second).code == -32800
    os.kill(held["pid"], signal.SIGCONT)
    assert client.finish(first)["state"] == "running"


def test_a_held_process_killed_on_its_way_never_ran(client, zoo):
    held = spawn(client, [zoo("waits")], hold=True)
    kill(client, held["id"], signal="STOP", scope="process")
    wire.wait_until(lambda: procfs.stat(held["pid"])["state"] == "T", what="the stop")
    order = client.start("exec-replace", {"process": held["id"]})
    os.kill(held["pid"], signal.SIGKILL)
    error = failure(client.finish, order)
    assert error.code == 4 and error.data["errno_name"] == "EINTR", error
    assert get(client, held["id"])["started_at"] is None


def test_a_held_process_with_a_high_descriptor(client, zoo):
    reading, writing = os.pipe()
    record = spawn(client, [zoo("exits"), "0"], [reading], hold=True, fds={"500": 0})
    os.close(reading)
    os.close(writing)
    assert record["state"] == "held"
    client.request("exec-replace", {"process": record["id"]})
    assert wait_one(client, record["id"])["exit"] == {"code": 0}


@pytest.mark.parametrize("text", ["0123456789", "012345678901", "0123"])
def test_a_ring_that_is_just_full_drains(client, text):
    record = spawn(client, ["printf", text], output={"limit": 10, "when_full": "block"})
    done = wait_one(client, record["id"], until="drained")
    assert done["streams"]["stdout"]["end"] == len(text) and done["drained_at"] is not None


def test_a_deadline_taken_from_a_held_process_stays_away(client, zoo):
    record = spawn(client, [zoo("exits"), "0"], hold=True, timeout_ms=60_000)
    client.request("update", {"process": record["id"], "timeout_ms": "none"})
    assert client.request("exec-replace", {"process": record["id"]})["deadline_at"] is None
    wait_one(client, record["id"])


def test_exits_that_nobody_saw_are_remembered_longest(fresh):
    server = fresh()
    with server.connect() as client:
        unseen = [spawn(client, ["true"])["id"] for _ in range(90)]
        wire.wait_until(lambda: client.request("info")["counts"]["running"] == 0, what="them to exit")
        for _ in range(1010 // 101):
            batch = client.batch([("spawn", {"argv": ["true"]})] * 101)
            client.request("wait", {"processes": [reply["result"]["id"] for reply in batch]})
        for identifier in unseen:
            assert get(client, identifier)["state"] == "exited"
