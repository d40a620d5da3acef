# SPDX-License-Identifier: Apache-2.0
"""Waiting: all, any, the first failure; for the exit or for the last byte; many at once, late, bounded, cancelled."""

import pytest
import wire
from support import failure, get, kill, output_of, ready, spawn, wait, wait_one


def ask(client, processes, **params):
    answer = client.request("wait", dict(params, processes=processes))
    assert set(answer) == {"done", "pending", "timed_out"} and type(answer["timed_out"]) is bool
    return [record["id"] for record in answer["done"]], answer["pending"], answer["timed_out"]


@pytest.fixture
def three(client, zoo):
    """Three processes that wait for a signal."""
    return [ready(client, [zoo("handles_term"), str(code)])["id"] for code in (0, 1, 2)]


def test_the_whole_record_comes(client):
    record = spawn(client, ["sh", "-c", "exit 3"], name="whole", labels={"a": "b"})
    done = wait_one(client, record["id"], until="drained")
    assert done["exit"] == {"code": 3} and done["name"] == "whole" and done["labels"] == {"a": "b"}
    assert done == get(client, record["id"])


def test_forms_of_processes(client):
    spawn(client, ["true"], name="named", labels={"x": "1"})
    first = get(client, "named")["id"]
    for form in (first, "named", [first], ["named"], {"labels": {"x": "1"}}, "all"):
        assert ask(client, form) == ([first], [], False)


def test_naming_one_twice(client):
    record = spawn(client, ["true"], name="twice")
    done, pending, _ = ask(client, [record["id"], record["id"], "twice"])
    assert done == [record["id"]] and pending == []


def test_all(client, three):
    identifier = client.start("wait", {"processes": three})
    for process in three:
        kill(client, process)
    answer = client.finish(identifier)
    assert sorted(record["id"] for record in answer["done"]) == three and answer["pending"] == []


def test_any(client, three):
    identifier = client.start("wait", {"processes": three, "mode": "any"})
    kill(client, three[1])
    answer = client.finish(identifier)
    assert [record["id"] for record in answer["done"]] == [three[1]]
    assert answer["pending"] == [three[0], three[2]] and answer["timed_out"] is False


def test_any_of_exited_ones_answers_at_once(client, three):
    kill(client, three[0])
    wait_one(client, three[0])
    assert ask(client, three, mode="any") == ([three[0]], three[1:], False)


def test_first_failure_passes_over_success(client, three):
    identifier = client.start("wait", {"processes": three, "mode": "first-failure"})
    kill(client, three[0])
    wait_one(client, three[0])
    assert client.request("ping") and identifier not in client.replies
    kill(client, three[2])
    answer = client.finish(identifier)
    assert sorted(record["id"] for record in answer["done"]) == [three[0], three[2]]
    assert answer["pending"] == [three[1]]


def test_first_failure_by_signal(client, three):
    identifier = client.start("wait", {"processes": three, "mode": "first-failure"})
    kill(client, three[0], signal="KILL")
    assert [record["id"] for record in client.finish(identifier)["done"]] == [three[0]]


def test_first_failure_without_any(client):
    ids = [spawn(client, ["true"])["id"] for _ in range(3)]
    done, pending, _ = ask(client, ids, mode="first-failure")
    assert sorted(done) == ids and pending == []


@pytest.mark.parametrize("mode", ["all", "any", "first-failure"])
@pytest.mark.parametrize("empty", [[], {"labels": {"nobody": "has"}}, "all"])
def test_an_empty_set_answers_at_once(client, mode, empty):
    assert client.request("wait", {"processes": empty, "mode": mode}) == {"done": [], "pending": [], "timed_out": False}


def test_an_unknown_one_fails_the_request(client):
    record = spawn(client, ["true"])
    for processes, name in (([record["id"], 10**9], 10**9), ("nosuch", "nosuch"), ([record["id"], "nosuch"], "nosuch")):
        error = failure(client.request, "wait", {"processes": processes})
        assert error.code == 1 and error.data["kind"] == "no_such_process" and error.data["process"] == name, error


def test_time_out(client, three):
    assert ask(client, three, timeout_ms=50) == ([], three, True)
    assert ask(client, three, timeout_ms=0) == ([], three, True)
    kill(client, three[0])
    wait_one(client, three[0])
    assert ask(client, three, timeout_ms=50) == ([three[0]], three[1:], True)
    assert all(get(client, process)["state"] == "running" for process in three[1:])


