# SPDX-License-Identifier: Apache-2.0
"""Descriptors on the wire (SCM_RIGHTS): they belong to one message, by index; what it does not use is closed."""

import contextlib
import json
import os
import resource
import signal
import socket
import struct

import pytest
import wire
from support import drained, failure, output_of, pipe, probe, read_to_end, spawn


@contextlib.contextmanager
def many(count):
    """That many descriptors of our own."""
    descriptors = []
    try:
        for _ in range(count):
            descriptors.append(os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC))
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def spawn_line(client, identifier, **params):
    body = {"jsonrpc": "2.0", "id": identifier, "method": "spawn", "params": params}
    return client.frame(json.dumps(body).encode())


@pytest.mark.parametrize("index", [1, 2, 253, 10**9])
def test_an_index_out_of_range(client, index):
    with pipe() as (read_end, write_end):
        error = failure(spawn, client, ["true"], [write_end], stdout={"fd": index})
        assert error.code == -32602 and error.data["path"] == "stdout.fd", error
        os.close(write_end)
        assert read_to_end(read_end) == b"", "the one that came was closed"


@pytest.mark.parametrize(
    "method, params",
    [("ping", {}), ("nosuch", {}), ("spawn", {"argv": []}), ("spawn", {"argv": ["true"]}), ("get", {"process": 10**9})],
)
@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_unused_ones_are_closed(connect, method, params, framing):
    client = connect(framing)
    with pipe() as (read_end, write_end):
        with contextlib.suppress(wire.RpcError):
            client.request(method, params, [write_end, write_end])
        os.close(write_end)
        assert read_to_end(read_end) == b""


def test_those_of_a_broken_message_are_closed(client):
    with pipe() as (read_end, write_end):
        client.send_raw(b"{broken\n", [write_end])
        os.close(write_end)
        assert client.receive()["error"]["code"] == -32700
        assert read_to_end(read_end) == b""


def test_those_of_a_notification_are_closed(client):
    with pipe() as (read_end, write_end):
        client.send_raw(b'{"jsonrpc":"2.0","method":"nosuch"}\n', [write_end])
        os.close(write_end)
        assert read_to_end(read_end) == b""
        assert client.request("ping")


def test_those_of_a_message_never_finished_are_closed(connect):
    client = connect()
    with pipe() as (read_end, write_end):
        client.send_raw(b'{"jsonrpc":', [write_end])
        os.close(write_end)
        client.close()
        assert read_to_end(read_end) == b""


def test_one_index_several_times(client, room):
    with open(room / "f", "w+b") as file:
        record = spawn(
            client,
            ["sh", "-c", "echo a; echo b >&2; echo c >&9"],
            [file.fileno()],
            stdout={"fd": 0},
            stderr={"fd": 0},
            fds={"9": 0},
        )
        assert drained(client, record["id"])["exit"] == {"code": 0}
    assert (room / "f").read_bytes() == b"a\nb\nc\n"


def test_a_batch_is_one_message(client):
    with pipe() as (first_read, first_write), pipe() as (second_read, second_write):
        answers = client.batch(
            [
                ("spawn", {"argv": ["echo", "one"], "stdout": {"fd": 1}}),
                ("ping", {}),
                ("spawn", {"argv": ["echo", "two"], "stdout": {"fd": 0}}),
                ("spawn", {"argv": ["echo", "three"], "stdout": {"fd": 1}}),
                ("spawn", {"argv": ["echo", "four"], "stdout": {"fd": 2}}),
            ],
            [first_write, second_write],
        )
        os.close(first_write)
        os.close(second_write)
        assert read_to_end(first_read) == b"two\n"
        assert sorted(read_to_end(second_read).split()) == [b"one", b"three"]
        assert [("error" in answer) for answer in answers] == [False, False, False, False, True]
        assert answers[4]["error"]["code"] == -32602


def test_they_belong_to_their_own_message_only(client):
    """The next message starts again at index 0, and finds none of the earlier ones."""
    with pipe() as (read_end, write_end):
        client.send_raw(spawn_line(client, "a", argv=["true"]), [write_end])
        client.send_raw(spawn_line(client, "b", argv=["true"], stdout={"fd": 0}))
        assert client.finish("a")["id"]
        assert failure(client.finish, "b").code == -32602
        os.close(write_end)
        assert read_to_end(read_end) == b""


