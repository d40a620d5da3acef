# SPDX-License-Identifier: Apache-2.0
"""A thousand processes, hundreds of connections: all known, nothing left."""

import procfs
import pytest
import wire
from support import kill, spawn


def test_a_thousand_processes(fresh, zoo):
    """Spawned over one connection, batch by batch; waited for from another."""
    server = fresh()
    with server.connect() as spawning, server.connect() as waiting:
        ids = []
        for batch in range(10):
            answers = spawning.batch(
                [
                    ("spawn", {"argv": [zoo("exits"), str((batch * 100 + n) % 256)], "labels": {"batch": str(batch)}})
                    for n in range(100)
                ]
            )
            ids += [answer["result"]["id"] for answer in answers]
        done = waiting.request("wait", {"processes": ids, "until": "drained"}, timeout=120)["done"]
        by_id = {record["id"]: record for record in done}
        assert len(by_id) == 1000
        assert [by_id[process]["exit"] for process in ids] == [{"code": n % 256} for n in range(1000)]
        assert len(waiting.request("release", {"processes": "all"})["released"]) == 1000
        counts = waiting.request("info")["counts"]
        assert counts["processes"] == 0, counts
    assert not procfs.children(server.pid)


def test_a_thousand_alive_at_once(fresh, zoo):
    server = fresh()
    with server.connect() as client, server.connect() as other:
        params = {"argv": [zoo("waits")], "stdout": "null", "stderr": "null"}
        for _ in range(10):
            assert all("result" in answer for answer in client.batch([("spawn", params)] * 100))
        identifier = other.start("wait", {"processes": "all"})
        other.request("ping")
        assert client.request("info")["counts"]["running"] == 1000
        entries = kill(client, "all", signal="KILL", wait=True)
        assert len(entries) == 1000 and all(entry["survivors"] == [] for entry in entries)
        assert len(other.finish(identifier, timeout=120)["done"]) == 1000
        client.request("release", {"processes": "all"})
    assert not server.leftovers()


def test_what_has_ended_holds_no_environment(fresh):
    """Only its record is kept; what it was started with is the larger part, and nobody's any more."""
    server = fresh()
    large = {"LARGE%d" % number: "x" * 100000 for number in range(6)}
    with server.connect() as client:
        before = int(procfs.status(server.pid, "RssAnon").split()[0])
        for _ in range(100):
            record = spawn(client, ["true"], env=large)
            client.request("wait", {"processes": [record["id"]], "until": "drained"})
        grown = int(procfs.status(server.pid, "RssAnon").split()[0]) - before
    assert grown < 24 << 10, "%d KiB for a hundred records" % grown


