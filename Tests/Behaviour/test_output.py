# SPDX-License-Identifier: Apache-2.0
"""Captured output: bytes with offsets, nothing lost in silence, text only where it is text."""

import procfs
import pytest
import wire
from support import drained, failure, get, kill, output_of, read_all, ready, spawn, wait_one


def read(client, process, **params):
    return client.request("read", dict(params, process=process))


def flood(length):
    """What the zoo's floods writes."""
    return b"".join(b"%07d\n" % (at % 10000000) for at in range(0, length + 8, 8))[:length]


def test_offsets(client):
    record, _ = output_of(client, ["printf", "hello world"])
    answer = read(client, record["id"])
    assert answer == {
        "process": record["id"],
        "stream": "stdout",
        "offset": 0,
        "text": "hello world",
        "next_offset": 11,
        "end": True,
    }
    assert read(client, record["id"], offset=6, limit=3)["text"] == "wor"
    assert read(client, record["id"], offset=6, limit=3)["end"] is False
    assert read(client, record["id"], offset=6, limit=5)["end"] is True
    assert read(client, record["id"], offset=11) == {
        "process": record["id"],
        "stream": "stdout",
        "offset": 11,
        "text": "",
        "next_offset": 11,
        "end": True,
    }


def test_reading_changes_nothing(client):
    record, _ = output_of(client, ["echo", "again"])
    for _ in range(5):
        assert read(client, record["id"])["text"] == "again\n"


def test_by_name(client, zoo):
    ready(client, [zoo("waits")], name="spoken")
    answer = read(client, "spoken")
    assert answer["text"] == "ready\n" and isinstance(answer["process"], int)


def test_the_record_has_the_offsets(client):
    record, _ = output_of(client, ["printf", "12345"])
    assert record["streams"]["stdout"] == {"kind": "pipe", "start": 0, "end": 5, "open": False}
    assert record["streams"]["stderr"] == {"kind": "pipe", "start": 0, "end": 0, "open": False}


def test_the_end_of_an_empty_stream(client):
    record, output = output_of(client, ["true"])
    assert output == b"" and read(client, record["id"])["end"] is True


def test_a_running_process_has_no_end_yet(client, zoo):
    record = ready(client, [zoo("waits")])
    answer = read(client, record["id"], offset=6)
    assert answer["end"] is False and wire.chunk_of(answer) == b"" and answer["next_offset"] == 6


def test_long_poll_is_answered_by_data(client, connect, zoo):
    record = ready(client, [zoo("handles_term")])
    identifier = client.start("read", {"process": record["id"], "offset": 6, "timeout_ms": 60000})
    assert client.request("ping") and identifier not in client.replies
    kill(connect(), record["id"])
    assert client.finish(identifier)["text"] == "bye\n"


def test_long_poll_is_answered_by_the_end(client, connect, zoo):
    record = ready(client, [zoo("waits")])
    identifier = client.start("read", {"process": record["id"], "offset": 6, "timeout_ms": 60000})
    kill(connect(), record["id"])
    answer = client.finish(identifier)
    assert answer["end"] is True and answer["text"] == ""


def test_long_poll_is_answered_by_time(client, zoo):
    record = ready(client, [zoo("waits")])
    answer = read(client, record["id"], offset=6, timeout_ms=50)
    assert answer["end"] is False and answer["next_offset"] == 6


def test_beyond_the_end_it_waits(client, connect, zoo):
    record = ready(client, [zoo("handles_term")])
    identifier = client.start("read", {"process": record["id"], "offset": 8, "timeout_ms": 60000})
    assert client.request("ping") and identifier not in client.replies
    kill(connect(), record["id"])
    assert client.finish(identifier)["text"] == "e\n"


def test_much_output_arrives_whole(client, zoo):
    length = 3 * (1 << 20) + 17
    record = spawn(client, [zoo("floods"), str(length)], output={"limit": 4 << 20})
    assert read_all(client, record["id"]) == flood(length)
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_a_full_ring_drops_the_oldest_and_says_so(client, zoo):
    record, done = spawn(client, [zoo("floods"), "100000"], output={"limit": 4096}), None
    done = drained(client, record["id"])
    stream = done["streams"]["stdout"]
    assert done["exit"] == {"code": 0} and stream["end"] == 100000 and stream["start"] > 0
    assert 4096 <= stream["end"] - stream["start"] <= 2 * 65536
    answer = read(client, record["id"])
    assert answer["gap"] == {"offset": 0, "length": stream["start"]} and answer["next_offset"] == stream["start"]
    assert answer["end"] is False and "text" not in answer and "base64" not in answer
    answer = read(client, record["id"], offset=stream["start"], limit=1 << 20)
    assert wire.chunk_of(answer) == flood(100000)[stream["start"] :] and answer["end"] is True


