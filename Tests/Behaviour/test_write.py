# SPDX-License-Identifier: Apache-2.0
"""Input through a pipe: queued within a bound, in order, and a program that does not read holds up nobody."""

import hashlib
import os

import pytest
import wire
from support import drained, failure, get, kill, read_all, read_until, ready, spawn, unfold, wait_one

MIB = 1 << 20


def write(client, process, data=None, **params):
    if isinstance(data, bytes):
        data = wire.base64_of(data)
    return client.request("write", dict(params, process=process, **({} if data is None else {"data": data})))


def stdin_of(client, process):
    return get(client, process)["streams"]["stdin"]


def test_a_line_there_and_back(client):
    record = spawn(client, ["cat"], stdin="pipe", name="there")
    assert record["streams"]["stdin"] == {"kind": "pipe", "accepted": 0, "written": 0, "closed": False}
    answer = write(client, "there", "h\u00e9llo\n")
    assert answer == {"process": record["id"], "accepted": 7, "written": 7, "closed": False}
    assert read_until(client, "there", b"\n") == "h\u00e9llo\n".encode()
    assert write(client, "there", eof=True) == {"process": record["id"], "accepted": 7, "written": 7, "closed": True}
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 0}
    assert done["streams"]["stdin"] == {"kind": "pipe", "accepted": 7, "written": 7, "closed": True}


def test_data_and_eof_in_one(client):
    record = spawn(client, ["cat"], stdin="pipe")
    answer = write(client, record["id"], "all", eof=True)
    assert answer["accepted"] == answer["written"] == 3 and answer["closed"] is True
    assert read_all(client, record["id"]) == b"all"


def test_every_byte(client):
    data = bytes(range(256)) * 300
    record = spawn(client, ["cat"], stdin="pipe")
    write(client, record["id"], data, eof=True)
    assert read_all(client, record["id"]) == data


