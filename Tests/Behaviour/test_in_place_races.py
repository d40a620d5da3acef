# SPDX-License-Identifier: Apache-2.0
"""Replacements of running programs that meet each other, kills, exits, the end of a connection or of the server."""

import contextlib
import os
import signal

import procfs
import pytest
import wire
from replacing import replace
from subscriptions import subscribe, told
from support import drained, failure, get, kill, read_until, ready, spawn, wait, wait_one


def memory(pid):
    """What a process has to itself, in KiB (proc_pid_smaps(5))."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Private_Dirty:", "Private_Clean:")))


def test_five_hundred_in_a_row(fresh, zoo):
    """The pid, the streams, and what the server holds stay the same."""
    server = fresh()
    with server.connect() as client:
        record = ready(client, [zoo("waits")])

        def turns(count):
            for _ in range(count):
                assert replace(client, record["id"], zoo("waits"))["pid"] == record["pid"]

        turns(100)
        before, descriptors = memory(server.pid), len(server.open_descriptors())
        turns(400)
        assert memory(server.pid) <= before + 512, "the server grows with each replacement"
        assert len(server.open_descriptors()) == descriptors and procfs.threads(server.pid) == 1
        assert get(client, record["id"])["generation"] == 501
        kill(client, record["id"], signal="KILL")
        done = drained(client, record["id"])
        # Not every one of them came to say so before it was replaced; all that did are there.
        said = wire.chunk_of(client.request("read", {"process": record["id"]}))
        assert said and said == b"ready\n" * (done["streams"]["stdout"]["end"] // 6)


@pytest.mark.parametrize("turn", range(20))
def test_kills_meanwhile(connect, zoo, turn):
    """SIGKILL at any moment of three hundred replacements: an exit that says so, and nothing that hangs."""
    client, other = connect(), connect()
    records = [ready(client, [zoo("waits")]) for _ in range(15)]
    for record in records:
        orders = [
            client.start("exec-replace", {"process": record["id"], "argv": [zoo("waits")]}) for _ in range(20)]
        # After as many of them as the number of the record says.
        for order in orders[: records.index(record)]:
            client.finish(order)
        os.kill(record["pid"], signal.SIGKILL)
        for order in orders[records.index(record):]:
            try:
                client.finish(order)
            except wire.RpcError as error:
                assert error.data["kind"] == "wrong_state" and error.data["reason"] == "exited", error
    for done in wait(other, *[record["id"] for record in records], until="drained"):
        assert done["exit"]["signal"] == signal.SIGKILL and done["reason"] == "signalled", done


@pytest.mark.parametrize("turn", range(3))
def test_exits_meanwhile(client, zoo, turn):
    """A program that ends by itself as it is replaced: its own status, or the other program's."""
    seen = set()
    for _ in range(100):
        record = spawn(client, [zoo("exits"), "3"])
        try:
            assert replace(client, record["id"], zoo("exits"), "4")["generation"] == 2
            wanted = 4
        except wire.RpcError as error:
            assert error.data["reason"] == "exited", error
            wanted = 3
        seen.add(wanted)
        assert drained(client, record["id"])["exit"] == {"code": wanted}
    assert seen <= {3, 4}


def test_a_second_one_meanwhile_is_busy(client, connect, zoo):
    record = ready(client, [zoo("in_vfork")], stdin="pipe")
    wire.wait_until(lambda: procfs.children(record["pid"]) and procfs.stat(record["pid"])["state"] == "D")
    order = client.start("exec-replace", {"process": record["id"], "argv": [zoo("exits"), "7"]})
    other = connect()
    wire.wait_until(lambda: failure(replace, other, record["id"], "nosuch").data["reason"] == "busy")
    other.request("write", {"process": record["id"], "data": "x"})
    assert client.finish(order)["argv"] == [zoo("exits"), "7"]
    assert wait_one(client, record["id"])["exit"] == {"code": 7}