def test_several_messages_each_with_their_own(client):
    with contextlib.ExitStack() as stack:
        pipes = [stack.enter_context(pipe()) for _ in range(10)]
        for number, (_, write_end) in enumerate(pipes):
            client.send_raw(spawn_line(client, number, argv=["echo", str(number)], stdout={"fd": 0}), [write_end])
            os.close(write_end)
        for number, (read_end, _) in enumerate(pipes):
            assert read_to_end(read_end) == b"%d\n" % number
            assert client.finish(number)["argv"][1] == str(number)


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_a_message_in_pieces_with_descriptors_on_each(connect, framing):
    """Counted in the order they came; each belongs to the message that holds the last byte returned with it."""
    client = connect(framing)
    with pipe() as (out_read, out_write), pipe() as (err_read, err_write):
        line = spawn_line(client, "x", argv=["sh", "-c", "echo out; echo err >&2"], stdout={"fd": 0}, stderr={"fd": 1})
        client.send_raw(line[:30], [out_write])
        client.send_raw(line[30:60])
        client.send_raw(line[60:], [err_write])
        assert client.finish("x")["id"]
        os.close(out_write)
        os.close(err_write)
        assert read_to_end(out_read) == b"out\n" and read_to_end(err_read) == b"err\n"


def test_the_most_one_message_may_have(client, zoo):
    with many(253) as descriptors:
        seen = probe(client, zoo, descriptors=descriptors, fds={str(100 + n): n for n in range(253)})
    assert set(seen["fds"]) == {"0", "1", "2"} | {str(100 + n) for n in range(253)}


def test_more_than_one_message_may_have(client):
    with many(200) as descriptors:
        line = spawn_line(client, "x", argv=["true"], stdin={"fd": 0})
        client.send_raw(line[:20], descriptors)
        client.send_raw(line[20:], descriptors)
        error = failure(client.finish, "x")
        assert error.code == 8 and error.data["kind"] == "limit_reached", error
        assert error.data["maximum"] == 253 and "descriptors" in error.data["limit"]
    assert output_of(client, ["echo", "on"])[1] == b"on\n"


def test_a_server_out_of_descriptors_says_so(fresh):
    """MSG_CTRUNC fails that message with limit_reached, and nothing else."""
    server = fresh(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    with server.connect() as client, many(100) as descriptors:
        error = failure(spawn, client, ["true"], descriptors, stdin={"fd": 0})
        assert error.code == 8 and error.data["kind"] == "limit_reached", error
        assert client.request("ping")
        assert output_of(client, ["echo", "on"])[1] == b"on\n"


def test_many_descriptors_do_not_leak(client):
    """The audit after the test counts."""
    with many(253) as descriptors:
        for _ in range(20):
            client.request("ping", {}, descriptors)
            failure(spawn, client, ["nosuch"], descriptors, stdin={"fd": 252})


def test_in_one_sendmsg_with_other_messages(client):
    """A sender who glues breaks the rule for senders; the server stays unharmed and leaks nothing."""
    with pipe() as (read_end, write_end):
        ping = b'{"jsonrpc":"2.0","id":"p","method":"ping"}\n'
        client.send_raw(ping + spawn_line(client, "s", argv=["echo", "x"], stdout={"fd": 0}), [write_end])
        os.close(write_end)
        assert client.finish("p")["instance"]
        with contextlib.suppress(wire.RpcError):
            client.finish("s")
        read_to_end(read_end)


def lingering(listener):
    """A connection whose close(2) waits for its peer (SO_LINGER, socket(7)), and the peer's end."""
    connection = socket.create_connection(listener.getsockname())
    peer = listener.accept()[0]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            connection.send(bytes(65536))
    return connection, peer


def test_closes_that_hang_and_what_info_tries(fresh):
    """The threads that close them go on with the server's own table of descriptors: the audit finds none left."""
    server = fresh()
    with server.connect() as client, contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        pairs = [lingering(listener) for _ in range(10)]
        for _, peer in pairs:
            stack.callback(peer.close)
        # Ours are closed first: only the last close waits.
        server.process.send_signal(signal.SIGSTOP)
        identifier = client.start("ping", {}, [connection.fileno() for connection, _ in pairs])
        for connection, _ in pairs:
            connection.close()
        server.process.send_signal(signal.SIGCONT)
        client.finish(identifier)
        assert client.request("info")["kernel"]["close_range_unshare"] is True
