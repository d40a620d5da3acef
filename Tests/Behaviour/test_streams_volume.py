# SPDX-License-Identifier: Apache-2.0
"""Much output: whole where it must be whole, and where something is lost, every byte of that accounted for."""

import json
import os
import select
import sys
import threading
import time

import procfs
import wire
from subscriptions import Tally, subscribe
from support import drained, kill, read_all, spawn

MIB = 1 << 20
# A quarter of a GiB; more can be asked for.
VOLUME = int(os.environ.get("PROCCTL_TEST_VOLUME_MIB", "256")) * MIB
# Writes that many random bytes to stdout, and their SHA-256 to stderr.
RANDOM = """
import hashlib, os, sys
left, digest = int(sys.argv[1]), hashlib.sha256()
while left:
    data = os.urandom(min(left, 1 << 18))
    digest.update(data)
    left -= len(data)
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]
sys.stderr.write(digest.hexdigest())
"""


def noise(client, length, **params):
    return spawn(client, [sys.executable, "-c", RANDOM, str(length)], **params)


def resident(server):
    """KiB of the server, without what its rings share."""
    return int(procfs.status(server.pid, "RssAnon").split()[0])


def test_every_byte_in_block_mode(client, connect):
    """What a lossless subscriber receives is what the child wrote."""
    listener = connect()
    subscribe(listener, "all", lossless=True, events=["output", "drained"], streams=["stdout"])
    record = noise(client, VOLUME, output={"limit": MIB, "when_full": "block"})
    tally = Tally().drain(listener, timeout=90)
    assert tally.gaps == 0 and tally.received == VOLUME
    assert tally.hash.hexdigest().encode() == read_all(client, record["id"], stream="stderr")
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_what_is_lost_and_what_comes_add_up(client, connect):
    """A client that sleeps now and then, and a ring that forgets: gaps and bytes are all there was."""
    listener = connect()
    subscribe(listener, "all", events=["output", "drained"], streams=["stdout"])
    record = noise(client, VOLUME, output={"limit": MIB})
    tally = Tally()
    while not tally.ended:
        for _ in range(100):
            name, params = listener.notification()
            tally.take({"method": name, "params": params})
            if tally.ended:
                break
        time.sleep(0.02)  # the sleep is what is tested
    assert tally.received + tally.lost == VOLUME == tally.offset
    assert tally.gaps > 0 and tally.lost > 0 and tally.received > 0
    assert drained(client, record["id"])["streams"]["stdout"]["end"] == VOLUME


