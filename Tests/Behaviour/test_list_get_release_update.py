# SPDX-License-Identifier: Apache-2.0
"""Looking at processes and letting go of them: the record in each state, filters, members, info, release, update."""

import os
import signal

import jsonschema
import procfs
import pytest
import shapes
import wire
from support import drained, failure, get, kill, read_until, ready, spawn, wait_one


def valid(value, schema=shapes.RECORD):
    jsonschema.validate(value, schema)
    return value


def test_the_record_in_each_state(client, zoo):
    held = valid(spawn(client, [zoo("handles_term"), "1"], hold=True))
    valid(client.request("exec-replace", {"process": held["id"]}))
    read_until(client, held["id"], b"ready\n")
    valid(get(client, held["id"]))
    kill(client, held["id"], signal="STOP")
    stopped = wire.wait_until(lambda: (lambda r: r if r["state"] == "stopped" else None)(get(client, held["id"])))
    valid(stopped)
    kill(client, held["id"], signal="CONT")
    kill(client, held["id"])
    exited = valid(wait_one(client, held["id"], until="drained"))
    assert exited["state"] == "exited" and exited["usage"] is not None and exited["exit"] == {"code": 1}


def test_the_record_of_each_choice(client, zoo, room):
    for params in (
        {"stdout": "null", "stderr": "null"},
        {"stderr": "stdout"},
        {"stdin": {"file": "/dev/null"}, "stdout": {"file": str(room / "o")}},
        {"lifetime": {"lease_ms": 60000}, "timeout_ms": 60000, "name": "n", "labels": {"a": "b"}},
        {"lifetime": "connection", "session": "group"},
    ):
        record = valid(spawn(client, ["true"], **params))
        valid(drained(client, record["id"]))


def test_unknown_members_of_a_live_record_are_null(client, zoo):
    record = ready(client, [zoo("waits")])
    for name in ("exited_at", "drained_at", "exit", "reason", "deadline_at", "name"):
        assert record[name] is None, name
    assert record["labels"] == {} and record["generation"] == 1 and record["session"] == record["pid"]
    assert record["instance"] == client.request("ping")["instance"]


def test_ids_are_never_reused(client):
    first = spawn(client, ["true"])["id"]
    wait_one(client, first)
    client.request("release", {"processes": first})
    assert spawn(client, ["true"])["id"] > first
    error = failure(get, client, first)
    assert error.code == 1 and error.data["process"] == first


def listed(client, **params):
    records = client.request("list", params)["processes"]
    for record in records:
        valid(record)
    return [record["id"] for record in records]


def test_list_and_its_filters(client, zoo):
    running = ready(client, [zoo("waits")], name="one", labels={"a": "1", "b": "2"})["id"]
    held = spawn(client, [zoo("waits")], hold=True, labels={"a": "1"})["id"]
    stopped = spawn(client, [zoo("stops_itself")], labels={"a": "2"})["id"]
    exited = spawn(client, ["true"])["id"]
    wait_one(client, exited)
    wire.wait_until(lambda: get(client, stopped)["state"] == "stopped")
    assert listed(client) == sorted([running, held, stopped, exited])
    assert listed(client, state="running") == [running] and listed(client, state="held") == [held]
    assert listed(client, state="stopped") == [stopped] and listed(client, state="exited") == [exited]
    assert listed(client, state=["held", "exited"]) == [held, exited] and listed(client, state=[]) in (
        [],
        listed(client),
    )
    assert listed(client, name="one") == [running] and listed(client, name="two") == []
    assert listed(client, labels={"a": "1"}) == [running, held]
    assert listed(client, labels={"a": "1", "b": "2"}) == [running]
    assert listed(client, labels={"a": "1"}, state="held") == [held]
    assert listed(client, processes=[exited, running]) in ([running, exited], [exited, running])
    assert listed(client, processes="one") == [running] and listed(client, processes="all") == listed(client)
    assert listed(client, processes=[running], state="exited") == []
    assert failure(client.request, "list", {"processes": [10**9]}).code == 1


def test_counts(client, zoo):
    before = client.request("info")["counts"]
    ready(client, [zoo("waits")])
    spawn(client, [zoo("waits")], hold=True)
    wait_one(client, spawn(client, ["true"])["id"])
    after = client.request("info")["counts"]
    assert {name: after[name] - before[name] for name in after} == {
        "processes": 3,
        "held": 1,
        "running": 1,
        "stopped": 0,
        "exited": 1,
        "connections": 0,
    }


def test_info(server, client):
    info = valid(client.request("info"), shapes.INFO)
    assert info["pid"] == server.pid and info["uid"] == os.getuid() and info["socket"] == server.socket
    assert info["instance"] == client.request("ping")["instance"] and info["kernel"]["release"] == os.uname().release
    assert info["kernel"]["machine"] == os.uname().machine
    for value in (16 << 20, 512, 1000, 1024, 253, 16384):
        assert value in info["limits"].values(), "a limit that the README names: %d" % value


