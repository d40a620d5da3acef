# SPDX-License-Identifier: Apache-2.0
"""Subscriptions that go on where they were: after a lost connection, after the server has ended one, not after the
server itself has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from conftest import Server
from support import LONG, eventually, lose

import procctl
from procctl import aio, events

START = {"stdout": 0}


def whole(count: int) -> bytes:
    return b"".join(b"%d\n" % n for n in range(1, count + 1))


class Told:
    """What was told, byte by byte in order, or it fails."""

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.data: Dict[int, bytearray] = {}
        self.names: Dict[int, List[str]] = {}
        self.lost = 0

    def add(self, event: procctl.Event) -> None:
        if not isinstance(event, (events.Output, events.Gap)):
            self.names.setdefault(event.process, []).append(type(event).__name__)
            return
        data = self.data.setdefault(event.process, bytearray())
        assert event.offset == self.start + len(data), "told twice, or left out"
        if isinstance(event, events.Gap):
            self.lost += event.length
            data += bytes(event.length)
        else:
            data += event.data

    def agrees(self, process: int, expected: bytes) -> bool:
        """Whether all but what was lost is as expected."""
        told = self.data[process]
        return len(told) == len(expected) and all(mine in (0, theirs) for mine, theirs in zip(told, expected))


@pytest.mark.parametrize("mode", ["discard-oldest", "block"])
@pytest.mark.parametrize("selector", ["ids", "labels"])
def test_connections_are_lost_again_and_again(client: procctl.Client, selector: str, mode: str) -> None:
    labels, lossless = {"job": "x"}, mode == "block"
    options: Any = {"hold": True, "labels": labels, "output": procctl.Output(1 << 16 if lossless else 1 << 23, mode)}
    processes = [client.spawn(["sh", "-c", f"seq {40_000 + n}"], **options) for n in range(3)]
    told, losses = Told(), 0
    chosen: Any = processes if selector == "ids" else labels
    with client.subscribe(chosen, lossless=lossless, from_={"stdout": 0, "stderr": 0}) as subscription:
        for process in processes:
            process.exec_replace()
        drained = 0
        while drained < 3:
            event = subscription.next(LONG)
            told.add(event)
            drained += isinstance(event, procctl.Drained)
            if isinstance(event, events.Output) and losses < 12:
                losses += 1
                lose(subscription)
        if selector == "ids":
            assert list(subscription) == []
    assert losses > 1
    # In block mode the server has freed what was on its way when the connection was lost. That is said, in a Gap.
    assert lossless or told.lost == 0
    for n, process in enumerate(processes):
        assert told.agrees(process.id, whole(40_000 + n))
        assert told.names[process.id][-2:] == ["Exited", "Drained"]


def test_more_processes_than_a_connection_has_subscriptions(client: procctl.Client) -> None:
    processes = [client.spawn(["cat"], stdin="pipe", labels={"job": "x"}) for _ in range(70)]
    with client.subscribe(processes) as by_id, client.subscribe({"job": "x"}) as by_labels:
        for text in ("one ", "two "):
            for process in processes:
                process.write(text)
            for subscription in (by_id, by_labels):
                told = Told(0 if text == "one " else 4)
                while sum(map(len, told.data.values())) < 4 * 70:
                    told.add(subscription.next(LONG))
                assert set(map(bytes, told.data.values())) == {text.encode()}
                lose(subscription)
        client.kill({"job": "x"}, "KILL")
        told = Told()
        for event in by_id:
            told.add(event)
        assert told.data == {} and all(names == ["Exited", "Drained"] for names in told.names.values())


def test_output_that_comes_before_any_was_told(client: procctl.Client) -> None:
    """Of a stream that said nothing since the subscription began, and one that said something before that."""
    process = client.spawn(["cat"], stdin="pipe", labels={"job": "x"})
    process.write("before ")
    eventually(lambda: process.read().data, "the echo")
    with client.subscribe({"job": "x"}) as subscription:
        lose(subscription)
        process.write("meanwhile")
        eventually(lambda: process.read(offset=7).data, "the echo")
        assert subscription.next(LONG) == events.Output(process.id, "stdout", 7, b"meanwhile")
        lose(subscription)
        new = client.spawn(["echo", "new"], labels={"job": "x"})
        new.wait(LONG, until="drained")
        process.write(eof=True)
        told = Told()
        for _ in range(5):
            told.add(subscription.next(LONG))
        assert told.data == {new.id: b"new\n"}
        assert told.names == {each.id: ["Exited", "Drained"] for each in (process, new)}


def test_a_gap_that_was_told_is_not_told_again(client: procctl.Client) -> None:
    process = client.spawn(["cat"], stdin="pipe", output=procctl.Output(4096))
    process.write("x" * 100_000)
    eventually(lambda: process.refresh().streams["stdout"]["end"] == 100_000, "the echo")
    with process.events(from_={"stdout": 0}) as subscription:
        gap = subscription.next(LONG)
        assert isinstance(gap, events.Gap) and gap.offset == 0
        lose(subscription)
        first = subscription.next(LONG)
        assert isinstance(first, events.Output) and first.offset == gap.length
        process.write("y" * 100_000)
        eventually(lambda: process.refresh().streams["stdout"]["end"] == 200_000, "the echo")
        lose(subscription)
        position = first.next_offset
        while position < 200_000:
            event: Any = subscription.next(LONG)
            assert event.offset == position
            position = event.next_offset


def test_one_that_was_forgotten_meanwhile(client: procctl.Client) -> None:
    for chosen in ("id", "labels"):
        process = client.spawn(["true"], labels={"job": "x"}, hold=True)
        with client.subscribe(process if chosen == "id" else {"job": "x"}, ["exited"]) as subscription:
            lose(subscription)
            process.exec_replace()
            process.wait(LONG)
            process.release()
            other = client.spawn(["true"], labels={"job": "x"})
            if chosen == "id":
                with pytest.raises(procctl.NoSuchProcess):
                    subscription.next(LONG)
            else:
                assert subscription.next(LONG).process == other.id
            other.wait(LONG)
            other.release()


@pytest.fixture
def another(server: Server) -> Iterator[Any]:
    """Puts another server in the place of this one."""
    made: List[Server] = []

    def replace() -> None:
        with procctl.connect(server.path) as client:
            left = [each.pid for each in client.list() if each.state != "exited"]
        server.kill()
        # They live on, and nobody's are they now.
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        directory = Path(server.path).parent
        shutil.rmtree(directory)
        made.append(Server(directory))

    yield replace
    for each in made:
        each.close()


def test_another_server_is_told_from_the_first(client: procctl.Client, another: Any) -> None:
    process = client.spawn(["sh", "-c", "echo one; exec sleep 1000"], lifetime="connection")
    assert process.stdout is not None and process.stdout.readline() == b"one\n"
    subscription = process.events()
    everything = client.subscribe("all")
    another()
    with procctl.connect() as other:
        # Ids are given anew: without a look at the instance this one would be taken for the first.
        assert other.spawn(["true"]).id == process.record.id
    for use in (subscription.next, everything.next, subscription.resume, process.stdout.readline, client.reconnect):
        with pytest.raises(procctl.ConnectionLost, match="another server has taken its place") as caught:
            use()
        assert caught.value.data["reason"] == "instance"
    with pytest.raises(procctl.ConnectionLost):
        process.wait()


def test_another_server_is_told_from_the_first_by_asyncio(server: Server, another: Any) -> None:
    async def body() -> None:
        client = await aio.connect()
        process = await client.spawn(["sh", "-c", "echo one; exec sleep 1000"], lifetime="connection")
        assert process.stdout is not None and await process.stdout.readline() == b"one\n"
        subscription = await process.events()
        another()
        for use in (subscription.next, subscription.resume, process.stdout.readline, client.reconnect):
            with pytest.raises(procctl.ConnectionLost, match="another server has taken its place"):
                await use()
        await subscription.close()
        await client.close()

    asyncio.run(body())


def test_asyncio_goes_on_too(client: procctl.Client) -> None:
    async def body() -> None:
        async with await aio.connect() as mine:
            process = await mine.spawn(["seq", "100000"], output=procctl.Output(1 << 20), hold=True)
            told, losses = Told(), 0
            async with await process.events(["output"], {"stdout": 0}) as subscription:
                await process.exec_replace()
                async for event in subscription:
                    told.add(event)
                    if losses < 6:
                        losses += 1
                        lose(subscription)
            assert losses > 1 and told.data == {process.id: whole(100_000)}

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_after_stalling(client: procctl.Client) -> None:
    """The server gives up on lossless subscribers that take nothing: on two at the same time here."""
    data = os.urandom(2_000_000)
    one, two = (client.spawn(["cat"], stdin="pipe", output=procctl.Output(1 << 16, "block")) for _ in range(2))
    # A subscription holds the leases of its processes. When this one's runs out, the subscription has ended.
    # (Not within the time a busy machine may need to open one.)
    first, second = (client.spawn(["sleep", "1000"], lifetime=procctl.Lease(3)) for _ in range(2))

    def feed(process: int) -> None:
        with procctl.connect() as mine:
            for start in range(0, len(data), 100_000):
                mine.write(process, data[start : start + 100_000])
            mine.write(process, eof=True)

    def until_ended(lease: int) -> None:
        with procctl.connect() as mine:
            # Not by its id, which would renew it.
            eventually(lambda: lease in [each.id for each in mine.list(state="exited")], "the subscription's end")

    def by_thread(process: int, lease: int) -> bytes:
        told = Told()
        with procctl.connect() as mine, mine.subscribe([process, lease], ["output"], START, True, stall=0.1) as subscription:
            told.add(subscription.next(LONG))
            until_ended(lease)
            with pytest.raises(procctl.SubscriptionEnded) as caught:
                for event in subscription:
                    told.add(event)
            assert caught.value.reason == "stalled" and list(subscription) == []
            while subscription._over:
                subscription.resume()
                # On a busy machine it may happen again.
                with contextlib.suppress(procctl.SubscriptionEnded):
                    for event in subscription:
                        told.add(event)
        return bytes(told.data[process])

    async def by_task(process: int, lease: int) -> bytes:
        told = Told()
        async with await aio.connect() as mine:
            async with await mine.subscribe([process, lease], ["output"], START, True, stall=0.1) as subscription:
                told.add(await subscription.next(LONG))
                await asyncio.get_running_loop().run_in_executor(None, until_ended, lease)
                with pytest.raises(procctl.SubscriptionEnded) as caught:
                    async for event in subscription:
                        told.add(event)
                assert caught.value.reason == "stalled" and [each async for each in subscription] == []
                while subscription._over:
                    await subscription.resume()
                    with contextlib.suppress(procctl.SubscriptionEnded):
                        async for event in subscription:
                            told.add(event)
        return bytes(told.data[process])

    with ThreadPoolExecutor(4) as pool:
        told = [
            pool.submit(by_thread, one.id, first.id),
            pool.submit(lambda: asyncio.run(by_task(two.id, second.id))),
        ]
        feeding = [pool.submit(feed, each.id) for each in (one, two)]
        try:
            for each in told:
                assert each.result(LONG) == data
        finally:
            # Also when nobody takes what they write.
            client.kill([one, two], "KILL")
        for fed in feeding:
            fed.exception(LONG)
