# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC 2.0 itself: ids, parameters, notifications, batches, cancelling. Section numbers are the specification's."""

import pytest
from support import failure, ready, spawn, wait_one


def exchange(client, message):
    client.send(message)
    return client.receive()


@pytest.mark.parametrize(
    "identifier", [0, 1, -1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1, "", "1", "00", "3f2504e0-4f89", "\u20ac\0\n", None]
)
@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_ids_come_back_exactly(connect, identifier, framing):
    answer = exchange(connect(framing), {"jsonrpc": "2.0", "id": identifier, "method": "ping"})
    assert answer["id"] == identifier and type(answer["id"]) is type(identifier)
    assert set(answer) == {"jsonrpc", "id", "result"} and answer["jsonrpc"] == "2.0"


@pytest.mark.parametrize("identifier", [1.5, True, [], {}, [1]])
def test_other_ids_are_invalid(client, identifier):
    answer = exchange(client, {"jsonrpc": "2.0", "id": identifier, "method": "ping"})
    assert answer["id"] is None and answer["error"]["code"] == -32600
    assert answer["error"]["data"]["kind"] == "invalid_request"


@pytest.mark.parametrize(
    "message, identifier",
    [
        ({"id": 1, "method": "ping"}, 1),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, 1),
        ({"jsonrpc": 2.0, "id": 1, "method": "ping"}, 1),
        ({"jsonrpc": "2.0", "id": 1}, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": 1, "params": "bar"}, 1),
        ({"jsonrpc": "2.0", "method": 1, "params": "bar"}, None),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": "bar"}, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": 1}, 1),
        ({}, None),
        (1, None),
        ("ping", None),
        (None, None),
        (True, None),
        ([], None),
    ],
)
def test_invalid_requests(client, message, identifier):
    answer = exchange(client, message)
    assert isinstance(answer, dict), "one error object, no array"
    assert answer["error"]["code"] in (-32600, -32602) and answer["id"] in (identifier, None), answer
    assert "result" not in answer
    assert client.request("ping")


def test_unknown_method(client):
    error = failure(client.request, "nosuch", {})
    assert error.code == -32601 and error.data["kind"] == "method_not_found" and error.data["method"] == "nosuch"
    for name in ("", "rpc.nosuch", "Ping", "ping ", "subscribe\0"):
        assert failure(client.request, name).code == -32601


@pytest.mark.parametrize("params", [None, [], {}])
def test_no_params_in_each_form(client, params):
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": params}
    assert exchange(client, message)["result"]["instance"]


def test_by_position_is_the_order_of_the_schema(client):
    record = client.request("spawn", [["sh", "-c", "exit 5"], None, {"A": "b"}, "empty", "/"])
    assert record["cwd"] == "/"
    answer = client.request("wait", [[record["id"]], "any", "drained", 20000])
    assert answer["done"][0]["exit"] == {"code": 5}
    assert client.request("get", [record["id"], False, False])["id"] == record["id"]
    assert client.request("read", [record["id"], "stdout", 0, 10, 0])["end"] is True
    assert client.request("release", [record["id"]]) == {"released": [record["id"]]}


def test_null_means_absent(client):
    record = client.request(
        "spawn", {"argv": ["true"], "file": None, "env": None, "cwd": None, "stdout": None, "user": None, "name": None}
    )
    assert record["name"] is None and record["streams"]["stdout"]["kind"] == "pipe"
    answer = client.request("wait", {"processes": record["id"], "mode": None, "timeout_ms": None})
    assert answer["done"][0]["exit"] == {"code": 0}


def test_too_many_positions(client):
    error = failure(client.request, "ping", [1])
    assert error.code == -32602 and error.data["path"] in ("[0]", "0"), error


def test_notifications_are_never_answered(client):
    client.notify("ping")
    client.notify("nosuch")
    client.notify("spawn", {"argv": []})
    client.notify("$/unknown", {"x": 1})
    client.notify("notifications/cancelled", {"requestId": 1})
    assert exchange(client, {"jsonrpc": "2.0", "id": "only", "method": "ping"})["id"] == "only"


def test_a_notified_spawn_happens(client):
    client.notify("spawn", {"argv": ["true"], "name": "notified"})
    assert wait_one(client, "notified")["exit"] == {"code": 0}


# Section 6, batches, and section 7's examples that need no method table


def test_batch_of_calls_notifications_and_nonsense(client):
    answers = exchange(
        client,
        [
            {"jsonrpc": "2.0", "method": "ping", "id": "1"},
            {"jsonrpc": "2.0", "method": "ping"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "info", "id": "9"},
        ],
    )
    assert len(answers) == 4
    by_id = {answer["id"]: answer for answer in answers}
    assert by_id["1"]["result"] and by_id["9"]["result"]["version"]
    assert by_id["5"]["error"]["code"] == -32601
    assert by_id[None]["error"]["code"] == -32600


@pytest.mark.parametrize("batch", [[1], [1, 2, 3]])
def test_batch_of_nonsense(client, batch):
    answers = exchange(client, batch)
    assert [answer["error"]["code"] for answer in answers] == [-32600] * len(batch)
    assert all(answer["id"] is None for answer in answers)