def test_two_lossless_subscribers_of_different_speed(client, connect):
    """The program goes at the pace of the slower one; both get everything."""
    length = 16 * MIB
    listeners = [connect() for _ in range(2)]
    for listener in listeners:
        subscribe(listener, "all", lossless=True, events=["output", "drained"], streams=["stdout"])
    noise(client, length, output={"limit": 65536, "when_full": "block"})
    quick, slow = Tally(), Tally()
    thread = threading.Thread(target=quick.drain, args=(listeners[0],))
    thread.start()
    while not slow.ended:
        name, params = listeners[1].notification()
        slow.take({"method": name, "params": params})
        if slow.received % (MIB // 4) == 0:
            time.sleep(0.005)  # the slowness is what is tested
    thread.join(wire.PATIENCE)
    assert quick.received == slow.received == length and quick.gaps == slow.gaps == 0
    assert quick.hash.hexdigest() == slow.hash.hexdigest()


def test_two_hundred_subscribers_of_whom_fifty_never_read(fresh, zoo):
    """The others get everything, memory stays bounded, and it is given back."""
    server = fresh()
    length = MIB
    with server.connect() as client:
        before = resident(server)
        lazy = [server.connect() for _ in range(50)]
        for listener in lazy:
            subscribe(listener, "all")
        eager = {}
        for _ in range(150):
            listener = server.connect()
            subscribe(listener, "all", lossless=True, events=["output", "drained"])
            eager[listener.socket.fileno()] = (listener, Tally())
        record = spawn(client, [zoo("floods"), str(length)], output={"limit": 65536, "when_full": "block"})
        most = 0
        poll = select.epoll()
        for number in eager:
            poll.register(number, select.EPOLLIN)
        left = set(eager)
        while left:
            ready = poll.poll(wire.PATIENCE)
            assert ready, "nothing for %d subscribers" % len(left)
            for number, _ in ready:
                listener, tally = eager[number]
                tally.feed(listener.socket.recv(1 << 18))
                if tally.ended:
                    left.discard(number)
                    poll.unregister(number)
            most = max(most, resident(server))
        poll.close()
        digests = {tally.hash.hexdigest() for _, tally in eager.values()}
        assert {tally.received for _, tally in eager.values()} == {length} and len(digests) == 1
        assert not any(tally.gaps for _, tally in eager.values())
        limits = client.request("info")["limits"]
        # What may be queued for each, twice for an array that grows, and some for everything else.
        bound = 200 * 2 * (limits["output_queue_bytes"] + 2 * 65536) // 1024 + 16384
        assert most - before < bound, "%d KiB more, not %d" % (most - before, bound)
        assert client.request("ping") and drained(client, record["id"])["exit"] == {"code": 0}
        for listener in lazy + [listener for listener, _ in eager.values()]:
            listener.close()
        client.request("release", {"processes": record["id"]})
        wire.wait_until(lambda: client.request("info")["counts"]["connections"] == 1)
        wire.wait_until(lambda: resident(server) - before < 8192, what="the memory to be given back")


def test_memory_is_given_back_from_below_what_stays(fresh):
    """Free memory under a small piece that is still in use: the heap does not end there, and its pages go all the same."""
    server = fresh()
    with server.connect() as client:
        before = resident(server)
        half = [server.connect() for _ in range(300)]
        for connection in half:
            connection.send_raw(b'{"x": "' + b"x" * 60000)
        wire.wait_until(lambda: resident(server) - before > 16384, what="300 halves of a message to be held")
        stays = spawn(client, ["sh", "-c", "read x", "x" * 60000], stdin="pipe")
        for connection in half:
            connection.close()
        wire.wait_until(lambda: client.request("info")["counts"]["connections"] == 1)
        wire.wait_until(lambda: resident(server) - before < 4096, what="the memory to be given back")
        kill(client, stays["id"])


def test_two_hundred_subscribers_in_discard_mode(server, client, connect, zoo):
    """Nobody waits for anybody: each one's bytes and gaps add up, and who never reads stops nobody."""
    length = 4 * MIB
    lazy = [connect() for _ in range(50)]
    for listener in lazy:
        subscribe(listener, "all")
    eager = [(connect(), Tally()) for _ in range(50)]
    for listener, _ in eager:
        subscribe(listener, "all", events=["output", "drained"])
    record = spawn(client, [zoo("floods"), str(length)], output={"limit": 65536})
    assert drained(client, record["id"])["exit"] == {"code": 0}, "it ends though nobody has read a byte"
    for listener, tally in eager:
        tally.drain(listener)
        assert tally.received + tally.lost == length == tally.offset


def test_a_flood_delays_nobody_else(client, connect, zoo):
    """Another connection is answered while one is flooded, read or unread."""
    flooded, unread = connect(), connect()
    subscribe(flooded, "all", events=["output"])
    subscribe(unread, "all", events=["output"])
    record = spawn(client, [zoo("floods"), "0"])
    stop = threading.Event()

    def swallow():
        while not stop.is_set():
            flooded.socket.recv(1 << 20)

    thread = threading.Thread(target=swallow)
    thread.start()
    try:
        slowest = 0.0
        for _ in range(300):
            start = time.monotonic()
            client.request("ping")
            slowest = max(slowest, time.monotonic() - start)
        assert read_all(client, spawn(client, ["echo", "on"])["id"]) == b"on\n"
    finally:
        kill(client, record["id"], signal="KILL")
        stop.set()
        spawn(client, ["echo", "the last word for the one who swallows"])
        thread.join(wire.PATIENCE)
    assert slowest < 5, "not a measure of speed: a bound on hanging"


def test_replies_on_the_flooded_connection_itself(client, connect, zoo):
    """They wait behind no more than the queue of output."""
    listener = connect()
    limit = client.request("info")["limits"]["output_queue_bytes"]
    subscribe(listener, "all", events=["output"])
    record = spawn(client, [zoo("floods"), "0"])
    wire.wait_until(lambda: client.request("get", {"process": record["id"]})["streams"]["stdout"]["end"] > 8 * MIB)
    for _ in range(20):
        identifier = listener.start("ping")
        received = 0
        while True:
            body = listener.receive_body()
            if json.loads(body).get("id") == identifier:
                break
            received += len(body)
        # The queue, one message beyond it, and what the kernel holds of both directions (unix(7), wmem_default).
        assert received < limit + 2 * 65536 + 2 * MIB, received
    kill(client, record["id"], signal="KILL")
