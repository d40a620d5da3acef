# SPDX-License-Identifier: Apache-2.0
"""How long a process lives: detached, as long as a connection, as long as a lease is renewed, until a deadline."""

import os
import time

import procfs
import pytest
import wire
from support import drained, failure, get, gone, kill, pipe, ready, spawn, wait_one


def test_detached_outlives_its_connection(client, connect, zoo):
    spawning = connect()
    record = ready(spawning, [zoo("waits")])
    assert record["lifetime"] == "detached" and record["deadline_at"] is None
    connections = client.request("info")["counts"]["connections"]
    spawning.close()
    wire.wait_until(lambda: client.request("info")["counts"]["connections"] == connections - 1)
    assert get(client, record["id"])["state"] == "running" and procfs.alive(record["pid"])


def test_with_its_connection(client, connect, zoo):
    spawning = connect()
    record = ready(spawning, [zoo("waits")], lifetime="connection")
    assert record["lifetime"] == "connection"
    spawning.close()
    done = drained(client, record["id"])
    assert done["reason"] == "connection" and done["exit"]["signal"] == 15


def test_only_with_the_connection_that_spawned_it(client, connect, zoo):
    spawning, other = connect(), connect()
    record = ready(spawning, [zoo("waits")], lifetime="connection")
    assert get(other, record["id"])["state"] == "running"
    other.close()
    assert client.request("ping") and get(client, record["id"])["state"] == "running"


def test_the_end_of_the_connection_runs_the_whole_stop_rule(client, connect, zoo):
    spawning = connect()
    record = ready(spawning, [zoo("breeds"), "2"], lifetime="connection", stop={"signal": "TERM", "grace_ms": 100})
    pids = [member["pid"] for member in get(client, record["id"], members=True)["members"]]
    assert len(pids) == 3
    spawning.close()
    for pid in pids:
        gone(pid)
    assert drained(client, record["id"])["reason"] == "connection"


def test_a_held_process_goes_with_its_connection(client, connect, zoo):
    spawning = connect()
    record = spawn(spawning, [zoo("waits")], lifetime="connection", hold=True)
    spawning.close()
    assert wait_one(client, record["id"])["reason"] == "connection"


def test_a_half_close_ends_nothing_while_a_request_is_pending(client, connect, zoo):
    spawning = connect()
    record = ready(spawning, [zoo("waits")], lifetime="connection")
    identifier = spawning.start("wait", {"processes": record["id"]})
    spawning.half_close()
    for _ in range(20):
        assert get(client, record["id"])["state"] == "running"
    kill(client, record["id"], signal="USR1")
    done = spawning.finish(identifier)["done"][0]
    assert done["reason"] == "killed" and done["exit"]["signal"] == 10
    assert spawning.ended() == b"", "with nothing pending any more the connection ends"


def test_a_half_close_with_nothing_pending_is_the_end(client, connect, zoo):
    spawning = connect()
    record = ready(spawning, [zoo("waits")], lifetime="connection")
    spawning.half_close()
    assert drained(client, record["id"])["reason"] == "connection"
    assert spawning.ended() == b""


def test_requests_before_a_half_close_are_all_answered(connect):
    client = connect()
    record_id = client.start("spawn", {"argv": ["sh", "-c", "exit 3"], "name": "piped"})
    wait_id = client.start("wait", {"processes": "piped"})
    client.half_close()
    record = client.finish(record_id)
    assert client.finish(wait_id)["done"][0]["id"] == record["id"]
    assert client.ended() == b""


def test_a_client_that_dies_without_reading(client, connect, zoo):
    spawning = connect()
    spawning.start("spawn", {"argv": [zoo("waits")], "lifetime": "connection", "name": "unread"})
    record = wire.wait_until(lambda: client.request("list", {"name": "unread"})["processes"])[0]
    spawning.start("wait", {"processes": record["id"]})
    spawning.close()
    assert drained(client, record["id"])["reason"] == "connection"


def test_deadline(client, zoo):
    record = spawn(client, [zoo("waits")], timeout_ms=100)
    assert record["deadline_at"] - record["started_at"] in range(90, 111)
    done = drained(client, record["id"])
    assert done["reason"] == "deadline" and done["exit"]["signal"] == 15
    assert done["exited_at"] >= record["deadline_at"] - 1


def test_deadline_with_a_stubborn_tree(client, zoo):
    record = ready(client, [zoo("breeds"), "2"], timeout_ms=300, stop={"signal": "USR1", "grace_ms": 100})
    pids = [member["pid"] for member in get(client, record["id"], members=True)["members"]]
    for pid in pids:
        gone(pid)
    done = drained(client, record["id"])
    assert done["reason"] == "deadline" and done["exit"]["signal"] == 10


