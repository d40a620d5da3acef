# SPDX-License-Identifier: Apache-2.0
"""exec-replace of the connection: the caller is replaced by a program that has the socket as its stdin and stdout."""

import json
import os
import socket
import sys

import pytest
import wire
from support import drained, failure, get, pipe, ready, spawn, unfold, wait_one


def request(client, identifier=1, **params):
    """The bytes of an exec-replace request in the client's framing."""
    body = json.dumps(
        {"jsonrpc": "2.0", "id": identifier, "method": "exec-replace", "params": dict(params, connection=True)}
    )
    return client.frame(body.encode())


def program_of(other, name):
    """The record of the program that took a connection, once it is there."""
    return wire.wait_until(lambda: (other.request("list", {"name": name})["processes"] or [None])[0])


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_the_program_speaks_on_the_socket(connect, zoo, framing):
    client, other = connect(framing), connect()
    client.send_raw(request(client, argv=[zoo("speaks")], name="speaks"))
    client.framing = "lines"
    assert client.receive_body() == b"hello", "silence is success: the program's first byte is the first byte"
    client.send_raw(b"12345\n")
    assert client.receive_body() == b"5"
    client.send_raw(b"quit\n")
    assert client.ended() == b""
    record = wait_one(other, program_of(other, "speaks")["id"])
    assert record["exit"] == {"code": 4} and record["argv"] == [zoo("speaks")]


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_bytes_behind_the_first_message_belong_to_the_program(connect, framing):
    client = connect(framing)
    client.send_raw(request(client, argv=["cat"]) + b"behind\x00\xff it\n")
    client.framing = "lines"
    assert client.receive_body() == b"behind\x00\xff it"
    client.half_close()
    assert client.ended() == b""


def test_many_bytes_behind_the_first_message(connect):
    client = connect()
    data = bytes(range(256)) * 2000
    came = client.pour(request(client, argv=["cat"]) + data)
    client.half_close()
    assert (came if len(came) == len(data) else client.ended()) == data


def test_a_first_message_that_comes_in_pieces(connect):
    client = connect()
    message = request(client, argv=["cat"])
    for at in range(0, len(message), 7):
        client.send_raw(message[at : at + 7])
    client.send_raw(b"rest\n")
    assert client.receive_body() == b"rest"


def test_after_other_requests(connect):
    client = connect()
    assert client.request("ping") and client.request("info")
    client.send_raw(request(client, argv=["sh", "-c", "echo started; cat"]))
    assert client.receive_body() == b"started"
    client.send_raw(b"more\n")
    assert client.receive_body() == b"more"


def test_later_on_bytes_already_read_are_wrong_state(connect):
    client = connect()
    assert client.request("ping")
    ping = client.frame(b'{"jsonrpc":"2.0","id":"after","method":"ping"}')
    client.send_raw(request(client, "x", argv=["cat"]) + ping)
    error = failure(client.finish, "x")
    assert error.code == 6 and error.data["kind"] == "wrong_state" and error.data["reason"] == "input_buffered", error
    assert client.finish("after")["instance"], "the connection is usable, what was behind is served"


def test_the_programs_descriptors(connect, zoo):
    client, other = connect(), connect()
    client.send_raw(request(client, argv=[zoo("probe")], name="probe"))
    seen = unfold(client.receive_body())
    assert client.ended() == b""
    assert set(seen["fds"]) == {"0", "1", "2"}
    assert seen["fds"]["0"]["target"].startswith("socket:") and seen["fds"]["0"]["target"] == seen["fds"]["1"]["target"]
    assert not any(item["nonblock"] for item in seen["fds"].values()), "given over blocking"
    assert wait_one(other, program_of(other, "probe")["id"])["exit"] == {"code": 0}


def test_descriptors_passed_along(connect):
    client = connect()
    with pipe() as (in_read, in_write), pipe() as (out_read, out_write):
        client.send_raw(request(client, argv=["cat"], stdin={"fd": 0}, stdout={"fd": 1}), [in_read, out_write])
        os.close(in_read)
        os.close(out_write)
        os.write(in_write, b"by pipes")
        os.close(in_write)
        data = b""
        while len(data) < 8:
            data += os.read(out_read, 100)
        assert data == b"by pipes"
        assert client.ended() == b"", "no answer on success"


