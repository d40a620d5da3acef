# SPDX-License-Identifier: Apache-2.0
"""The end of the server: it stops what it runs by each one's rule, within a bound, and leaves nothing."""

import os
import signal

import procfs
import pytest
import serverproc
import wire
from support import failure, gone, install, kill, leased, read_until, ready, spawn


def end_of(server):
    """The exit code of a server that must end by itself."""
    return server.process.wait(wire.PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server(fresh, number):
    server = fresh()
    server.process.send_signal(number)
    assert end_of(server) == 0
    assert not os.path.exists(server.socket)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_as_soon_as_it_can_be_connected_to(number):
    """Signals are watched before the socket listens: there is no moment in which one kills instead of ending."""
    for _ in range(10):
        server = serverproc.Server()
        try:
            server.process.send_signal(number)
            assert end_of(server) == 0 and not os.path.exists(server.socket)
        finally:
            server.end()


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT, "shutdown"])
def test_stubborn_children_are_stopped_by_their_rule(fresh, zoo, way):
    server = fresh()
    with server.connect() as client:
        rule = {"signal": "TERM", "grace_ms": 200}
        stubborn = [ready(client, [zoo("ignores_term")], stop=rule)["pid"] for _ in range(3)]
        crowd = ready(client, [zoo("breeds"), "5"], stop=rule)
        escaping = spawn(client, [zoo("escapes"), "ldsht"], stop=rule)
        escaped = int(read_until(client, escaping["id"], b"\n"))
        held = spawn(client, [zoo("waits")], hold=True)["pid"]
        kind = ready(client, [zoo("handles_term"), "0"])["pid"]
        kill(client, ready(client, [zoo("waits")])["id"], signal="STOP")
        if way == "shutdown":
            assert client.request("shutdown")["stopping"] in (
                7,
                8,
            ), "7 live processes, and a tree whose leader has left"
        else:
            server.process.send_signal(way)
        assert end_of(server) == 0
    for pid in [*stubborn, crowd["pid"], held, kind, escaped]:
        gone(pid)
    wire.wait_until(lambda: not server.leftovers(), what="everything it started to be gone")
    assert not os.path.exists(server.socket)


def test_what_was_forgotten_does_not_outlive_the_server(fresh):
    """A record is released while its tree lives: a child of the server's by then, and a child of that one's."""
    server = fresh()
    with server.connect() as client:
        record = spawn(client, ["sh", "-c", "(sh -c 'sleep 1000 & echo $$ $!; wait') & exit"])
        pids = [int(word) for word in read_until(client, record["id"], b"\n").split()]
        client.request("wait", {"processes": record["id"]})
        client.request("release", {"processes": record["id"]})
        assert all(procfs.alive(pid) for pid in pids)
        client.request("shutdown")
    assert end_of(server) == 0
    for pid in pids:
        gone(pid)


def test_shutdown_answers_first(fresh, zoo):
    server = fresh()
    with server.connect() as client:
        ready(client, [zoo("waits")])
        ready(client, [zoo("waits")])
        assert client.request("shutdown") == {"stopping": 2}
    assert end_of(server) == 0


def test_shutdown_of_an_idle_server(fresh):
    server = fresh()
    with server.connect() as client:
        assert client.request("shutdown") == {"stopping": 0}
        assert client.ended() == b""
    assert end_of(server) == 0


def test_while_it_stops(fresh, zoo):
    """Nothing new starts, what waits is answered, with the reason."""
    server = fresh()
    with server.connect() as client, server.connect() as waiting:
        record = ready(client, [zoo("ignores_term")], stop={"signal": "TERM", "grace_ms": 1500})
        identifier = waiting.start("wait", {"processes": record["id"]})
        waiting.request("ping")
        client.request("shutdown")
        error = failure(spawn, client, ["true"])
        assert error.code == 6 and error.data["reason"] == "shutting_down", error
        assert client.request("get", {"process": record["id"]})["state"] == "running"
        done = waiting.finish(identifier)["done"][0]
        assert done["reason"] == "shutdown" and done["exit"]["signal"] == 9
    assert end_of(server) == 0


def test_a_second_shutdown_is_answered_too(fresh, zoo):
    server = fresh()
    with server.connect() as client:
        ready(client, [zoo("ignores_term")], stop={"grace_ms": 500})
        client.request("shutdown")
        try:
            client.request("shutdown")
        except wire.RpcError as error:
            assert error.code == 6
    assert end_of(server) == 0


def test_other_signals_do_not_end_it(fresh):
    """A child that does not mean us, a terminal that hangs up."""
    server = fresh()
    with server.connect() as client:
        for number in (
            signal.SIGUSR1,
            signal.SIGUSR2,
            signal.SIGPIPE,
            signal.SIGCHLD,
            signal.SIGCONT,
            signal.SIGWINCH,
        ):
            server.process.send_signal(number)
            assert client.request("ping"), number


def test_a_child_cannot_end_its_server_by_mistake(fresh):
    """A program may signal its parent, and nothing can forbid that; USR1 at least is harmless."""
    server = fresh()
    with server.connect() as client:
        record = spawn(client, ["sh", "-c", "kill -USR1 $PPID; exit 3"])
        done = client.request("wait", {"processes": record["id"]})["done"][0]
        assert done["exit"] == {"code": 3} and procfs.alive(server.pid)


def test_a_client_that_does_not_read_does_not_hold_up_the_end(fresh, zoo):
    server = fresh()
    with server.connect() as lazy:
        record = spawn(lazy, [zoo("floods"), str(1 << 20)])
        lazy.request("wait", {"processes": record["id"]})
        lazy.socket.setblocking(False)
        message = b'{"jsonrpc":"2.0","id":1,"method":"read","params":{"process":%d,"limit":1048576}}\n' % record["id"]
        try:
            for _ in range(100):
                lazy.socket.send(message)
        except BlockingIOError:
            pass
        server.process.send_signal(signal.SIGTERM)
        assert end_of(server) == 0


def test_a_killed_server_leaves_programs_alive(fresh, zoo):
    """Said in the README: they live on unmanaged and their pipes break."""
    server = fresh()
    with server.connect() as client:
        pid = ready(client, [zoo("waits")])["pid"]
        server.process.kill()
        server.process.wait(wire.PATIENCE)
        assert client.ended() == b""
    assert procfs.alive(pid)
    os.kill(pid, signal.SIGKILL)
    gone(pid)


def test_a_hanging_start_does_not_hold_up_the_end(fresh, zoo, room):
    server = fresh()
    name = install(zoo("exits"), room, "leased")
    with server.connect() as client, leased(name):
        client.start("spawn", {"argv": [name]})
        wire.wait_until(lambda: procfs.children(server.pid))
        server.process.send_signal(signal.SIGTERM)
        assert end_of(server) == 0
        wire.wait_until(lambda: not server.leftovers(), what="the child that hung to be gone")