def test_a_deadline_that_is_not_reached(client):
    record = spawn(client, ["true"], timeout_ms=60000)
    assert drained(client, record["id"])["reason"] == "exited"


def test_deadlines_are_kept_in_order(client, zoo):
    ids = [spawn(client, [zoo("waits")], timeout_ms=ms)["id"] for ms in (900, 100, 500)]
    times = {process: wait_one(client, process)["exited_at"] for process in ids}
    assert times[ids[1]] < times[ids[2]] < times[ids[0]]


def test_lease(client, zoo):
    record = spawn(client, [zoo("waits")], lifetime={"lease_ms": 100})
    assert record["lifetime"] == {"lease_ms": 100}

    def left_alone():
        """Look without naming it: that would renew the lease."""
        listed = client.request("list", {"state": "exited"})["processes"]
        return [found for found in listed if found["id"] == record["id"]]

    done = wire.wait_until(left_alone)[0]
    assert done["reason"] == "lease" and done["exit"]["signal"] == 15


def test_a_lease_is_renewed_by_requests_that_name_it(client, zoo):
    record = spawn(client, [zoo("waits")], lifetime={"lease_ms": 1000})
    end = time.monotonic() + 3
    wire.wait_until(lambda: get(client, record["id"])["state"] != "running" or time.monotonic() > end)
    assert get(client, record["id"])["state"] == "running", "three leases long, asked for all the time"


def test_a_lease_is_held_while_a_request_on_it_is_open(client, zoo):
    record = spawn(client, [zoo("waits")], lifetime={"lease_ms": 200})
    answer = client.request("wait", {"processes": record["id"], "timeout_ms": 1200})
    assert answer["timed_out"] is True and answer["pending"] == [record["id"]]
    assert procfs.alive(record["pid"])


def test_a_lease_does_not_mind_the_connection(client, connect, zoo):
    spawning = connect()
    record = ready(spawning, [zoo("waits")], lifetime={"lease_ms": 60000})
    spawning.close()
    assert get(client, record["id"])["state"] == "running"


def test_update_of_lifetime_and_deadline(client, connect, zoo):
    record = ready(client, [zoo("waits")], timeout_ms=60000)
    assert client.request("update", {"process": record["id"], "timeout_ms": "none"})["deadline_at"] is None
    soon = client.request(
        "update", {"process": record["id"], "timeout_ms": 50, "stop": {"signal": "HUP", "grace_ms": 1000}}
    )
    assert soon["deadline_at"] is not None
    done = drained(client, record["id"])
    assert done["reason"] == "deadline" and done["exit"]["signal"] == 1

    record = ready(client, [zoo("waits")])
    adopting = connect()
    changed = adopting.request("update", {"process": record["id"], "lifetime": "connection"})
    assert changed["lifetime"] == "connection"
    adopting.close()
    assert drained(client, record["id"])["reason"] == "connection", "it goes with the connection that asked for it"


def test_update_to_detached(client, connect, zoo):
    spawning = connect()
    record = ready(spawning, [zoo("waits")], lifetime="connection")
    assert client.request("update", {"process": record["id"], "lifetime": "detached"})["lifetime"] == "detached"
    connections = client.request("info")["counts"]["connections"]
    spawning.close()
    wire.wait_until(lambda: client.request("info")["counts"]["connections"] == connections - 1)
    assert get(client, record["id"])["state"] == "running"


def test_update_to_a_lease(client, zoo):
    record = ready(client, [zoo("waits")])
    assert client.request("update", {"process": record["id"], "lifetime": {"lease_ms": 50}})["lifetime"] == {
        "lease_ms": 50
    }
    gone(record["pid"])
    assert drained(client, record["id"])["reason"] == "lease"


def test_update_of_an_exited_one(client):
    record = spawn(client, ["true"])
    wait_one(client, record["id"])
    error = failure(client.request, "update", {"process": record["id"], "timeout_ms": 10})
    assert error.code in (2, 6), error


@pytest.mark.parametrize("way", ["connection", "deadline"])
def test_a_stopped_process_ends_by_the_rule_too(client, connect, zoo, way):
    spawning = connect()
    params = {"lifetime": "connection"} if way == "connection" else {"timeout_ms": 400}
    record = ready(spawning, [zoo("waits")], **params)
    kill(client, record["id"], signal="STOP")
    spawning.close()
    done = drained(client, record["id"])
    assert done["reason"] == way and done["exit"]["signal"] == 15


def test_a_program_dies_of_sigpipe_as_it_would_without_us(client):
    with pipe() as (read_end, write_end):
        record = spawn(client, ["sh", "-c", "exec yes"], [write_end], stdout={"fd": 0})
        os.close(write_end)
        os.read(read_end, 10)
        os.close(read_end)
        done = drained(client, record["id"])
        assert done["exit"]["signal_name"] == "SIGPIPE" and done["reason"] == "signalled"
