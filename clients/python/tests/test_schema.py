# SPDX-License-Identifier: Apache-2.0
"""The server's description of itself and this client's types say the same, and what comes over the wire agrees."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, Dict, Set

import jsonschema
import pytest

import procctl
from procctl import events, record
from support import LONG

NAMES = {"exec-replace": "exec_replace", "rpc.discover": "discover"}


@pytest.fixture
def document(client: procctl.Client) -> Dict[str, Any]:
    """The OpenRPC document the server serves."""
    return client.discover()


def members(document: Dict[str, Any], name: str) -> Set[str]:
    return set(document["components"]["schemas"][name]["properties"])


def fields(kind: Any) -> Set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def test_every_method_has_one_of_this_clients(document: Dict[str, Any]) -> None:
    for method in document["methods"]:
        function = getattr(procctl.Client, NAMES.get(method["name"], method["name"]))
        takes: Set[str] = set()
        for name, parameter in inspect.signature(function).parameters.items():
            # "from" is a word of Python's, the parameter is called from_.
            name = name.rstrip("_")
            takes |= set(procctl.SpawnOptions.__annotations__) if parameter.kind is parameter.VAR_KEYWORD else {name}
        params = [param["name"] for param in method["params"]]
        if method["name"] == "exec-replace":
            # From "connection" on they are those of its other form, which is a method of its own here.
            params, other = params[: params.index("connection")], params[params.index("connection") + 1 :]
            assert {name.replace("_ms", "") for name in other} <= set(procctl.SpawnOptions.__annotations__)
        assert {name.replace("_ms", "") for name in params} <= takes, method["name"]


def test_the_types_have_the_members_of_the_schema(document: Dict[str, Any]) -> None:
    assert fields(record.Record) == members(document, "Record") | {"members", "holders", "raw"}
    assert set(record.Streams.__annotations__) == members(document, "Streams")
    assert fields(procctl.Terminal) == members(document, "Terminal")
    arrival = document["components"]["schemas"]["Arrivals"]["items"]
    assert set(record.Arrival.__annotations__) == set(arrival["properties"])
    written = next(each["result"] for each in document["methods"] if each["name"] == "write")
    assert fields(record.WriteResult) == set(written["schema"]["properties"])
    for name in events.EVENTS:
        described = document["components"]["schemas"]["Notification" + name.capitalize()]["properties"]["params"]
        known = set((described.get("oneOf") or [described])[0]["properties"]) - {"subscription", "text"}
        assert fields(getattr(events, name.capitalize())) - {"data"} == known, name
    assert fields(record.KillResult) == members(document, "KillEntry")
    for kind, name in (
        (record.Usage, "Usage"),
        (record.Owner, "Owner"),
        (record.Member, "Member"),
        (record.Info, "Info"),
    ):
        assert set(kind.__annotations__) == members(document, name), name


def test_what_comes_over_the_wire_is_as_described(client: procctl.Client, document: Dict[str, Any]) -> None:
    def check(value: Any, name: str) -> None:
        jsonschema.Draft7Validator({**document, "$ref": f"#/components/schemas/{name}"}).validate(value)

    process = client.spawn(["sh", "-c", "printf '\\377'; sleep 1000"], labels={"a": "b"}, lifetime=procctl.Lease(1000))
    assert process.read(timeout=LONG).data == b"\xff"
    check(process.record.raw, "Record")
    check(process.refresh(members=True, holders=True).raw, "Inspection")
    check(client.call("read", {"process": process.id}), "ReadChunk")
    check(client.call("kill", {"processes": process.id, "signal": "KILL", "wait": True})["processes"][0], "KillEntry")
    process.wait(LONG)
    check(process.record.raw, "Record")
    check(client.info(), "Info")
    with pytest.raises(procctl.SpawnError) as caught:
        client.spawn(["no-such-program"])
    check(caught.value.data, "ErrorData")
