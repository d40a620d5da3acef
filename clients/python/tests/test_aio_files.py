# SPDX-License-Identifier: Apache-2.0
"""Streams as file objects of asyncio."""

from __future__ import annotations

import asyncio
import io
import os
import random
from typing import Any

import pytest
from support import LONG, lose, run

import procctl
from procctl import aio

pytestmark = pytest.mark.usefixtures("server")


async def finished(client: aio.Client, script: str, **options: Any) -> aio.Process:
    process = await client.spawn(["sh", "-c", script], **options)
    await process.wait(LONG, until="drained")
    return process


def test_reading() -> None:
    async def body(client: aio.Client) -> None:
        process = await finished(client, "printf 'one\\ntwo\\nthree'; echo oops >&2")
        out = process.stdout
        assert out is not None and process.stderr is not None and process.stdout is out
        assert (process.stdin, process.terminal) == (None, None)
        assert out.readable() and out.seekable() and not out.writable() and not out.isatty() and out.mode == "rb"
        assert await out.readline() == b"one\n" and out.tell() == 4
        assert [line async for line in out] == [b"two\n", b"three"] and await out.read() == b""
        assert await out.seek(-5, os.SEEK_END) == 8 and await out.read(3) == b"thr"
        assert await out.seek(1) == 1 and await out.read() == b"ne\ntwo\nthree"
        assert await out.seek(-2, os.SEEK_CUR) == 11 and await out.read1() == b"ee" and await out.read1() == b""
        await out.seek(0)
        assert await out.readline(2) == b"on" and await out.readline(2) == b"e\n" and await out.read(0) == b""
        assert await out.read1(2) == b"tw" and await out.seek(12) == 12 and await out.seek(5) == 5
        assert await out.read(1) == b"w" and await process.stderr.read(None) == b"oops\n"
        room = bytearray(20)
        await out.seek(0)
        assert await out.readinto(room) == 13 and bytes(room[:3]) == b"one"
        for bad in ((-1, os.SEEK_SET), (0, 9)):
            with pytest.raises(ValueError):
                await out.seek(*bad)
        await out.close()
        for use in (out.read, out.readline, out.read1):
            with pytest.raises(ValueError):
                await use()
        with pytest.raises(ValueError):
            out.tell()
        assert [line async for line in process.lines(offset=2)] == [b"e\n", b"two\n", b"three"]

    run(body)


def test_text() -> None:
    async def body(client: aio.Client) -> None:
        process = await finished(client, "printf 'h\\303\\251\\nzwei\\r\\n\\377'")
        async with process.open(errors="replace") as text:
            assert [line async for line in text] == ["hé\n", "zwei\n", "\ufffd"]
        assert await process.open(encoding="latin-1", newline="").read() == "hÃ©\nzwei\r\nÿ"
        text = process.open(encoding="latin-1", newline="")
        assert [line async for line in text] == ["hÃ©\n", "zwei\r\n", "ÿ"]
        assert await text.seek(1) == 1 and await text.read(2) == "Ã©" and await text.readline(1) == "\n"
        assert await process.open(newline="\r\n", errors="ignore").readline() == "hé\nzwei\r\n"
        assert await process.open(offset=4, errors="ignore").readline() == "zwei\n"
        assert await process.open("stdout", "rb", 1).read(2) == b"\xc3\xa9"
        with pytest.raises(UnicodeDecodeError):
            await process.open().read()
        for refused in (text.tell, lambda: asyncio.ensure_future(text.seek(0, os.SEEK_CUR))):
            with pytest.raises(io.UnsupportedOperation):
                found: Any = refused()
                await found
        await text.close()
        with pytest.raises(ValueError):
            await text.read()

    run(body)


def test_half_a_character_and_half_a_line_end() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["cat"], stdin="pipe")
        text = process.open()
        line = asyncio.ensure_future(text.readline())
        for part in (b"h\xc3", b"\xa9", b"\r", b"\nnext"):
            await process.write(part)
            while (await process.refresh()).streams["stdout"]["end"] < process.record.streams["stdin"]["accepted"]:
                pass
        assert await line == "hé\n"
        await process.write(eof=True)
        assert await text.read() == "next"

    run(body)


def test_both_ways() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["cat"], stdin="pipe")
        assert process.stdin is not None and process.stdout is not None
        assert process.stdin.writable() and not process.stdin.readable() and not process.stdin.seekable()
        for line in (b"first\n", b"second\n"):
            assert await process.stdin.write(line) == len(line)
            await process.stdin.drain()
            assert await process.stdout.readline() == line
        async with process.open("stdin", "w", encoding="utf-16-le", newline="\r\n") as to:
            assert await to.write("ü\n") == 2 and not to.isatty()
        assert await process.stdout.read() == "ü\r\n".encode("utf-16-le") and (await process.wait(LONG)).code == 0
        await process.stdin.close()
        await process.stdin.close()
        with pytest.raises(ValueError):
            await process.stdin.write(b"x")

    run(body)


