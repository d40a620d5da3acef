# SPDX-License-Identifier: Apache-2.0
"""How messages are cut out of the stream: lines, Content-Length, glued, split, broken, too long."""

import json
import random

import pytest

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
MESSAGE_LIMIT = 16 << 20


def alive(connect):
    """The server still serves: on a connection that has nothing to do with the broken one."""
    assert "instance" in connect().request("ping")


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_replies_use_the_framing_of_the_request(connect, framing):
    client = connect(framing)
    assert client.request("ping")["instance"]
    assert client.request("ping")["instance"]


def test_a_reply_is_one_line(client):
    client.send_raw(PING + b"\n")
    body = client.receive_body()
    assert json.loads(body)["id"] == 1 and b"\r" not in body


def test_the_first_header_is_content_length_spelled_so(client):
    client.send_raw(b"Content-Length: %d\r\n\r\n%s" % (len(PING), PING))
    client.framing = "headers"
    assert client.receive()["id"] == 1


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: %d\r\n\r\n",
        b"content-length: %d\r\n\r\n",
        b"CONTENT-LENGTH:%d\r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
        b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n",
        b"content-type: application/json\r\nx-other: 1\r\ncontent-LENGTH: %d\r\n\r\n",
    ],
)
def test_headers_in_any_case_and_further_ones(client, header):
    client.framing = "headers"
    client.send_raw(header % len(PING) + PING)
    assert client.receive()["id"] == 1
    client.send_raw(header % len(PING) + PING)
    assert client.receive()["id"] == 1


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_glued_messages(connect, framing):
    client = connect(framing)
    client.send_raw(client.frame(PING) * 50)
    for _ in range(50):
        assert client.receive()["id"] == 1


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_split_at_every_byte(connect, framing):
    client = connect(framing)
    for byte in client.frame(PING) * 2:
        client.send_raw(bytes([byte]))
    assert client.receive()["id"] == 1
    assert client.receive()["id"] == 1


def test_blank_lines_are_ignored(client):
    client.send_raw(b"\n\r\n  \n" + PING + b"\r\n\n\n" + PING + b"\n")
    assert client.receive()["id"] == 1
    assert client.receive()["id"] == 1


def test_a_last_line_without_newline_is_a_message(client):
    client.send_raw(PING)
    client.half_close()
    assert client.receive()["id"] == 1
    assert client.ended() == b""


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_half_a_message_and_a_close(connect, framing):
    for end in (1, 10, len(PING) - 1):
        client = connect(framing)
        client.send_raw(client.frame(PING)[:end])
        client.close()
    alive(connect)


def test_half_a_line_and_a_half_close_is_a_parse_error(client):
    client.send_raw(PING[:20])
    client.half_close()
    answer = client.receive()
    assert answer["id"] is None and answer["error"]["code"] == -32700
    assert client.ended() == b""


def test_a_body_cut_short_ends_the_connection(connect):
    client = connect("headers")
    client.send_raw(b"Content-Length: 100\r\n\r\n" + PING)
    client.half_close()
    came = client.ended()
    assert b'"result"' not in came
    alive(connect)


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: abc\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"Content-Length:\r\n\r\n",
        b"Content-Type: application/json\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"X" * 70000,
    ],
)
def test_malformed_headers_are_an_error_and_the_end(connect, header):
    client = connect("headers")
    client.pour(header)
    client.half_close()
    came = client.ended()
    assert b'"error"' in came and b'"result"' not in came
    alive(connect)


def test_one_mebibyte_of_garbage(connect):
    for seed in range(6):
        garbage = bytearray(random.Random(seed).randbytes(1 << 20)) if seed else bytearray(b"\0" * (1 << 20))
        if seed == 1:
            garbage[0:1] = b"{"
        if seed == 2:
            garbage[0:1] = b"C"
        client = connect()
        client.pour(garbage)
        client.half_close()
        client.ended()
        alive(connect)


def test_each_bad_line_is_answered_and_the_connection_goes_on(client):
    client.send_raw(b'{"jsonrpc": \n[1,\n{nope}\n' + PING + b"\n")
    for _ in range(3):
        answer = client.receive()
        assert answer["id"] is None and answer["error"]["code"] == -32700
        assert set(answer["error"]["data"]) >= {"kind", "line", "column"}
        assert answer["error"]["data"]["kind"] == "parse_error"
    assert client.receive()["id"] == 1


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}"), (b"[", b"")])
def test_ten_thousand_nested_brackets(client, opening, closing):
    client.send_raw(opening * 10000 + (b"1" + closing * 10000 if closing else b"") + b"\n" + PING + b"\n")
    error = client.receive()["error"]
    assert error["code"] in (-32700, 8), error
    assert client.receive()["id"] == 1


def test_nesting_within_the_limit_is_read(client):
    params = 1
    for _ in range(400):
        params = [params]
    client.send({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [params]})
    assert client.receive()["error"]["code"] == -32602


@pytest.mark.parametrize("framing", ["lines", "headers"])
def test_a_message_over_the_limit(connect, framing):
    client = connect(framing)
    client.pour(client.frame(b'"' + b"x" * MESSAGE_LIMIT + b'"') + client.frame(PING))
    answer = client.receive()
    assert answer["id"] is None and answer["error"]["code"] == 8, answer
    assert answer["error"]["data"]["kind"] == "limit_reached"
    assert answer["error"]["data"]["limit"] == "message_bytes"
    assert answer["error"]["data"]["maximum"] == MESSAGE_LIMIT
    assert client.receive()["id"] == 1


def test_a_large_message_within_the_limit(client):
    client.pour(b'{"jsonrpc":"2.0","id":7,"method":"ping","params":["' + b"x" * (8 << 20) + b'"]}\n')
    answer = client.receive()
    assert answer["id"] == 7 and answer["error"]["code"] == -32602


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1\0,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[true\0]}',
        b'{"jsonrpc":"2.0","id":1,"method":"pi\0ng"}',
        PING + b"\0",
        b"\0" + PING,
    ],
)
def test_a_raw_nul_is_refused(client, line):
    """jansson 2.14 swallows one after a number: the message must not pass."""
    client.send_raw(b"{}\n" + line + b"\n" + PING + b"\n")
    assert client.receive()["error"]["code"] == -32600
    assert client.receive()["error"]["code"] == -32700
    assert client.receive() == {"jsonrpc": "2.0", "id": 1, "result": client.request("ping")}


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
        b'{"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping"} x',
        b"{'jsonrpc':'2.0'}",
        b'{"jsonrpc":"2.0","id":1,"method":"ping",}',
    ],
)
def test_what_is_not_json_here_is_a_parse_error(client, line):
    client.send_raw(b" \n" + PING + b"\n" + line + b"\n")
    assert client.receive()["id"] == 1
    answer = client.receive()
    assert answer["id"] is None and answer["error"]["code"] == -32700, answer


def test_escapes_other_clients_send(client):
    client.send_raw(b' { "method" : "p\\u0069ng" , "id":"\\/a\\u003c", "params" : null, "jsonrpc":"2.0"} \n')
    assert client.receive()["id"] == "/a<"
    client.send_raw(b'{"method":"$\\/cancelRequest","jsonrpc":"2.0","params":{"id":99}}\n' + PING + b"\n")
    assert client.receive()["id"] == 1