def test_nothing_is_a_write_too(client):
    record = spawn(client, ["cat"], stdin="pipe")
    assert write(client, record["id"], "")["accepted"] == 0
    write(client, record["id"], "", eof=True)
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_much_goes_through_as_it_is_read(client):
    """More than the queue and the pipe hold: writes wait for the program, and nothing is lost."""
    record = spawn(client, ["sha256sum"], stdin="pipe")
    digest = hashlib.sha256()
    for _ in range(24):
        data = os.urandom(MIB // 2)
        digest.update(data)
        write(client, record["id"], data)
    write(client, record["id"], eof=True)
    assert read_all(client, record["id"])[:64].decode() == digest.hexdigest()
    assert drained(client, record["id"])["streams"]["stdin"]["written"] == 12 * MIB


def test_a_program_that_never_reads(client, connect, zoo):
    """The first MiB is accepted, the next write waits, and that is all anybody notices."""
    record = ready(client, [zoo("never_reads")], stdin="pipe")
    answer = write(client, record["id"], b"x" * MIB)
    assert answer["accepted"] == MIB and 0 < answer["written"] < MIB and answer["closed"] is False
    # What the pipe took made room below the bound: a write is taken whole then, and the next one is not.
    answer = write(client, record["id"], b"y" * MIB)
    assert answer["accepted"] == 2 * MIB
    waiting = client.start("write", {"process": record["id"], "data": "z"})
    assert client.request("ping") and waiting not in client.replies
    other = connect()
    assert other.request("ping") and read_all(other, spawn(other, ["echo", "on"])["id"]) == b"on\n"
    client.notify("$/cancelRequest", {"id": waiting})
    error = failure(client.finish, waiting)
    assert error.code == -32800 and error.data == {"kind": "request_cancelled", "accepted": False}
    assert stdin_of(client, record["id"])["accepted"] == 2 * MIB
    kill(client, record["id"], signal="USR1")
    seen = wait_one(client, record["id"])["streams"]["stdin"]
    assert seen == {"kind": "pipe", "accepted": 2 * MIB, "written": answer["written"], "closed": True}


def test_one_that_is_too_long_for_the_queue_is_taken_whole(client):
    data = os.urandom(3 * MIB)
    record = spawn(client, ["sha256sum"], stdin="pipe")
    assert write(client, record["id"], data)["accepted"] == 3 * MIB
    write(client, record["id"], eof=True)
    assert read_all(client, record["id"])[:64].decode() == hashlib.sha256(data).hexdigest()


def test_waiting_writes_end_with_the_program(client, zoo):
    record = ready(client, [zoo("never_reads")], stdin="pipe")
    write(client, record["id"], b"x" * (2 * MIB))
    waiting = [client.start("write", {"process": record["id"], "data": "z"}) for _ in range(3)]
    kill(client, record["id"], signal="USR1")
    for identifier in waiting:
        error = failure(client.finish, identifier)
        assert error.code == 10 and error.data["kind"] == "stream_closed", error
        assert error.data["process"] == record["id"] and error.data["stream"] == "stdin", error


def test_a_connection_that_leaves_takes_its_waiting_writes_along(client, connect, zoo):
    record = ready(client, [zoo("never_reads")], stdin="pipe")
    write(client, record["id"], b"x" * (2 * MIB))
    leaver = connect()
    leaver.start("write", {"process": record["id"], "data": "gone"})
    leaver.request("ping")
    leaver.close()
    wire.wait_until(lambda: client.request("info")["counts"]["connections"] == 1)
    assert stdin_of(client, record["id"])["accepted"] == 2 * MIB


def test_first_come_first_served(client, connect):
    """Writes of several connections never mix, and those of one stay in order, waiting ones too."""
    record = spawn(client, ["sh", "-c", "read go; exec cat"], stdin="pipe", output={"limit": 8 * MIB})
    writers = [connect() for _ in range(4)]
    size, rounds = 300000, 4
    pending = []
    for turn in range(rounds):
        for number, writer in enumerate(writers):
            line = b"%d%d" % (number, turn) + b"." * (size - 3) + b"\n"
            pending.append(
                (writer, writer.start("write", {"process": record["id"], "data": line.decode()}))
            )
    # The shell takes the first line, whole, for its `read`; what follows is the others'.
    for writer, identifier in pending:
        writer.finish(identifier)
    write(client, record["id"], eof=True)
    lines = read_all(client, record["id"]).split(b"\n")[:-1]
    assert len(lines) == rounds * len(writers) - 1 and all(len(line) == size - 1 for line in lines)
    assert all(set(line[2:]) == {ord(".")} for line in lines)
    for number in range(len(writers)):
        turns = [line[1:2] for line in lines if line[:1] == b"%d" % number]
        assert turns == sorted(turns) and len(turns) >= rounds - 1


def test_pipelined_writes_of_one_connection_keep_their_order(client):
    record = spawn(client, ["cat"], stdin="pipe")
    identifiers = [client.start("write", {"process": record["id"], "data": "%d\n" % n}) for n in range(300)]
    accepted = [client.finish(identifier)["accepted"] for identifier in identifiers]
    assert accepted == sorted(accepted)
    write(client, record["id"], eof=True)
    assert read_all(client, record["id"]) == b"".join(b"%d\n" % n for n in range(300))


def test_behind_the_end_there_is_nothing(client, zoo):
    record = spawn(client, ["sleep", "1000"], stdin="pipe")
    write(client, record["id"], "a", eof=True)
    for params in ({"data": "b"}, {"eof": True}, {"data": ""}):
        error = failure(write, client, record["id"], **params)
        assert error.code == 10 and error.data == {"kind": "stream_closed", "process": record["id"], "stream": "stdin"}


def test_a_program_that_closes_its_stdin(client):
    """EPIPE is a result, also of the write that finds out."""
    record = ready(client, ["sh", "-c", "exec 0<&-; echo ready; sleep 1000"], stdin="pipe")
    error = failure(write, client, record["id"], "to nobody")
    assert error.code == 10 and error.data["stream"] == "stdin"
    assert stdin_of(client, record["id"])["closed"] is True
    assert get(client, record["id"])["state"] == "running"


def test_what_was_accepted_and_never_written_stands_in_the_record(client):
    """It reads a little of much, and ends."""
    record = spawn(client, ["head", "-c", "10"], stdin="pipe")
    write(client, record["id"], b"0123456789" * 100000)
    assert read_all(client, record["id"]) == b"0123456789"
    seen = drained(client, record["id"])["streams"]["stdin"]
    assert seen["accepted"] == 1000000 and 10 <= seen["written"] < 1000000 and seen["closed"] is True


def test_an_exited_process(client):
    record = spawn(client, ["true"], stdin="pipe")
    wait_one(client, record["id"])
    assert failure(write, client, record["id"], "late").code == 10


@pytest.mark.parametrize("stdin", ["null", {"file": "/dev/zero"}])
def test_a_stdin_that_is_no_pipe(client, stdin):
    record = spawn(client, ["sleep", "1000"], stdin=stdin)
    error = failure(write, client, record["id"], "x")
    assert error.code == 6 and error.data["kind"] == "wrong_state" and error.data["process"] == record["id"]
    assert error.data["reason"].startswith("not_captured"), error


def test_no_such_process(client):
    assert failure(write, client, 10**9, "x").code == 1


def test_a_held_process_finds_what_was_written(client):
    record = spawn(client, ["cat"], stdin="pipe", hold=True)
    assert write(client, record["id"], "early\n", eof=True)["accepted"] == 6
    client.request("exec-replace", {"process": record["id"]})
    assert read_all(client, record["id"]) == b"early\n"


def test_its_stdin_is_an_ordinary_pipe(client, zoo):
    """Blocking, as a program expects, with no other end of it in the program."""
    record = spawn(client, [zoo("probe")], stdin="pipe")
    seen = unfold(read_all(client, record["id"]))
    assert seen["fds"]["0"]["target"].startswith("pipe:") and seen["fds"]["0"]["nonblock"] is False
    assert seen["fds"]["0"]["access"] == os.O_RDONLY and set(seen["fds"]) == {"0", "1", "2"}


def test_what_waits_is_bounded(client, zoo):
    """Callers of a program that does not read cannot make the server hold any amount for them."""
    record = ready(client, [zoo("never_reads")], stdin="pipe")
    most = client.request("info")["limits"]["input_waiting_bytes"]
    piece = "x" * (8 * MIB)
    answer = write(client, record["id"], piece)
    assert answer["accepted"] == len(piece)
    waiting = [client.start("write", {"process": record["id"], "data": piece}) for _ in range(most // len(piece))]
    error = failure(write, client, record["id"], "x")
    assert error.code == 8, error
    assert error.data == {"kind": "limit_reached", "limit": "input_waiting_bytes", "maximum": most}
    client.request("$/cancelRequest", {"id": waiting[-1]})
    assert failure(client.finish, waiting.pop()).code == -32800
    waiting.append(client.start("write", {"process": record["id"], "data": "x"}))
    client.request("ping")
    assert not set(waiting) & set(client.replies)
    kill(client, record["id"], signal="USR1")
    assert all(failure(client.finish, identifier).code == 10 for identifier in waiting)