def test_a_lot_in_both_ways() -> None:
    async def body(client: aio.Client) -> None:
        data = random.Random(7).randbytes(3_000_000)
        process = await client.spawn(["cat"], stdin="pipe", output=procctl.Output(65536, "block"))
        assert process.stdin is not None and process.stdout is not None

        async def feed(to: Any) -> None:
            for start in range(0, len(data), 1_000_000):
                await to.write(memoryview(data)[start : start + 1_000_000])
            await to.close()

        feeding = asyncio.ensure_future(feed(process.stdin))
        assert await process.stdout.read() == data
        await feeding

    run(body)


def test_a_reader_that_is_gone() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["true"], stdin="pipe")
        await process.wait(LONG)
        assert process.stdin is not None
        await process.stdin.write(b"x")
        with pytest.raises(BrokenPipeError) as caught:
            await process.stdin.flush()
        assert isinstance(caught.value, procctl.StreamClosed)
        await process.stdin.close()

    run(body)


def test_a_gap() -> None:
    async def body(client: aio.Client) -> None:
        process = await finished(client, "seq 100000", output=procctl.Output(4096))
        whole = b"".join(b"%d\n" % n for n in range(1, 100001))
        assert process.stdout is not None
        start = process.record.streams["stdout"]["start"]
        for read in (process.stdout.read, process.stdout.readline, process.open().read):
            with pytest.raises(procctl.OutputLost) as caught:
                await read()
            assert (caught.value.offset, caught.value.length, process.stdout.tell()) == (0, start, 0)
        await process.stdout.seek(caught.value.offset + caught.value.length)
        assert await process.stdout.read() == whole[start:]

    run(body)


def test_a_gap_on_the_way_takes_nothing_back() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["cat"], stdin="pipe", output=procctl.Output(65536))
        text, raw = process.open(), process.stdout
        await process.write(b"a" * 20)
        assert raw is not None and await raw.read(1) == b"a" and await text.read(1) == "a"
        genuine, gate = process._read_on, asyncio.Event()

        async def read(*arguments: Any) -> procctl.Chunk:
            await gate.wait()
            return await genuine(*arguments)

        process._read_on = read  # type: ignore[method-assign]
        waiting = [asyncio.ensure_future(raw.read()), asyncio.ensure_future(text.read())]
        await process.write(b"c" * 200000, eof=True)
        await process.wait(LONG, until="drained")
        gate.set()
        lost = await asyncio.gather(*waiting, return_exceptions=True)
        start = process.record.streams["stdout"]["start"]
        assert [(type(each), each.offset, each.length) for each in lost] == [(procctl.OutputLost, 20, start - 20)] * 2
        assert raw.tell() == 1 and await raw.read(19) == b"a" * 19 and await text.read(19) == "a" * 19
        await raw.seek(start)
        assert set(await raw.read()) == set(b"c")

    run(body)


def test_a_cancelled_read_takes_nothing_away() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["cat"], stdin="pipe")
        assert process.stdout is not None
        await process.write(b"half a ")
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(process.stdout.readline(), 0.02)
        await process.write(b"line\n")
        assert await process.stdout.readline() == b"half a line\n"
        await process.kill()

    run(body)


def test_a_terminal() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["sh", "-c", "stty -echo; echo ready; read x; echo got $x"], pty=True)
        terminal = process.terminal
        assert terminal is not None and process.stdout is None and await terminal.readline() == b"ready\r\n"
        assert terminal.isatty() and terminal.readable() and terminal.writable() and not terminal.seekable()
        await terminal.write(b"this\n")
        await terminal.flush()
        assert await terminal.readline() == b"got this\r\n" and await terminal.read() == b""
        await terminal.close()
        assert terminal.closed and await process.open("terminal").read() == "ready\ngot this\n"

    run(body)


def test_what_cannot_be_opened() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["true"], stdout="null", stderr="stdout")
        assert (process.stdin, process.stdout, process.stderr, process.terminal) == (None, None, None, None)
        for stream, mode in (("stdout", "r"), ("stderr", "rb"), ("stdin", "r"), ("stdin", "w"), ("stdout", "w"),
                             ("terminal", "w"), ("terminal", "r")):
            with pytest.raises(io.UnsupportedOperation):
                process.open(stream, mode)
        for bad in ({"mode": "a"}, {"mode": "rb", "encoding": "utf-8"}, {"newline": "x"}):
            with pytest.raises(ValueError):
                process.open("stdout", **bad)

    run(body)


def test_it_goes_on_behind_a_lost_connection() -> None:
    async def body(client: aio.Client) -> None:
        process = await client.spawn(["cat"], stdin="pipe")
        await process.write("one\n")
        assert process.stdout is not None and await process.stdout.readline() == b"one\n"
        readers = [asyncio.ensure_future(process.open("stdout", "rb", 4).read()) for _ in range(5)]
        await asyncio.sleep(0.01)
        lose(client)
        async with await aio.connect() as other:
            await other.write(process, "two\n", eof=True)
        assert await process.stdout.readline() == b"two\n" and await client.ping() == process.record.instance
        assert await asyncio.gather(*readers) == [b"two\n"] * 5
        assert await (await client.process(process)).state == "exited"

    run(body)