def test_one_behind_the_other(client, zoo):
    """Those of one connection, batch members too, are carried out in their order."""
    record = ready(client, [zoo("waits")])
    orders = [client.start("exec-replace", {"process": record["id"], "argv": [zoo("waits"), str(n)]}) for n in range(20)]
    assert [client.finish(order)["generation"] for order in orders] == list(range(2, 22))
    answers = client.batch([("exec-replace", {"process": record["id"], "argv": [zoo("waits"), str(n)]}) for n in range(20)])
    assert [answer["result"]["generation"] for answer in answers] == list(range(22, 42))
    assert get(client, record["id"])["argv"] == [zoo("waits"), "19"]


def test_many_connections_at_one_process(connect, zoo):
    clients = [connect() for _ in range(16)]
    record = ready(clients[0], [zoo("waits")])
    done = 0
    for _ in range(10):
        orders = [client.start("exec-replace", {"process": record["id"], "argv": [zoo("waits")]}) for client in clients]
        for client, order in zip(clients, orders):
            try:
                client.finish(order)
                done += 1
            except wire.RpcError as error:
                assert error.data["reason"] == "busy", error
    assert done >= 10 and get(clients[0], record["id"])["generation"] == done + 1


def test_many_processes_at_once(connect, zoo):
    client = connect()
    records = [ready(client, [zoo("waits")], name="many%d" % number) for number in range(60)]
    clients = [connect() for _ in records]
    for turn in range(3):
        orders = [
            each.start("exec-replace", {"process": record["id"], "argv": [zoo("waits"), str(turn)]})
            for each, record in zip(clients, records)]
        for each, order in zip(clients, orders):
            assert each.finish(order)["generation"] == turn + 2
    orders = [
        each.start("exec-replace", {"process": record["id"], "argv": [zoo("exits"), str(number)]})
        for number, (each, record) in enumerate(zip(clients, records))]
    for each, order in zip(clients, orders):
        each.finish(order)
    assert [done["exit"]["code"] for done in wait(client, *[record["id"] for record in records])] == list(range(60))


def test_it_delays_nobody(client, connect, zoo):
    hard = [ready(client, [zoo("in_vfork")], stdin="pipe") for _ in range(20)]
    orders = []
    for record in hard:
        orders.append((connect(), record))
        orders[-1][0].start("exec-replace", {"process": record["id"], "argv": ["true"]}, identifier="r")
    easy = ready(client, [zoo("waits")])
    assert client.request("ping")
    for record in hard:
        client.request("write", {"process": record["id"], "data": "x"})
    assert replace(client, easy["id"], zoo("exits"), "3")["generation"] == 2
    assert wait_one(client, easy["id"])["exit"] == {"code": 3}
    for each, record in orders:
        assert each.finish("r")["generation"] == 2


def test_whoever_asked_goes_away(client, connect, zoo):
    """The replacement is carried out all the same, and its process is as free as any."""
    for _ in range(20):
        record = ready(client, [zoo("waits")])
        asking = connect()
        asking.start("exec-replace", {"process": record["id"], "argv": [zoo("exits"), "9"]})
        asking.close()
        done = wire.wait_until(lambda: settled(client, record))
        assert done["generation"] == 2 and done["exit"] == {"code": 9}


def settled(client, record):
    now = get(client, record["id"])
    return now if now["state"] == "exited" else None


def test_it_is_not_called_back(client, connect, zoo):
    """$/cancelRequest: what is half done cannot be undone; it is answered as it comes out."""
    record = ready(client, [zoo("in_vfork")], stdin="pipe")
    order = client.start("exec-replace", {"process": record["id"], "argv": [zoo("exits"), "7"]})
    client.notify("$/cancelRequest", {"id": order})
    connect().request("write", {"process": record["id"], "data": "x"})
    assert client.finish(order)["generation"] == 2
    assert wait_one(client, record["id"])["exit"] == {"code": 7}