def test_a_program_is_not_stopped_by_a_full_ring(client, zoo):
    """Nobody reads; by default it runs on."""
    record = spawn(client, [zoo("floods"), str(5 << 20), "7"], output={"limit": 65536})
    assert drained(client, record["id"])["exit"] == {"code": 7}


def test_block_mode_waits_for_a_reader_and_loses_nothing(client, zoo):
    length = 1 << 20
    record = spawn(client, [zoo("floods"), str(length)], output={"limit": 65536, "when_full": "block"})
    wire.wait_until(lambda: get(client, record["id"])["streams"]["stdout"]["end"] >= 65536)
    now = get(client, record["id"])
    assert now["state"] == "running" and now["streams"]["stdout"]["start"] == 0
    assert now["streams"]["stdout"]["end"] == 65536
    assert read_all(client, record["id"], limit=10000) == flood(length)
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_block_mode_frees_what_lies_before_a_read(client, zoo):
    record = spawn(client, [zoo("floods"), "300000"], output={"limit": 65536, "when_full": "block"})
    wire.wait_until(lambda: get(client, record["id"])["streams"]["stdout"]["end"] == 65536)
    assert read(client, record["id"], offset=30000, timeout_ms=0)["offset"] == 30000
    wire.wait_until(lambda: get(client, record["id"])["streams"]["stdout"]["end"] > 65536)
    gap = read(client, record["id"], offset=0)
    assert gap["gap"]["offset"] == 0 and gap["gap"]["length"] == gap["next_offset"] > 0
    kill(client, record["id"], signal="KILL")


def test_what_the_pipe_held_at_exit_is_read_though_others_hold_it(client, zoo):
    script = "%s lhds; exec %s 60000" % (zoo("escapes"), zoo("floods"))
    record = spawn(client, ["sh", "-c", script])
    done = wait_one(client, record["id"])
    stream = done["streams"]["stdout"]
    assert stream["open"] is True and done["drained_at"] is None
    first = wire.chunk_of(read(client, record["id"], limit=100)).split(b"\n")[0]
    assert stream["end"] == 60000 + len(first) + 1, "all of it is known with the exit"
    holders = get(client, record["id"], holders=True)["holders"]
    assert holders["stdout"] == [int(first)] and holders["stderr"] == [int(first)]
    kill(client, record["id"], signal="KILL")
    assert drained(client, record["id"])["streams"]["stdout"]["end"] == stream["end"]


def test_what_the_pipe_held_at_exit_is_read_in_block_mode_too(client, zoo):
    """Beyond the limit: exactly what the pipe holds then is taken."""
    record = spawn(client, [zoo("floods"), "40000"], output={"limit": 4096, "when_full": "block"})
    done = wait_one(client, record["id"])
    assert done["exit"] == {"code": 0} and done["streams"]["stdout"]["end"] == 40000
    assert read_all(client, record["id"]) == flood(40000)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 7, 64])
def test_characters_are_never_split(client, limit):
    text = "a\u00e9\u20ac\U0001f600\u00e9z" * 5
    record, _ = output_of(client, ["printf", "%s", text])
    offset, data = 0, b""
    while True:
        answer = read(client, record["id"], offset=offset, limit=limit)
        piece = wire.chunk_of(answer)
        if limit >= 4:
            assert "text" in answer, answer
        data, offset = data + piece, answer["next_offset"]
        assert offset == len(data) and (piece or answer["end"])
        if answer["end"]:
            break
    assert data == text.encode()


def test_bytes_that_are_not_text(client):
    record, output = output_of(client, ["printf", "\\377\\000\\376"])
    assert output == b"\xff\0\xfe" and read(client, record["id"])["base64"] == "/wD+"
    record, output = output_of(client, ["printf", "a\\000b"])
    assert read(client, record["id"])["text"] == "a\0b", "U+0000 is text"


def test_half_a_character_at_the_end_is_bytes(client, zoo):
    assert output_of(client, [zoo("half_character"), "exit"])[1] == b"a\xe2\x82"