def test_batch_that_is_broken(client):
    client.send_raw(b'[{"jsonrpc": "2.0", "method": "ping", "id": "1"},{"jsonrpc": "2.0", "method"]\n')
    answer = client.receive()
    assert answer["id"] is None and answer["error"]["code"] == -32700


def test_batch_of_notifications_is_silent(client):
    client.send([{"jsonrpc": "2.0", "method": "ping"}, {"jsonrpc": "2.0", "method": "nosuch"}])
    assert exchange(client, {"jsonrpc": "2.0", "id": 1, "method": "ping"})["id"] == 1


def test_batch_limit(client):
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    answers = exchange(client, [dict(ping, id=number) for number in range(1000)])
    assert sorted(answer["id"] for answer in answers) == list(range(1000))
    answer = exchange(client, [dict(ping, id=number) for number in range(1001)])
    assert answer["error"]["code"] == 8 and answer["id"] is None
    assert answer["error"]["data"]["limit"] == "batch_members" and answer["error"]["data"]["maximum"] == 1000


def test_batch_of_a_batch_is_invalid(client):
    answers = exchange(client, [[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]])
    assert [answer["error"]["code"] for answer in answers] == [-32600]


def test_a_batch_is_answered_when_its_last_member_is(client, connect, zoo):
    record = ready(client, [zoo("waits")])
    client.send(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "wait", "params": {"processes": record["id"]}},
            {"jsonrpc": "2.0", "id": 2, "method": "ping"},
        ]
    )
    connect().request("kill", {"processes": record["id"], "signal": "KILL"})
    assert {answer["id"] for answer in client.receive()} == {1, 2}


# Ids in flight and cancelling


def pending_wait(client, process, identifier):
    client.start("wait", {"processes": process}, identifier=identifier)
    client.request("ping")


def test_an_id_in_flight_cannot_be_used_again(client, zoo):
    record = ready(client, [zoo("waits")])
    pending_wait(client, record["id"], "w")
    client.start("ping", identifier="w")
    error = failure(client.finish, "w")
    assert error.code == -32600
    client.request("kill", {"processes": record["id"], "signal": "KILL"})
    assert client.finish("w")["done"][0]["id"] == record["id"]
    client.start("ping", identifier="w")
    assert client.finish("w")["instance"]


def test_one_and_the_string_one_are_two_ids(client, zoo):
    record = ready(client, [zoo("waits")])
    client.ids = iter(range(100, 200))
    pending_wait(client, record["id"], 1)
    pending_wait(client, record["id"], "1")
    client.notify("$/cancelRequest", {"id": "1"})
    assert failure(client.finish, "1").code == -32800
    client.request("kill", {"processes": record["id"], "signal": "KILL"})
    assert client.finish(1)["done"]


def test_cancel_ends_the_request_not_the_process(client, zoo):
    record = ready(client, [zoo("waits")])
    pending_wait(client, record["id"], "w")
    client.notify("$/cancelRequest", {"id": "w"})
    error = failure(client.finish, "w")
    assert error.code == -32800 and error.data["kind"] == "request_cancelled"
    assert client.request("get", {"process": record["id"]})["state"] == "running"


@pytest.mark.parametrize("params", [{"id": 12345}, {"id": None}, {"id": {}}, {}, None, [1], {"id": 1, "x": 2}])
def test_cancelling_nothing_is_silent(client, params):
    client.notify("$/cancelRequest", params)
    assert client.request("ping")


def test_cancel_works_on_a_long_poll(client, zoo):
    record = ready(client, [zoo("waits")])
    client.start("read", {"process": record["id"], "offset": 6, "timeout_ms": 60000}, identifier="r")
    client.notify("$/cancelRequest", {"id": "r"})
    assert failure(client.finish, "r").code == -32800


def test_requests_pending_are_bounded(client, zoo):
    record = ready(client, [zoo("waits")])
    identifiers = [client.start("wait", {"processes": record["id"]}) for _ in range(1024)]
    error = failure(client.request, "wait", {"processes": record["id"]})
    assert error.code == 8 and error.data["maximum"] == 1024, error
    client.notify("$/cancelRequest", {"id": identifiers[0]})
    assert failure(client.finish, identifiers[0]).code == -32800
    client.request("kill", {"processes": record["id"], "signal": "KILL"})
    for identifier in identifiers[1:]:
        assert client.finish(identifier)["done"]


def test_no_notification_without_asking(client):
    """Everything that could be told about happens; not one unasked byte comes."""
    record = spawn(client, ["sh", "-c", "echo out; exit 1"])
    wait_one(client, record["id"], until="drained")
    assert client.request("ping")
    assert not client.buffer and not client.replies


def test_errors_have_a_kind(client):
    for method, params in (("get", {"process": 10**9}), ("nosuch", None), ("get", {}), ("spawn", {"argv": ["nosuch"]})):
        error = failure(client.request, method, params)
        assert isinstance(error.message, str) and error.message and error.data["kind"], error


def test_rpc_discover(client):
    document = client.request("rpc.discover")
    assert document["openrpc"].startswith("1.")
    named = {method["name"] for method in document["methods"]}
    assert named >= {
        "spawn",
        "exec-replace",
        "wait",
        "kill",
        "list",
        "get",
        "read",
        "update",
        "release",
        "ping",
        "info",
    }
