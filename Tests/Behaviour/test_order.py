# SPDX-License-Identifier: Apache-2.0
"""Requests of one connection start in the order they came, the next one when a preceding spawn is decided."""

import json

import pytest
import wire
from support import get, install, kill, leased, ready, spawn


def line(client, identifier, method, **params):
    body = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
    return client.frame(json.dumps(body).encode())


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_a_wait_pipelined_behind_its_spawn(connect, framing):
    client = connect(framing)
    client.send_raw(
        line(client, 1, "spawn", argv=["sh", "-c", "echo hi; exit 3"], name="piped")
        + line(client, 2, "wait", processes=["piped"], until="drained")
        + line(client, 3, "get", process="piped")
    )
    record = client.finish(1)
    assert client.finish(2)["done"][0]["exit"] == {"code": 3}
    assert client.finish(3)["id"] == record["id"]
    answer = client.request("read", {"process": record["id"]})
    assert (answer["offset"], answer["text"]) == (0, "hi\n")


def test_the_first_process_of_a_server_is_1(fresh):
    """The two lines of the issue's example, as socat would send them, and the end of input behind."""
    with fresh().connect() as client:
        first = spawn(client, ["true"])["id"]
        client.send_raw(
            line(client, 1, "spawn", argv=["sh", "-c", "echo hi; exit 3"])
            + line(client, 2, "wait", processes=[first + 1])
        )
        client.half_close()
        assert client.finish(1)["id"] == first + 1
        assert client.finish(2)["done"][0]["exit"] == {"code": 3}
        assert client.ended() == b""


def test_by_position(client):
    client.send({"jsonrpc": "2.0", "id": 1, "method": "spawn", "params": [["sh", "-c", "echo hi; exit 3"]]})
    process = client.finish(1)["id"]
    client.send({"jsonrpc": "2.0", "id": 2, "method": "wait", "params": [[process]]})
    assert client.finish(2)["done"][0]["exit"] == {"code": 3}


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_in_one_batch(connect, framing):
    client = connect(framing)
    answers = client.batch(
        [
            ("spawn", {"argv": ["sh", "-c", "exit 3"], "name": "batched"}),
            ("wait", {"processes": "batched"}),
            ("get", {"process": "batched"}),
        ]
    )
    assert answers[1]["result"]["done"][0]["exit"] == {"code": 3}
    assert answers[2]["result"]["id"] == answers[0]["result"]["id"]


def test_the_record_is_answered_before_the_exit_is(client, zoo):
    """For a program that is gone at once: first its spawn, then what waits for it."""
    for number in range(50):
        client.send_raw(
            line(client, "s", "spawn", argv=[zoo("exits"), "1"], name="quick%d" % number)
            + line(client, "w", "wait", processes="quick%d" % number)
        )
        assert client.receive()["id"] == "s"
        assert client.receive()["id"] == "w"


def test_behind_a_spawn_that_fails(client):
    client.send_raw(
        line(client, 1, "spawn", argv=["nosuch"], name="never")
        + line(client, 2, "get", process="never")
        + line(client, 3, "ping")
    )
    answers = [client.receive() for _ in range(3)]
    by_id = {answer["id"]: answer for answer in answers}
    assert by_id[1]["error"]["code"] == 3 and by_id[2]["error"]["code"] == 1 and by_id[3]["result"]


def test_a_long_request_does_not_hold_up_the_next(client, zoo):
    record = ready(client, [zoo("waits")])
    client.send_raw(line(client, "w", "wait", processes=record["id"]) + line(client, "p", "ping"))
    assert client.receive()["id"] == "p"
    kill(client, record["id"], signal="KILL")
    assert client.finish("w")["done"]


def test_a_spawn_that_takes_long_holds_up_its_own_connection_only(fresh, zoo, room):
    server = fresh()
    name = install(zoo("exits"), room, "leased")
    with server.connect() as client, server.connect() as other:
        with leased(name):
            client.send_raw(
                line(client, 1, "spawn", argv=[name, "5"], name="slow") + line(client, 2, "get", process="slow")
            )
            for _ in range(20):
                assert other.request("ping")
            assert not client.replies
        assert client.finish(1)["name"] == "slow" and client.finish(2)["name"] == "slow"
        assert other.request("wait", {"processes": "slow"})["done"][0]["exit"] == {"code": 5}


def test_spawns_one_behind_the_other(client):
    client.send_raw(b"".join(line(client, "s%d" % n, "spawn", argv=["true"], labels={"n": str(n)}) for n in range(100)))
    ids = [client.finish("s%d" % n)["id"] for n in range(100)]
    assert ids == sorted(ids), "started in the order they came"


def test_kill_pipelined_behind_spawn(client, zoo):
    client.send_raw(
        line(client, 1, "spawn", argv=[zoo("waits")], name="brief")
        + line(client, 2, "kill", processes="brief", signal="KILL", wait=True)
        + line(client, 3, "wait", processes="brief")
    )
    record = client.finish(1)
    assert client.finish(2)["processes"][0]["signalled"] == [record["pid"]]
    assert client.finish(3)["done"][0]["exit"]["signal"] == 9
    assert get(client, "brief")["reason"] == "killed"


def test_release_pipelined_behind_wait_is_not_held_back(client):
    """They start in order; a wait that is still open does not keep the next one from starting."""
    record = spawn(client, ["true"])
    wire.wait_until(lambda: get(client, record["id"])["state"] == "exited")
    client.send_raw(
        line(client, 1, "wait", processes=record["id"]) + line(client, 2, "release", processes=record["id"])
    )
    assert client.finish(1)["done"][0]["id"] == record["id"]
    assert client.finish(2) == {"released": [record["id"]]}
