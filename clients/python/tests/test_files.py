# SPDX-License-Identifier: Apache-2.0
"""Streams as file objects."""

from __future__ import annotations

import gc
import io
import json
import os
import random
import shutil
from typing import Any

import pytest
from support import LONG, eventually, lose

import procctl


def finished(client: procctl.Client, script: str, **options: Any) -> procctl.Process:
    process = client.spawn(["sh", "-c", script], **options)
    process.wait(LONG, until="drained")
    return process


def test_reading(client: procctl.Client) -> None:
    process = finished(client, "printf 'one\\ntwo\\nthree'; echo oops >&2")
    assert process.stdout is not None and process.stderr is not None and process.stdout is process.stdout
    assert (process.stdin, process.terminal) == (None, None)
    assert process.stdout.readline() == b"one\n" and process.stdout.tell() == 4
    assert list(process.stdout) == [b"two\n", b"three"] and process.stdout.read() == b""
    assert process.stdout.seek(-5, os.SEEK_END) == 8 and process.stdout.read(3) == b"thr"
    assert process.stdout.seek(1) == 1 and process.stdout.read() == b"ne\ntwo\nthree"
    assert process.stdout.seek(-2, os.SEEK_CUR) == 11 and process.stdout.read1() == b"ee"
    assert process.stderr.read() == b"oops\n"
    room = bytearray(20)
    process.stdout.seek(0)
    assert process.stdout.readinto(room) == 13 and bytes(room[:3]) == b"one"
    with pytest.raises(ValueError):
        process.stdout.seek(-1)
    with pytest.raises(io.UnsupportedOperation):
        process.stdout.write(b"x")
    process.stdout.close()
    with pytest.raises(ValueError):
        process.stdout.read()


def test_text(client: procctl.Client) -> None:
    process = finished(client, "printf 'h\\303\\251\\nzwei\\r\\n\\377'")
    with process.open(errors="replace") as text:
        assert list(text) == ["hé\n", "zwei\n", "\ufffd"]
    assert process.open(encoding="latin-1", newline="").read() == "hÃ©\nzwei\r\nÿ"
    assert process.open(offset=4, errors="ignore").readline() == "zwei\n"
    assert process.open("stdout", "rb", 1).read(2) == b"\xc3\xa9"
    with pytest.raises(UnicodeDecodeError):
        process.open().read()
    data = finished(client, "echo '{\"a\": [1]}'")
    assert json.load(data.open()) == {"a": [1]}


def test_lines_as_they_come(client: procctl.Client) -> None:
    process = client.spawn(["cat"], stdin="pipe")
    assert process.stdin is not None and process.stdout is not None
    for line in (b"first\n", b"second\n"):
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline() == line
    process.stdin.close()
    process.stdin.close()
    assert process.stdout.readline() == b"" and process.wait(LONG).code == 0


def test_text_in_both_ways(client: procctl.Client) -> None:
    process = client.spawn(["cat"], stdin="pipe")
    with process.open("stdin", "w") as to, process.open() as back:
        print("grüße", file=to)
        assert back.readline() == "grüße\n"
        print("no newline", end="", file=to)
    assert process.open(offset=8).read() == "no newline"


def test_a_lot_in_both_ways(client: procctl.Client) -> None:
    data = random.Random(7).randbytes(3_000_000)
    process = client.spawn(["cat"], stdin="pipe", output=procctl.Output(1 << 23))
    assert process.stdin is not None and process.stdout is not None
    with process.stdin as to:
        shutil.copyfileobj(io.BytesIO(data), to)
    assert process.stdout.read() == data


def test_being_dropped_ends_no_input(client: procctl.Client) -> None:
    process = client.spawn(["cat"], stdin="pipe")
    other = client.process(process.id)
    assert other.stdin is not None
    other.stdin.write(b"kept ")
    text = other.open("stdin", "w")
    text.write("text ")
    raw = other.open("stdin", "wb")
    raw.write(b"bytes ")  # type: ignore[arg-type]
    del other, text, raw
    gc.collect()
    process.write("and more", eof=True)
    process.wait(LONG, until="drained")
    assert sorted(process.open().read().split()) == ["and", "bytes", "kept", "more", "text"]