def test_a_time_out_on_what_is_done_is_none(client):
    record = spawn(client, ["true"])
    wait_one(client, record["id"])
    assert ask(client, record["id"], timeout_ms=0) == ([record["id"]], [], False)


def test_after_the_fact_any_number_of_times(client, connect):
    record = spawn(client, ["sh", "-c", "exit 9"])
    for _ in range(5):
        assert wait_one(client, record["id"])["exit"] == {"code": 9}
    assert wait_one(connect(), record["id"])["exit"] == {"code": 9}


def test_drained_comes_after_the_last_holder(client, zoo):
    record = spawn(client, [zoo("escapes"), "lh"])
    done = wait_one(client, record["id"])
    assert done["state"] == "exited" and done["drained_at"] is None
    assert done["streams"]["stdout"]["open"] is True
    assert ask(client, record["id"], until="drained", timeout_ms=50) == ([], [record["id"]], True)
    identifier = client.start("wait", {"processes": record["id"], "until": "drained"})
    kill(client, record["id"], signal="KILL")
    done = client.finish(identifier)["done"][0]
    assert done["drained_at"] is not None and done["streams"]["stdout"]["open"] is False
    assert done["exit"] == {"code": 0}


def test_a_thousand_waiters(client, connect, three):
    """On several connections, each below the bound of requests pending; all answered by one exit."""
    clients = [connect() for _ in range(4)]
    identifiers = [(each, each.start("wait", {"processes": three[1]})) for each in clients for _ in range(250)]
    for each in clients:
        each.request("ping")
    kill(client, three[1])
    for each, identifier in identifiers:
        assert each.finish(identifier)["done"][0]["exit"] == {"code": 1}


def test_one_waiter_for_many(client, zoo):
    ids = [answer["result"]["id"] for answer in client.batch([("spawn", {"argv": [zoo("exits"), "1"]})] * 300)]
    assert sorted(ask(client, ids)[0]) == ids


def test_cancelled(client, three):
    client.start("wait", {"processes": three}, identifier="w")
    client.notify("$/cancelRequest", {"id": "w"})
    assert failure(client.finish, "w").code == -32800
    assert all(get(client, process)["state"] == "running" for process in three)


def test_a_waiter_that_leaves_disturbs_nobody(client, connect, three):
    leaving = connect()
    leaving.start("wait", {"processes": three})
    leaving.request("ping")
    leaving.close()
    kill(client, three[1])
    assert wait_one(client, three[1])["exit"] == {"code": 1}


def test_the_set_is_resolved_at_receipt(client, zoo):
    first = ready(client, [zoo("waits")], labels={"set": "1"})["id"]
    identifier = client.start("wait", {"processes": {"labels": {"set": "1"}}})
    client.request("ping")
    second = ready(client, [zoo("waits")], labels={"set": "1"})["id"]
    kill(client, first, signal="KILL")
    assert [record["id"] for record in client.finish(identifier)["done"]] == [first]
    assert get(client, second)["state"] == "running"


def test_a_stopped_process_is_not_done(client, zoo):
    record = spawn(client, [zoo("stops_itself")])
    wire.wait_until(lambda: get(client, record["id"])["state"] == "stopped")
    assert ask(client, record["id"], timeout_ms=50) == ([], [record["id"]], True)
    kill(client, record["id"], signal="CONT")
    assert wait(client, record["id"])[0]["exit"] == {"code": 6}


def test_a_waiter_of_one_that_is_released(client, zoo):
    """release of an exited, undrained process closes its pipes and answers its waiters."""
    record = spawn(client, [zoo("escapes"), "lh"])
    wait_one(client, record["id"])
    identifier = client.start("wait", {"processes": record["id"], "until": "drained"})
    client.request("ping")
    pid = int(output_pid(client, record["id"]))
    assert client.request("release", {"processes": record["id"]}) == {"released": [record["id"]]}
    assert client.finish(identifier)["done"][0]["id"] == record["id"]
    output_of(client, ["kill", "-9", str(pid)])


def output_pid(client, process):
    return wire.chunk_of(client.request("read", {"process": process, "timeout_ms": 5000}))