def test_members_and_holders(client, zoo):
    record = spawn(client, [zoo("escapes"), "dsh"])
    escaped = int(read_until(client, record["id"], b"\n"))
    seen = valid(get(client, record["id"], members=True, holders=True), shapes.DETAILED)
    by_pid = {member["pid"]: member for member in seen["members"]}
    assert set(by_pid) == {record["pid"], escaped}
    assert by_pid[record["pid"]]["ppid"] == procfs.stat(record["pid"])["ppid"]
    assert wire.bytes_of(by_pid[escaped]["command"])
    assert sorted(seen["holders"]["stdout"]) == sorted([record["pid"], escaped])
    assert "members" not in get(client, record["id"]) and "members" not in get(client, record["id"], members=False)


def test_release(client, zoo):
    exited = spawn(client, ["true"], labels={"r": "1"})["id"]
    living = ready(client, [zoo("waits")], labels={"r": "1"}, name="living")["id"]
    drained(client, exited)
    for name in (living, "living", [exited, living]):
        error = failure(client.request, "release", {"processes": name})
        assert error.code == 6 and error.data["kind"] == "wrong_state", error
    assert get(client, exited)["id"] == exited, "a request that fails releases nothing"
    assert client.request("release", {"processes": {"labels": {"r": "1"}}}) == {"released": [exited]}
    assert client.request("release", {"processes": "all"}) == {"released": []}
    assert get(client, living)["state"] == "running"
    error = failure(client.request, "release", {"processes": exited})
    assert error.code == 1 and error.data["kind"] == "no_such_process" and error.data.get("reason") == "forgotten"


@pytest.mark.parametrize(
    "method, params", [("get", {}), ("read", {}), ("update", {"labels": {}}), ("exec-replace", {"argv": ["true"]})]
)
def test_an_unknown_process(client, method, params):
    for process in (10**9, "nosuch"):
        error = failure(client.request, method, dict(params, process=process))
        assert error.code == 1 and error.data["kind"] == "no_such_process" and error.data["process"] == process, error


def test_a_held_process_is_not_released(client, zoo):
    record = spawn(client, [zoo("waits")], hold=True)
    assert failure(client.request, "release", {"processes": record["id"]}).code == 6


def test_release_of_an_undrained_one_closes_its_pipes(client, zoo):
    record = spawn(client, [zoo("escapes"), "lh"])
    wait_one(client, record["id"])
    escaped = int(read_until(client, record["id"], b"\n"))
    assert client.request("release", {"processes": record["id"]})["released"] == [record["id"]]
    assert failure(get, client, record["id"]).code == 1
    assert procfs.alive(escaped), "release forgets, it does not kill"
    os.kill(escaped, signal.SIGKILL)


def test_update(client, zoo):
    record = ready(client, [zoo("waits")], name="before", labels={"a": "1", "b": "2"})
    changed = valid(client.request("update", {"process": record["id"], "name": "after", "labels": {"c": "3"}}))
    assert changed["name"] == "after" and changed["labels"] == {"c": "3"}
    assert get(client, "after")["id"] == record["id"] and failure(get, client, "before").code == 1
    assert client.request("update", {"process": record["id"]})["labels"] == {"c": "3"}, "nothing asked, nothing changed"
    assert client.request("update", {"process": record["id"], "labels": {}})["labels"] == {}
    assert listed(client, labels={"a": "1"}) == []


def test_update_of_the_stop_rule(client, zoo):
    record = ready(client, [zoo("waits")])
    client.request("update", {"process": record["id"], "stop": {"signal": "QUIT"}})
    kill(client, record["id"])
    assert wait_one(client, record["id"])["exit"]["signal"] == signal.SIGQUIT


def test_exited_records_are_bounded(fresh):
    """1,000, the oldest first, those some waiter has seen before those nobody has; a known id says it was forgotten."""
    server = fresh()
    with server.connect() as client:
        ids = []
        for _ in range(13):
            answers = client.batch([("spawn", {"argv": ["true"], "stdout": "null", "stderr": "null"})] * 100)
            ids += [answer["result"]["id"] for answer in answers]
            wire.wait_until(lambda: client.request("info")["counts"]["running"] == 0)
        wire.wait_until(lambda: client.request("info")["counts"]["exited"] <= 1000)
        kept = [record["id"] for record in client.request("list", {})["processes"]]
        assert len(kept) == 1000 and kept == ids[-1000:]
        error = failure(get, client, ids[0])
        assert error.code == 1 and error.data["reason"] == "forgotten"
        assert "reason" not in failure(get, client, 10**9).data
