# SPDX-License-Identifier: Apache-2.0
"""Where a program's descriptors come from and go to, and that it has no others."""

import os
import socket
import stat

import pytest
import wire
from support import drained, failure, output_of, pipe, probe, read_all, read_to_end, ready, spawn, start_failure, unfold


def test_defaults(client, zoo):
    seen = probe(client, zoo)
    assert set(seen["fds"]) == {"0", "1", "2"}, "nothing leaks into a program"
    assert seen["fds"]["0"]["target"] == "/dev/null"
    assert seen["fds"]["1"]["target"].startswith("pipe:") and seen["fds"]["2"]["target"].startswith("pipe:")
    assert seen["fds"]["1"]["target"] != seen["fds"]["2"]["target"]
    assert not any(item["nonblock"] for item in seen["fds"].values()), "blocking ends"
    assert not any(item["cloexec"] for item in seen["fds"].values())


def test_nothing_leaks_while_others_are_busy(client, connect, zoo):
    others = [connect() for _ in range(5)]
    running = [ready(other, [zoo("waits")], stdout="pipe", stderr="pipe")["id"] for other in others]
    held = [spawn(other, [zoo("waits")], hold=True)["id"] for other in others]
    assert set(probe(client, zoo)["fds"]) == {"0", "1", "2"}
    client.request("kill", {"processes": running + held, "signal": "KILL"})


def test_streams_are_told_apart(client):
    record, output = output_of(client, ["sh", "-c", "echo out; echo err >&2"])
    assert output == b"out\n" and read_all(client, record["id"], "stderr") == b"err\n"
    assert {name: stream and stream["kind"] for name, stream in record["streams"].items()} == {
        "stdin": "null",
        "stdout": "pipe",
        "stderr": "pipe",
        "terminal": None,
    }


def test_merged(client):
    record, output = output_of(client, ["sh", "-c", "echo 1; echo 2 >&2; echo 3"], stderr="stdout")
    assert output == b"1\n2\n3\n" and record["streams"]["stderr"] == {"kind": "stdout"}


def test_merged_into_a_file(client, room):
    record = spawn(client, ["sh", "-c", "echo 1; echo 2 >&2"], stdout={"file": str(room / "f")}, stderr="stdout")
    drained(client, record["id"])
    assert (room / "f").read_bytes() == b"1\n2\n"


def test_null(client, zoo, room):
    record = spawn(client, [zoo("probe"), "--to=%s" % (room / "seen")], stdout="null", stderr="null")
    record = drained(client, record["id"])
    seen = unfold((room / "seen").read_bytes())
    assert {item["target"] for number, item in seen["fds"].items()} == {"/dev/null"}
    assert record["streams"]["stdout"] == {"kind": "null"} and record["streams"]["stderr"] == {"kind": "null"}
    assert record["drained_at"] is not None


@pytest.mark.parametrize("mode, expected", [(None, b"new\n"), ("truncate", b"new\n"), ("append", b"old\nnew\n")])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_file_modes(client, room, mode, expected, stream):
    target = room / "f"
    target.write_bytes(b"old\n")
    value = {"file": str(target)} if mode is None else {"file": str(target), "mode": mode}
    record = spawn(client, ["sh", "-c", "echo new >&%d" % (1 if stream == "stdout" else 2)], **{stream: value})
    assert drained(client, record["id"])["streams"][stream]["kind"] == "file"
    assert target.read_bytes() == expected


def test_create_new(client, room):
    target = room / "f"
    record = spawn(client, ["echo", "x"], stdout={"file": str(target), "mode": "create-new"})
    drained(client, record["id"])
    assert target.read_bytes() == b"x\n"
    start_failure(
        client, ["echo", "y"], "stdout", "EEXIST", path=str(target), stdout={"file": str(target), "mode": "create-new"}
    )
    assert target.read_bytes() == b"x\n"


def test_a_new_file_has_the_programs_umask(client, room):
    for mask in (0o077, "002"):
        target = room / ("f%s" % mask)
        drained(client, spawn(client, ["true"], stdout={"file": str(target)}, umask=mask)["id"])
        expected = 0o666 & ~(int(mask, 8) if isinstance(mask, str) else mask)
        assert stat.S_IMODE(target.stat().st_mode) == expected


def test_files_are_relative_to_the_programs_cwd(client, room):
    (room / "in").write_bytes(b"input")
    record = spawn(client, ["cat"], cwd=str(room), stdin={"file": "in"}, stdout={"file": "out"})
    assert drained(client, record["id"])["exit"] == {"code": 0}
    assert (room / "out").read_bytes() == b"input"


def test_input_file(client, room):
    (room / "in").write_bytes(b"12345")
    assert output_of(client, ["cat"], stdin={"file": str(room / "in")})[1] == b"12345"


def test_a_fifo_without_reader_is_enxio(client, room):
    os.mkfifo(room / "fifo")
    for mode in ("truncate", "append"):
        start_failure(
            client,
            ["true"],
            "stdout",
            "ENXIO",
            path=str(room / "fifo"),
            stdout={"file": str(room / "fifo"), "mode": mode},
        )


