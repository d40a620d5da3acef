# SPDX-License-Identifier: Apache-2.0
"""Input, terminals and subscriptions."""

from __future__ import annotations

import os
import threading
from typing import List

import pytest
from support import LONG, all_output, eventually, lose

import procctl
from procctl import events


def told(subscription: procctl.Subscription, stream: str = "stdout") -> bytes:
    return b"".join(each.data for each in subscription if isinstance(each, events.Output) and each.stream == stream)


def test_write(client: procctl.Client) -> None:
    process = client.spawn(["cat"], stdin="pipe")
    every = bytes(range(256))
    first = client.write(process, every)
    assert (first.process, first.accepted, first.closed) == (process.id, 256, False) and first.written <= 256
    process.write(memoryview(b"more"))
    state = process.write(eof=True)
    assert (state.accepted, state.closed) == (260, True)
    assert process.wait(LONG).code == 0 and all_output(process) == every + b"more"
    with pytest.raises(procctl.StreamClosed) as caught:
        process.write("too late")
    assert caught.value.stream == "stdin"
    with pytest.raises(procctl.WrongState):
        client.spawn(["true"]).write("to nobody")
    with pytest.raises(procctl.InvalidParams):
        process.write()


def test_a_terminal(client: procctl.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    process = client.spawn(
        ["sh", "-c", "stty size; echo $TERM; read x; stty size; echo got $x; echo beside >&2"],
        pty=procctl.Terminal(10, 20, "vt100"), stderr="pipe",
    )
    assert process.record.streams["terminal"] is not None and process.record.streams["terminal"]["rows"] == 10
    assert process.record.streams["stdin"]["kind"] == "terminal"
    eventually(lambda: b"vt100" in process.read("terminal").data, "the terminal's kind")
    assert process.resize(50, 132) == os.terminal_size((132, 50))
    process.write("word\n")
    assert process.wait(LONG, until="drained").code == 0
    shown = all_output(process, "terminal")
    assert shown.startswith(b"10 20\r\nvt100\r\n") and shown.endswith(b"50 132\r\ngot word\r\n")
    assert all_output(process, "stderr") == b"beside\n"
    assert client.spawn(["tty"], pty=True).wait(LONG).code == 0
    with pytest.raises(procctl.WrongState):
        client.spawn(["sleep", "1000"]).resize(1, 1)


def test_arrivals(client: procctl.Client) -> None:
    process = client.spawn(["sh", "-c", "echo a; sleep 0.1; echo b >&2"])
    process.wait(LONG, until="drained")
    (first,) = process.read(arrivals=True).arrivals
    (second,) = process.read("stderr", arrivals=True).arrivals
    assert first["order"] < second["order"] and first["at"] < second["at"] and first["offset"] == 0
    assert process.read().arrivals == ()


def test_a_life(client: procctl.Client) -> None:
    with client.subscribe({"app": "a"}) as subscription:
        script = "echo out; echo err >&2; kill -STOP $$; sleep 0.3; exit 3"
        process = client.spawn(["sh", "-c", script], labels={"app": "a"})
        seen: List[procctl.Event] = []
        for event in subscription:
            seen.append(event)
            if isinstance(event, procctl.Stopped):
                assert event.signal_name == "SIGSTOP"
                process.send_signal("CONT", scope="process")
            if isinstance(event, procctl.Drained):
                break
    names = [type(each).__name__ for each in seen]
    assert names[0] == "Started" and names[-1] == "Drained"
    assert {"Stopped", "Continued", "Exited"} < set(names)
    assert {each.stream: each.data for each in seen if isinstance(each, events.Output)} == {
        "stdout": b"out\n", "stderr": b"err\n"}
    assert isinstance(seen[-1], procctl.Drained) and seen[-1].record.returncode == 3
    assert {each.process for each in seen} == {process.id}
    assert list(subscription) == []


def test_after_the_fact_it_ends_by_itself(client: procctl.Client) -> None:
    process = client.spawn(["sh", "-c", "echo out; echo err >&2"])
    process.wait(LONG, until="drained")
    names = [type(each).__name__ for each in process.events(from_={"stdout": 0, "stderr": 0})]
    assert sorted(names[:2]) == ["Output", "Output"] and names[2:] == ["Exited", "Drained"]
    assert told(process.events(["output"], from_={"stdout": 1})) == b"ut\n"
    assert told(process.events(streams=["stderr"], from_={"stdout": 0, "stderr": 0})) == b""
    assert [type(each) for each in process.events(["exited"])] == [procctl.Exited]
    assert list(process.events([])) == []


def test_a_gap(client: procctl.Client) -> None:
    process = client.spawn(["sh", "-c", "head -c 100000 /dev/zero"], output=procctl.Output(4096))
    end = process.wait(LONG, until="drained") and process.record.streams["stdout"]
    with process.events(from_={"stdout": 10}) as subscription:
        first = next(subscription)
    assert first == procctl.Gap(process.id, "stdout", 10, end["start"] - 10) and first.next_offset == end["start"]


def test_replaced(client: procctl.Client) -> None:
    process = client.spawn(["true"], hold=True)
    with process.events() as subscription:
        process.exec_replace(["sh", "-c", "exit 4"])
        assert isinstance(subscription.next(LONG), procctl.Started)
        assert isinstance(subscription.next(LONG), procctl.Exited)


def test_time_unsubscribe_and_close(client: procctl.Client) -> None:
    process = client.spawn(["cat"], stdin="pipe")
    subscription = process.events(["output"])
    with pytest.raises(procctl.TimedOut):
        subscription.next(0.05)
    process.write("a")
    eventually(lambda: process.read().data, "the echo")
    client.unsubscribe(subscription)
    assert told(subscription) == b"a"
    other = client.subscribe()
    assert process.id in other.processes
    ended: List[List[procctl.Event]] = []
    waiting = threading.Thread(target=lambda: ended.append(list(other)))
    waiting.start()
    other.close()
    waiting.join(LONG)
    assert len(ended) == 1 and other.closed
    with pytest.raises(procctl.NoSuchProcess):
        client.subscribe(987654)
    with pytest.raises(procctl.InvalidParams):
        client.unsubscribe(17)


@pytest.mark.parametrize("selector", ["process", "labels"])
def test_it_goes_on_where_it_was(client: procctl.Client, selector: str) -> None:
    process = client.spawn(["cat"], stdin="pipe", labels={"a": "b"})
    process.write("before ")
    eventually(lambda: process.read().data, "the echo")
    with client.subscribe(process if selector == "process" else {"a": "b"}) as subscription:
        if selector == "process":
            lose(subscription)
            process.write("none ")
            assert subscription.next(LONG) == events.Output(process.id, "stdout", 7, b"none ")
        process.write("one ")
        event = subscription.next(LONG)
        assert isinstance(event, events.Output) and event.data == b"one "
        lose(subscription)
        process.write("two ")
        event = subscription.next(LONG)
        assert isinstance(event, events.Output) and event.data == b"two "
        process.write(eof=True)
        assert isinstance(subscription.next(LONG), procctl.Exited)
        lose(subscription)
        assert isinstance(subscription.next(LONG), procctl.Drained)
        if selector == "labels":
            lose(subscription)
            client.spawn(["echo", "new"], labels={"a": "b"})
            rest = [subscription.next(LONG) for _ in range(3)]
            assert isinstance(rest[-1], procctl.Drained) and {each.process for each in rest} != {process.id}
        else:
            assert list(subscription) == []


def test_a_server_that_is_gone(client: procctl.Client, server: "object") -> None:
    subscription = client.subscribe()
    server.kill()  # type: ignore[attr-defined]
    with pytest.raises(procctl.ConnectionLost):
        subscription.next(LONG)
    subscription.close()


def test_a_lot_of_output_in_block_mode(client: procctl.Client) -> None:
    process = client.spawn(["head", "-c", "20000000", "/dev/zero"], output=procctl.Output(65536, "block"), hold=True)
    with process.events(lossless=True, from_={"stdout": 0}) as subscription:
        process.exec_replace()
        offset = 0
        for event in subscription:
            assert not isinstance(event, procctl.Gap)
            if isinstance(event, events.Output):
                assert event.offset == offset
                offset = event.next_offset
    assert offset == 20000000