def test_a_lease_does_not_run_out_meanwhile(client, connect, zoo):
    record = ready(client, [zoo("in_vfork")], stdin="pipe", lifetime={"lease_ms": 300})
    wire.wait_until(lambda: procfs.children(record["pid"]) and procfs.stat(record["pid"])["state"] == "D")
    error = failure(replace, client, record["id"], "true", start_timeout_ms=900)
    assert error.data["reason"] == "vfork" and get(client, record["id"])["state"] == "running"


def test_shutdown_meanwhile(fresh, zoo):
    server = fresh()
    with server.connect() as client, server.connect() as other, server.connect() as watcher:
        hard = ready(client, [zoo("in_vfork")], stdin="pipe", stop={"signal": "TERM", "grace_ms": 200})
        record = ready(client, [zoo("waits")])
        subscribe(watcher, [hard["id"], record["id"]], events=["exited"])
        client.start("exec-replace", {"process": hard["id"], "argv": ["true"]})
        other.start("exec-replace", {"process": record["id"], "argv": [zoo("waits")]})
        with contextlib.suppress(wire.Closed):
            watcher.request("shutdown")
            told(watcher, "exited")
            watcher.ended()
        assert server.process.wait(20) == 0
    for pid in (hard["pid"], record["pid"]):
        assert not procfs.alive(pid)


def test_nothing_is_replaced_during_shutdown(fresh, zoo):
    server = fresh()
    with server.connect() as client, server.connect() as other:
        record = ready(client, [zoo("ignores_term")], stop={"signal": "TERM", "grace_ms": 600})
        client.request("shutdown")
        error = failure(replace, other, record["id"], "true")
        assert error.data["kind"] == "wrong_state" and error.data["reason"] == "shutting_down"
        assert server.process.wait(20) == 0


@pytest.mark.parametrize("turn", range(15))
def test_the_server_is_killed_meanwhile(fresh, zoo, turn):
    """The process runs the one program or the other, or has been killed with it; it never runs in disorder."""
    server = fresh()
    with server.connect() as client:
        record = ready(client, [zoo("waits")])
        for _ in range(turn * 2):
            client.start("exec-replace", {"process": record["id"], "argv": [zoo("waits")]})
        server.process.kill()
        server.process.wait(20)
    wire.wait_until(lambda: procfs.left_alone(record["pid"]))
    if procfs.alive(record["pid"]):
        assert os.readlink("/proc/%d/exe" % record["pid"]) == os.path.realpath(zoo("waits"))
        os.kill(record["pid"], signal.SIGTERM)
        wire.wait_until(lambda: not procfs.alive(record["pid"]))


def test_a_process_that_is_killed_with_its_tree(client, connect, zoo):
    """The kill takes all of it, whatever program it is by then."""
    other = connect()
    for _ in range(20):
        record = ready(client, ["sh", "-c", "sleep 1000 & echo ready; wait"])
        order = client.start("exec-replace", {"process": record["id"], "argv": ["sh", "-c", "sleep 1000 & wait"]})
        entry = kill(other, record["id"], signal="KILL", wait=True)[0]
        assert entry["survivors"] == []
        with contextlib.suppress(wire.RpcError):
            client.finish(order)
        assert wait_one(other, record["id"])["exit"]["signal"] == signal.SIGKILL


def test_output_is_whole_after_many_replacements(client, zoo):
    """Each program says one line and is replaced when it has been read; none is lost, doubled or out of order."""
    program = "echo $0; read x"
    record = spawn(client, ["sh", "-c", program, "0"], stdin="pipe")
    expected = b"0\n"
    for number in range(1, 60):
        assert read_until(client, record["id"], expected) == expected
        replace(client, record["id"], "sh", "-c", program, str(number))
        expected += b"%d\n" % number
    assert read_until(client, record["id"], expected) == expected
    kill(client, record["id"], signal="KILL")
    assert wait_one(client, record["id"])["generation"] == 60
