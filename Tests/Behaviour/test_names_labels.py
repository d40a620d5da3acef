# SPDX-License-Identifier: Apache-2.0
"""Names and labels: what they may be, that a name has one living bearer, that a label selects."""

import pytest
from support import drained, failure, get, kill, ready, spawn, wait_one


@pytest.mark.parametrize("name", ["a", "_", "A.b-c_9", "x" * 64, "All", "alls", "null", "web.1"])
def test_names_that_are_allowed(client, name):
    record = spawn(client, ["true"], name=name)
    assert record["name"] == name and get(client, name)["id"] == record["id"]
    assert wait_one(client, name)["name"] == name


@pytest.mark.parametrize("name", ["", "all", "1", "-a", ".a", "a b", "a/b", "\u00e9", "x" * 65, "a\u0000", "a\n"])
def test_names_that_are_not(client, name):
    error = failure(spawn, client, ["true"], name=name)
    assert error.code == -32602 and error.data["path"] == "name"
    record = spawn(client, ["true"])
    error = failure(client.request, "update", {"process": record["id"], "name": name})
    assert error.code == -32602 and error.data["path"] == "name"


@pytest.mark.parametrize("hold", [False, True])
def test_a_name_is_taken_while_its_bearer_lives(client, zoo, hold):
    record = spawn(client, [zoo("waits")], name="mine", hold=hold)
    for _ in range(3):
        error = failure(spawn, client, ["true"], name="mine")
        assert error.code == 7 and error.data["kind"] == "name_taken" and error.data["process"] == record["id"], error
    assert len(client.request("list", {})["processes"]) == 1, "nothing was started"


def test_a_lost_reply_can_be_recognised(client, connect, zoo):
    lost = connect()
    lost.start("spawn", {"argv": [zoo("waits")], "name": "once"})
    lost.request("ping")
    lost.close()
    error = failure(spawn, client, [zoo("waits")], name="once")
    assert get(client, error.data["process"])["argv"] == [zoo("waits")]


def test_a_new_process_may_take_an_exited_ones_name(client, zoo):
    first = spawn(client, ["true"], name="again")["id"]
    drained(client, first)
    second = ready(client, [zoo("waits")], name="again")["id"]
    assert get(client, "again")["id"] == second, "the name means the living one"
    assert get(client, first)["exit"] == {"code": 0}, "the old one is still there by its id"


def test_update_into_a_taken_name(client, zoo):
    first = ready(client, [zoo("waits")], name="first")["id"]
    second = ready(client, [zoo("waits")], name="second")["id"]
    error = failure(client.request, "update", {"process": second, "name": "first"})
    assert error.code == 7 and error.data["process"] == first
    assert (
        client.request("update", {"process": second, "name": "second"})["name"] == "second"
    ), "its own name is free for it"


def test_update_frees_the_old_name(client, zoo):
    record = ready(client, [zoo("waits")], name="old")
    client.request("update", {"process": record["id"], "name": "new"})
    assert spawn(client, ["true"], name="old")["id"] != record["id"]


def test_two_of_a_name_in_one_batch(client, zoo):
    answers = client.batch([("spawn", {"argv": [zoo("waits")], "name": "twin"})] * 2)
    assert answers[0]["result"]["name"] == "twin"
    assert answers[1]["error"]["code"] == 7 and answers[1]["error"]["data"]["process"] == answers[0]["result"]["id"]


def test_labels(client, zoo):
    labels = {"": "", "a b": "c\nd", "\u20ac": "\U0001f600", "k": "v" * 1000}
    record = spawn(client, ["true"], labels=labels)
    assert record["labels"] == labels and get(client, record["id"])["labels"] == labels


def test_at_most_64_labels(client):
    labels = {"k%d" % number: "v" for number in range(64)}
    assert spawn(client, ["true"], labels=labels)["labels"] == labels
    error = failure(spawn, client, ["true"], labels=dict(labels, more="x"))
    assert error.code in (8, -32602), error
    assert "labels" in str(error.data), error


def test_a_label_of_at_most_one_kibibyte(client):
    assert spawn(client, ["true"], labels={"k" * 24: "v" * 1000})["id"]
    error = failure(spawn, client, ["true"], labels={"k" * 25: "v" * 1000})
    assert error.code in (8, -32602) and "label" in str(error.data), error


def test_labels_select(client, zoo):
    ids = {}
    for tier in ("web", "db"):
        for zone in ("1", "2"):
            ids[tier, zone] = ready(client, [zoo("waits")], labels={"tier": tier, "zone": zone})["id"]

    def selected(**labels):
        answer = client.request("wait", {"processes": {"labels": labels}, "timeout_ms": 0})
        return set(answer["pending"])

    assert selected(tier="web") == {ids["web", "1"], ids["web", "2"]}
    assert selected(tier="web", zone="2") == {ids["web", "2"]}
    assert selected(tier="w") == set() and selected() == set(ids.values())
    kill(client, {"labels": {"zone": "1"}}, signal="KILL", wait=True)
    assert {key for key, process in ids.items() if get(client, process)["state"] == "running"} == {
        ("web", "2"),
        ("db", "2"),
    }


def test_digits_are_no_name(client, zoo):
    """1 is an id, "1" can be nobody's name."""
    record = ready(client, [zoo("waits")])
    error = failure(get, client, str(record["id"]))
    assert error.code in (1, -32602), error