def test_the_arguments_of_what_has_ended_are_bounded(fresh):
    """Nearly 2 MiB each, as many as somebody likes: the oldest records go, and who asks for them is told."""
    server = fresh()
    with server.connect() as client:
        most = client.request("info")["limits"]["retained_record_bytes"]
        argv = ["true"] + ["x" * 120000] * 15
        each = len("true") + 15 * 120000
        before = int(procfs.status(server.pid, "RssAnon").split()[0])
        ids = []
        for _ in range(most // each + 20):
            ids.append(spawn(client, argv, file="true", stdout="null", stderr="null")["id"])
            client.request("wait", {"processes": ids[-1]})
        grown = int(procfs.status(server.pid, "RssAnon").split()[0]) - before
        assert grown < 2 * most >> 10, "%d KiB for records of %d" % (grown, most >> 10)
        kept = [record["id"] for record in client.request("list")["processes"]]
        assert len(kept) * each <= most < (len(kept) + 1) * each
        assert kept == ids[-len(kept) :], "the oldest went"
        with pytest.raises(wire.RpcError) as refusal:
            client.request("get", {"process": ids[0]})
        assert refusal.value.data["reason"] == "forgotten"


def test_what_lives_holds_one_descriptor(fresh, zoo):
    """Of thousands that only live the server has the pidfd: a limit of 20,000 descriptors is enough for 10,000 processes.
    Their cgroups' files are opened again when somebody asks for members, kills or they end."""
    server = fresh()
    with server.connect() as client:
        params = {"argv": [zoo("waits")], "stdout": "null", "stderr": "null"}
        before = len(procfs.descriptors(server.pid))
        few, lots = 64, 400
        ids = []
        for _ in range(lots // 100):
            ids += [answer["result"]["id"] for answer in client.batch([("spawn", params)] * 100)]
        held = len(procfs.descriptors(server.pid)) - before
        assert held <= lots + 2 * few + 8, held
        last = client.request("get", {"process": ids[-1], "members": True})
        assert [member["pid"] for member in last["members"]] == [last["pid"]]
        assert all(entry["survivors"] == [] for entry in kill(client, "all", signal="TERM", wait=True))
        wire.wait_until(lambda: len(procfs.descriptors(server.pid)) - before <= 2 * few + 8)


def test_a_thousand_captured_at_once(fresh, zoo):
    """With two pipes each: more descriptors than the usual soft limit."""
    server = fresh()
    with server.connect() as client:
        for _ in range(10):
            assert all("result" in answer for answer in client.batch([("spawn", {"argv": [zoo("waits")]})] * 100))
        wire.wait_until(
            lambda: all(record["streams"]["stdout"]["end"] == 6 for record in client.request("list", {})["processes"])
        )
        kill(client, "all", signal="KILL", wait=True)
        assert len(client.request("wait", {"processes": "all", "until": "drained"})["done"]) == 1000


def test_hundreds_of_connections(fresh):
    server = fresh()
    clients = [server.connect() for _ in range(500)]
    try:
        for client in clients:
            client.start("ping", identifier="p")
        assert all(client.finish("p")["instance"] for client in clients)
        assert clients[0].request("info")["counts"]["connections"] == 500
    finally:
        for client in clients:
            client.close()
    with server.connect() as client:
        wire.wait_until(lambda: client.request("info")["counts"]["connections"] == 1)


def test_the_connection_limit(fresh):
    """1,024 are served; the next one waits at the door, or is told so, and disturbs none of them."""
    server = fresh()
    clients = [server.connect() for _ in range(1024)]
    try:
        for client in clients:
            client.start("ping", identifier="p")
        for client in clients:
            assert client.finish("p")["instance"]
        with server.connect() as extra:
            extra.start("ping", identifier="p")
            assert clients[0].request("info")["counts"]["connections"] == 1024
            clients.pop().close()
            try:
                assert extra.finish("p")["instance"], "there is room once one has left"
            except (wire.RpcError, wire.Closed) as refused:
                assert isinstance(refused, wire.Closed) or refused.data["kind"] == "limit_reached"
        assert clients[0].request("ping")
    finally:
        for client in clients:
            client.close()


def test_connections_that_come_and_go(client, connect):
    for _ in range(300):
        connect().close()
    assert client.request("ping")


def test_a_long_pipeline(client):
    """Thousands of requests in one stream, answered in one stream; neither side waits for the other."""
    ping = b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % n for n in range(20000))
    client.pour(ping)
    assert [client.receive()["id"] for _ in range(20000)] == list(range(20000))


def test_spawn_and_forget(client):
    ids = [spawn(client, ["true"])["id"] for _ in range(100)]
    client.request("wait", {"processes": ids, "until": "drained"})
    assert client.request("release", {"processes": ids}) == {"released": ids}


def test_one_that_never_reads_costs_a_bounded_number_of_events(fresh, zoo):
    """Whoever takes nothing while thousands of things happen is told so in the end; nothing is left out before."""
    server = fresh()
    with server.connect() as deaf, server.connect() as eager, server.connect() as client:
        params = {"argv": [zoo("waits")], "stdout": "null", "stderr": "null"}
        ids = [answer["result"]["id"] for answer in client.batch([("spawn", params)] * 100)]
        events = {"events": ["stopped", "continued"]}
        subscription = deaf.request("subscribe", events)["subscription"]
        eager.request("subscribe", events)
        happened = 0
        # So many may wait, and some more are on their way in the kernel.
        while happened < client.request("info")["limits"]["events_waiting"] + 10000:
            for signal, event in (("STOP", "stopped"), ("CONT", "continued")):
                kill(client, ids, signal=signal, scope="process")
                assert {eager.notification()[0] for _ in ids} == {event}
                happened += len(ids)
        told = {process: [] for process in ids}
        name, params = deaf.notification()
        while name != "subscription_ended":
            told[params["process"]].append(name)
            name, params = deaf.notification()
        assert params == {"subscription": subscription, "reason": "stalled"}
        assert all(set(names[0::2]) == {"stopped"} for names in told.values())
        assert all(set(names[1::2]) <= {"continued"} for names in told.values())
        assert deaf.request("ping") and not deaf.notifications
        kill(client, "all", signal="KILL", wait=True)