def test_the_other_parameters_of_spawn(connect, zoo, room):
    client = connect()
    client.send_raw(
        request(
            client,
            argv=["x"],
            file=zoo("probe"),
            cwd=str(room),
            env_base="empty",
            env={"A": "1"},
            umask=0o11,
            labels={"k": "v"},
        )
    )
    seen = unfold(client.receive_body())
    assert seen["argv"] == [b"x"] and seen["env"] == {b"A": b"1"} and seen["umask"] == 0o11
    assert seen["cwd"] == os.fsencode(os.path.realpath(room))


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_a_failing_start_is_answered_and_the_connection_goes_on(connect, framing):
    client = connect(framing)
    for identifier in ("first", "later"):
        client.send_raw(request(client, identifier, argv=["nosuch"]))
        error = failure(client.finish, identifier)
        assert error.code == 4 and error.data["kind"] == "exec_failed", error
        assert (error.data["stage"], error.data["errno_name"], error.data["path"]) == ("exec", "ENOENT", "nosuch")
        assert client.request("ping")["instance"]
    assert client.request("list", {})["processes"] == []
    client.send_raw(request(client, argv=["echo", "now"]))
    client.framing = "lines"
    assert client.receive_body() == b"now"


def test_a_failing_first_message_with_bytes_behind(client):
    """They were not the program's after all."""
    ping = b'{"jsonrpc":"2.0","id":"after","method":"ping"}\n'
    client.send_raw(request(client, "x", argv=["nosuch"]) + ping)
    assert failure(client.finish, "x").code == 4
    assert client.finish("after")["instance"]


def test_in_a_batch_it_is_wrong_state(client):
    answers = client.batch([("ping", {}), ("exec-replace", {"connection": True, "argv": ["cat"]})])
    assert "result" in answers[0]
    assert answers[1]["error"]["code"] == 6 and answers[1]["error"]["data"]["kind"] == "wrong_state"
    assert client.request("ping")


def test_with_requests_pending_it_is_wrong_state(client, zoo):
    record = ready(client, [zoo("waits")])
    identifier = client.start("wait", {"processes": record["id"]})
    client.request("ping")
    client.send_raw(request(client, "x", argv=["cat"]))
    assert failure(client.finish, "x").code == 6
    client.request("kill", {"processes": record["id"], "signal": "KILL"})
    assert client.finish(identifier)["done"]


def test_with_processes_that_live_with_the_connection_it_is_wrong_state(client, zoo):
    record = ready(client, [zoo("waits")], lifetime="connection")
    client.send_raw(request(client, "x", argv=["cat"]))
    assert failure(client.finish, "x").code == 6
    assert get(client, record["id"])["state"] == "running"
    client.request("kill", {"processes": record["id"], "signal": "KILL"})


@pytest.mark.parametrize("lifetime", ["detached", "connection"])
def test_the_connection_is_no_peer_any_more(connect, zoo, lifetime):
    """The end of the socket is the program's affair: the server neither reads it nor kills for it, if detached."""
    client, other = connect(), connect()
    before = other.request("info")["counts"]["connections"]
    try:
        client.send_raw(request(client, argv=[zoo("waits")], name="taken", lifetime=lifetime))
        assert client.receive_body() == b"ready"
    except AssertionError:
        assert lifetime == "connection", "a lifetime bound to a connection that is given away may be refused"
        return
    record = program_of(other, "taken")
    assert other.request("info")["counts"]["connections"] == before - 1
    client.close()
    if lifetime == "detached":
        for _ in range(20):
            assert get(other, record["id"])["state"] == "running"
    other.request("kill", {"processes": record["id"], "signal": "KILL"})
    assert drained(other, record["id"])["exit"]["signal"] == 9


def test_as_a_notification_it_works_too(connect):
    client = connect()
    message = {"jsonrpc": "2.0", "method": "exec-replace", "params": {"connection": True, "argv": ["echo", "hi"]}}
    client.send(message)
    assert client.receive_body() == b"hi"


def test_a_language_server_in_small(connect, zoo, room):
    """An editor's way: say one line, then speak Content-Length to the program, with nobody in between."""
    server = room / "lsp.py"
    server.write_text(
        "import sys\n"
        "header = sys.stdin.buffer.readline(); sys.stdin.buffer.readline()\n"
        "body = sys.stdin.buffer.read(int(header.split(b':')[1]))\n"
        "sys.stdout.buffer.write(b'Content-Length: %d\\r\\n\\r\\n%s' % (len(body), body)); sys.stdout.buffer.flush()\n"
    )
    client = connect("headers")
    client.send_raw(request(client, argv=[sys.executable, str(server)]))
    client.send({"jsonrpc": "2.0", "id": 0, "method": "initialize"})
    assert client.receive() == {"jsonrpc": "2.0", "id": 0, "method": "initialize"}


def test_a_program_that_is_replaced_as_spawned_ones_are(connect):
    client, other = connect(), connect()
    client.send_raw(request(client, argv=["sh", "-c", "echo err >&2; echo out"], name="errs"))
    assert client.receive_body() == b"out"
    record = drained(other, program_of(other, "errs")["id"])
    assert record["state"] == "exited" and record["generation"] >= 1
    assert client.socket.family == socket.AF_UNIX and spawn(other, ["true"])["id"] > record["id"]
