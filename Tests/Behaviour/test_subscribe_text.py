# SPDX-License-Identifier: Apache-2.0
"""Text for subscribers: characters are never split; and when bytes came, for those who `read` them later."""

import time

import pytest
import wire
from subscriptions import subscribe, told, told_bytes
from support import drained, kill, spawn


def test_characters_are_never_split(client):
    """Much text whose characters do not fit into chunks evenly, also when its end is known before it is told."""
    text = ("a" + "\u20ac" * 999 + "\U0001f600\u00e9\n") * 300
    subscribe(client, "all")
    code = "import sys; sys.stdout.buffer.write(('a' + '\\u20ac' * 999 + '\\U0001f600\\u00e9\\n').encode() * 300)"
    record = spawn(client, ["python3", "-c", code], output={"limit": 4 << 20})
    notes = told(client, "drained")
    assert all("text" in params for name, params in notes if name == "output")
    assert told_bytes(notes) == text.encode()
    subscribe(client, record["id"], **{"from": {"stdout": 0}})
    notes = told(client, "drained")
    assert all("text" in params for name, params in notes if name == "output"), "also behind an exit"
    assert told_bytes(notes) == text.encode()


def test_half_a_character_waits_for_its_rest(client):
    """Two halves within 100 ms are one text."""
    script = "printf 'a\\342'; sleep 0.02; printf '\\202\\254'; sleep 1000"
    seen = []
    for _ in range(5):  # a machine may be slow once
        subscription = subscribe(client, "all", events=["output"])
        record = spawn(client, ["sh", "-c", script])
        data = b""
        seen = []
        while data != "a\u20ac".encode():
            params = client.notification()[1]
            seen.append(params)
            data += wire.chunk_of(params)
        client.request("unsubscribe", {"subscription": subscription})
        kill(client, record["id"], signal="KILL")
        if all("text" in params for params in seen):
            break
    assert all("text" in params for params in seen), seen


def test_half_a_character_is_released_after_a_while(client, zoo):
    record = spawn(client, [zoo("half_character"), "stay"])
    subscribe(client, record["id"], **{"from": {"stdout": 0}})
    name, params = client.notification()
    assert name == "output" and params["text"] == "a"
    name, params = client.notification()
    assert name == "output" and wire.chunk_of(params) == b"\xe2\x82" and "base64" in params
    kill(client, record["id"], signal="USR1", scope="process")
    name, params = client.notification()
    assert wire.chunk_of(params) == b"\xacz" and "base64" in params and params["offset"] == 3


def test_half_a_character_does_not_hold_the_other_stream_up(client):
    subscribe(client, "all", events=["output"])
    record = spawn(client, ["sh", "-c", "printf '\\342' ; while :; do echo x >&2; sleep 0.01; done"])
    notes = told(client, lambda name, params: params["stream"] == "stdout")
    assert wire.chunk_of(notes[-1][1]) == b"\xe2"
    kill(client, record["id"], signal="KILL")


def test_half_a_character_at_the_end(client, zoo):
    subscribe(client, "all")
    spawn(client, [zoo("half_character"), "exit"])
    assert told_bytes(told(client, "drained")) == b"a\xe2\x82"


@pytest.mark.parametrize("data, member", [(b"\0", "text"), (b"\xff", "base64"), (b"\xc0\x80", "base64")])
def test_bytes(client, data, member):
    subscribe(client, "all", events=["output", "drained"])
    spawn(client, ["printf", "".join("\\%03o" % byte for byte in data)])
    notes = told(client, "drained")
    assert told_bytes(notes) == data and all(member in params for name, params in notes if name == "output")


def test_arrivals(client):
    """`read` can say in which order stdout and stderr spoke."""
    script = "for n in 1 2 3; do echo out$n; sleep 0.05; echo err$n >&2; sleep 0.05; done"
    before = int(time.time() * 1000)
    record = spawn(client, ["sh", "-c", script])
    drained(client, record["id"])
    marks = []
    for stream in ("stdout", "stderr"):
        answer = client.request("read", {"process": record["id"], "stream": stream, "arrivals": True})
        assert [entry["offset"] for entry in answer["arrivals"]] == [0, 5, 10]
        marks += [(entry["order"], stream, entry["at"]) for entry in answer["arrivals"]]
    assert [stream for _, stream, _ in sorted(marks)] == ["stdout", "stderr"] * 3
    times = [at for _, _, at in sorted(marks)]
    assert times == sorted(times) and before - 1000 <= times[0] <= time.time() * 1000 + 1000
    part = client.request("read", {"process": record["id"], "offset": 7, "limit": 4, "arrivals": True})
    assert [entry["offset"] for entry in part["arrivals"]] == [7, 10]
    assert "arrivals" not in client.request("read", {"process": record["id"]})
    end = client.request("read", {"process": record["id"], "offset": 15, "arrivals": True})
    assert end["arrivals"] == [] and end["end"] is True


def test_arrivals_of_what_is_gone(client, zoo):
    record = spawn(client, [zoo("floods"), "100000"], output={"limit": 4096})
    start = drained(client, record["id"])["streams"]["stdout"]["start"]
    answer = client.request("read", {"process": record["id"], "arrivals": True})
    assert answer["gap"]["length"] == start and answer["arrivals"] == []
    answer = client.request("read", {"process": record["id"], "offset": start, "arrivals": True})
    assert answer["arrivals"][0]["offset"] == start