def test_half_a_character_is_kept_back_for_a_while_only(client, zoo):
    record = spawn(client, [zoo("half_character"), "stay"])
    data = b""
    while data != b"a\xe2\x82":
        answer = read(client, record["id"], offset=len(data), timeout_ms=20000)
        data += wire.chunk_of(answer)
        assert b"a\xe2\x82".startswith(data), data
    kill(client, record["id"], signal="USR1", scope="process")
    assert read_all(client, record["id"]) == b"a\xe2\x82\xacz"
    assert read(client, record["id"])["text"] == "a\u20acz", "read again, the character is whole"


def test_output_goes_on_during_a_graceful_stop(client, zoo):
    """Reading must not stop when the signal is sent."""
    record = ready(client, [zoo("handles_term"), "0"])
    kill(client, record["id"], wait=True)
    assert read_all(client, record["id"]) == b"ready\nbye\n"


def test_the_last_words_of_many(client):
    ids = [
        answer["result"]["id"] for answer in client.batch([("spawn", {"argv": ["echo", str(n)]}) for n in range(100)])
    ]
    for number, process in enumerate(ids):
        assert wait_one(client, process)["streams"]["stdout"]["end"] == len(str(number)) + 1, "known with the exit"
        assert read_all(client, process) == b"%d\n" % number


def test_streams_that_are_not_captured(client):
    record, _ = output_of_null(client)
    for stream in ("stdout", "stderr"):
        assert failure(read, client, record["id"], stream=stream).code in (6, 9, 10)


def output_of_null(client):
    record = spawn(client, ["true"], stdout="null", stderr="null")
    return drained(client, record["id"]), None


def test_no_holders(client, zoo):
    record = ready(client, [zoo("waits")])
    assert get(client, record["id"], holders=True)["holders"]["stdout"] == [record["pid"]]
    kill(client, record["id"], signal="KILL", wait=True)
    assert get(client, record["id"], holders=True)["holders"] == {"stdout": [], "stderr": []}


def test_a_flood_without_end_delays_nobody(server, client, connect, zoo):
    record = spawn(client, [zoo("floods"), "0"], output={"limit": 65536})
    for _ in range(50):
        assert connect().request("ping")
    kill(client, record["id"], signal="KILL", wait=True)
    done = drained(client, record["id"])
    assert done["streams"]["stdout"]["end"] > 0 and procfs.alive(server.pid)
    answer = read(client, record["id"], offset=done["streams"]["stdout"]["start"], limit=1 << 20)
    start = answer["offset"]
    data = wire.chunk_of(answer)
    for at in range(-start % 8, min(len(data) - 8, 4000), 8):
        assert data[at : at + 8] == b"%07d\n" % ((start + at) % 10000000)


def test_a_reader_that_never_reads_stalls_nobody(client, connect, zoo):
    """A peer that asks for megabytes and takes none: only its own connection suffers."""
    record = spawn(client, [zoo("floods"), str(1 << 20)], output={"limit": 1 << 20})
    drained(client, record["id"])
    lazy = connect()
    lazy.socket.setblocking(False)
    message = lazy.frame(
        b'{"jsonrpc":"2.0","id":1,"method":"read","params":{"process":%d,"limit":1048576}}' % record["id"]
    )
    try:
        for _ in range(200):
            lazy.socket.send(message)
    except BlockingIOError:
        pass
    assert output_of(client, ["echo", "on"])[1] == b"on\n"
    assert len(read_all(connect(), record["id"])) == 1 << 20


def test_reads_that_wait_are_answered_as_the_peer_takes_it(fresh):
    """The same bytes for a hundred of them at once are not all made at once."""
    server = fresh()
    with server.connect() as client, server.connect() as reader:
        script = "read go; head -c 40000 /dev/zero; read go"
        process = spawn(client, ["sh", "-c", script], stdin="pipe")["id"]
        before = int(procfs.status(server.pid, "VmHWM").split()[0])
        reads = [reader.start("read", {"process": process, "timeout_ms": 60000}) for _ in range(100)]
        reader.request("ping")
        client.request("write", {"process": process, "data": "\n"})
        wire.wait_until(lambda: get(client, process)["streams"]["stdout"]["end"] == 40000)
        answers = [reader.finish(identifier) for identifier in reads]
        grown = int(procfs.status(server.pid, "VmHWM").split()[0]) - before
        assert all(answer["offset"] == 0 and set(answer["text"]) == {"\0"} for answer in answers)
        assert all(answer["next_offset"] == len(answer["text"]) for answer in answers)
        assert grown < 16 << 10, "%d KiB for a hundred reads" % grown