def test_a_reader_that_is_gone(client: procctl.Client) -> None:
    process = client.spawn(["true"], stdin="pipe")
    process.wait(LONG)
    assert process.stdin is not None
    process.stdin.write(b"x")
    with pytest.raises(BrokenPipeError) as caught:
        process.stdin.flush()
    assert isinstance(caught.value, procctl.StreamClosed)
    with pytest.raises(BrokenPipeError):
        process.stdin.close()


def test_a_gap(client: procctl.Client) -> None:
    process = finished(client, "seq 100000", output=procctl.Output(4096))
    whole = b"".join(b"%d\n" % n for n in range(1, 100001))
    assert process.stdout is not None
    start = process.record.streams["stdout"]["start"]
    for read in (process.stdout.read, process.stdout.readline):
        with pytest.raises(procctl.OutputLost) as caught:
            read()
        assert (caught.value.offset, caught.value.length, process.stdout.tell()) == (0, start, 0)
    process.stdout.seek(caught.value.offset + caught.value.length)
    assert process.stdout.read() == whole[start:]


def test_a_gap_on_the_way(client: procctl.Client) -> None:
    process = client.spawn(["cat"], stdin="pipe", output=procctl.Output(65536))
    process.write(b"a" * 10)
    assert process.stdout is not None
    eventually(lambda: process.read().data, "the echo")
    asked = [0]
    genuine = process._read_on

    def read(*arguments: Any, **options: Any) -> procctl.Chunk:
        chunk = genuine(*arguments, **options)
        asked[0] += 1
        if asked[0] == 1:
            process.write(b"b" * 200000, eof=True)
            process.wait(LONG, until="drained")
        return chunk

    process._read_on = read  # type: ignore[method-assign]
    with pytest.raises(procctl.OutputLost) as caught:
        process.stdout.read()
    assert process.stdout.tell() == 0 and caught.value.offset == 10
    process.stdout.seek(caught.value.offset + caught.value.length)
    assert set(process.stdout.read()) == set(b"b")


def test_a_terminal(client: procctl.Client) -> None:
    process = client.spawn(["sh", "-c", "stty -echo; echo ready; read x; echo got $x"], pty=True)
    terminal = process.terminal
    assert terminal is not None and process.stdout is None and terminal.readline() == b"ready\r\n"
    terminal.write(b"this\n")
    terminal.flush()
    assert terminal.readline() == b"got this\r\n" and terminal.read() == b""
    terminal.close()
    assert process.open("terminal").read() == "ready\ngot this\n"
    typing = client.spawn(["sh", "-c", "stty -echo; read x; echo $x"], pty=True)
    with typing.open("terminal", "w") as to:
        assert to.isatty()
        print("typed", file=to)
    assert typing.open("terminal").read().endswith("typed\n")


def test_what_cannot_be_opened(client: procctl.Client) -> None:
    process = client.spawn(["true"], stdout="null", stderr="stdout")
    assert (process.stdin, process.stdout, process.stderr, process.terminal) == (None, None, None, None)
    for stream, mode in (("stdout", "r"), ("stderr", "rb"), ("stdin", "r"), ("stdin", "w"), ("stdout", "w"),
                         ("terminal", "w"), ("terminal", "r")):
        with pytest.raises(io.UnsupportedOperation):
            process.open(stream, mode)
    with pytest.raises(ValueError):
        process.open("stdout", "a")
    with pytest.raises(ValueError):
        process.open("stdout", "rb", encoding="utf-8")


def test_it_goes_on_behind_a_lost_connection(client: procctl.Client) -> None:
    process = client.spawn(["cat"], stdin="pipe")
    process.write("one\n")
    assert process.stdout is not None and process.stdout.readline() == b"one\n"
    lose(client)
    with pytest.raises(procctl.ConnectionLost):
        client.ping()
    with procctl.connect() as other:
        other.write(process, "two\n", eof=True)
    assert process.stdout.readline() == b"two\n" and client.ping() == process.record.instance
    lose(client)
    with pytest.raises(procctl.ConnectionLost):
        client.ping()
    assert b"".join(process.output()) == b"one\ntwo\n"
    client.reconnect()
    client.close()
    with pytest.raises(procctl.ConnectionLost):
        client.reconnect()


def test_a_server_that_is_gone(client: procctl.Client, server: Any) -> None:
    process = client.spawn(["sleep", "1000"])
    server.kill()
    assert process.stdout is not None
    with pytest.raises(procctl.ConnectionLost):
        process.stdout.read()
    with pytest.raises(procctl.ConnectionLost):
        client.reconnect()
    os.kill(process.pid or 0, 9)