def test_a_fifo_with_reader_is_written_to_and_blocks(client, zoo, room):
    os.mkfifo(room / "fifo")
    reader = os.open(room / "fifo", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        record = spawn(client, [zoo("probe")], stdout={"file": str(room / "fifo")})
        os.set_blocking(reader, True)
        seen = unfold(read_to_end(reader))
    finally:
        os.close(reader)
    assert seen["fds"]["1"]["nonblock"] is False
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_a_fifo_without_writer_opens_for_reading(client, zoo, room):
    os.mkfifo(room / "fifo")
    seen = probe(client, zoo, stdin={"file": str(room / "fifo")})
    assert seen["fds"]["0"] == {
        "target": str(room / "fifo"),
        "nonblock": False,
        "cloexec": False,
        "append": False,
        "access": os.O_RDONLY,
    }


@pytest.mark.parametrize(
    "stream, value, errno_name",
    [
        ("stdin", "/nonexistent/in", "ENOENT"),
        ("stdout", "/nonexistent/out", "ENOENT"),
        ("stderr", "/nonexistent/err", "ENOENT"),
        ("stdout", "/", "EISDIR"),
        ("stderr", "/dev/null/x", "ENOTDIR"),
    ],
)
def test_files_that_cannot_be_opened(client, stream, value, errno_name):
    start_failure(client, ["true"], stream, errno_name, path=value, **{stream: {"file": value}})


def test_passed_descriptors(client):
    with pipe() as (in_read, in_write), pipe() as (out_read, out_write), pipe() as (err_read, err_write):
        record = spawn(
            client,
            ["sh", "-c", "cat; echo err >&2"],
            [out_write, in_read, err_write],
            stdin={"fd": 1},
            stdout={"fd": 0},
            stderr={"fd": 2},
        )
        for end in (in_read, out_write, err_write):
            os.close(end)
        os.write(in_write, b"through")
        os.close(in_write)
        assert read_to_end(out_read) == b"through" and read_to_end(err_read) == b"err\n"
        assert {record["streams"][name]["kind"] for name in ("stdin", "stdout", "stderr")} == {"descriptor"}
        assert drained(client, record["id"])["exit"] == {"code": 0}


def test_the_server_keeps_no_copy_of_passed_descriptors(client, zoo):
    """Else end of file would never come to the other side."""
    with pipe() as (read_end, write_end):
        record = ready(client, [zoo("waits")], [write_end], fds={"5": 0})
        os.close(write_end)
        client.request("kill", {"processes": record["id"], "signal": "KILL"})
        assert read_to_end(read_end) == b""


def targets(descriptors):
    return [os.readlink("/proc/self/fd/%d" % d) for d in descriptors]


@pytest.mark.parametrize(
    "fds",
    [
        {"3": 0, "4": 1, "5": 2},
        {"3": 2, "4": 1, "5": 0},
        {"5": 0, "4": 0, "3": 0},
        {"9": 0, "200": 1, "10": 2},
        {"3": 1, "4": 2, "5": 0, "6": 1, "7": 2, "8": 0, "11": 1, "12": 2, "13": 0, "14": 1, "15": 2, "16": 0},
    ],
)
def test_further_descriptors_at_their_numbers(client, zoo, room, fds):
    """Wherever the server received them: no order of dup2 may overwrite one still needed."""
    descriptors = [os.open(room / ("f%d" % n), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC) for n in range(3)]
    try:
        expected = targets(descriptors)
        seen = probe(client, zoo, descriptors=descriptors, fds=fds)["fds"]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    assert set(seen) == {"0", "1", "2"} | set(fds)
    for number, index in fds.items():
        assert seen[number]["target"] == expected[index] and not seen[number]["cloexec"]


def test_one_descriptor_used_for_everything(client, zoo, room):
    with open(room / "f", "w+b") as file:
        record = spawn(
            client,
            ["sh", "-c", "echo a; echo b >&2; echo c >&7"],
            [file.fileno()],
            stdin={"fd": 0},
            stdout={"fd": 0},
            stderr={"fd": 0},
            fds={"7": 0},
        )
        drained(client, record["id"])
    assert (room / "f").read_bytes() == b"a\nb\nc\n"


def test_numbers_below_three_when_not_set_otherwise(client, zoo, room):
    with open(room / "f", "w+b") as file:
        record = spawn(client, ["sh", "-c", "echo out; echo err >&2"], [file.fileno()], fds={"2": 0})
        assert drained(client, record["id"])["exit"] == {"code": 0}
        assert (room / "f").read_bytes() == b"err\n"
        for number, stream in (("0", "stdin"), ("1", "stdout"), ("2", "stderr")):
            error = failure(spawn, client, ["true"], [file.fileno()], fds={number: 0}, **{stream: "null"})
            assert error.code == -32602 and error.data["path"] == "fds." + number, error


def test_a_socket_as_stdio(client):
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            record = spawn(client, ["cat"], [theirs], stdin={"fd": 0}, stdout={"fd": 0})
        ours.sendall(b"round trip")
        ours.shutdown(socket.SHUT_WR)
        assert read_to_end(ours.fileno()) == b"round trip"
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_a_program_that_closes_its_stdio(client, zoo):
    record = spawn(client, [zoo("closes_stdio")])
    assert read_all(client, record["id"]) == b"" and read_all(client, record["id"], "stderr") == b""
    now = wire.wait_until(
        lambda: not client.request("get", {"process": record["id"]})["streams"]["stdout"]["open"] or None
    )
    assert now and client.request("get", {"process": record["id"]})["state"] == "running"
    client.request("kill", {"processes": record["id"], "signal": "KILL"})
    assert drained(client, record["id"])["exit"]["signal"] == 9


def test_a_program_that_never_reads(client, zoo):
    with pipe() as (read_end, write_end):
        os.set_blocking(write_end, False)
        os.write(write_end, b"x" * 4096)
        record = ready(client, [zoo("never_reads")], [read_end], stdin={"fd": 0})
        client.request("kill", {"processes": record["id"], "signal": "USR1", "scope": "process"})
        assert drained(client, record["id"])["exit"] == {"code": 5}
