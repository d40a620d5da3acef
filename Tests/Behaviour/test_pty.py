# SPDX-License-Identifier: Apache-2.0
"""A terminal of the server's own: controlling, typed into, resized, and read to its last byte."""

import pwd

import pytest
import support
import wire
from support import NOBODY, ROOT, drained, failure, get, kill, read_all, read_until, spawn, wait_one


def on_terminal(client, argv, **params):
    params.setdefault("pty", {})
    return spawn(client, argv, **params)


def shown(client, process):
    """All that its terminal shows, to the end."""
    return read_all(client, process, stream="terminal")


def shows(client, process, wanted):
    return read_until(client, process, wanted, stream="terminal")


def type_in(client, process, data):
    return client.request("write", {"process": process, "data": data})


def resize(client, process, rows, cols):
    return client.request("resize", {"process": process, "rows": rows, "cols": cols})


def test_the_record(client):
    record = on_terminal(client, ["cat"], pty={"rows": 50, "cols": 132})
    assert record["streams"] == {
        "stdin": {"kind": "terminal", "accepted": 0, "written": 0, "closed": False},
        "stdout": {"kind": "terminal"},
        "stderr": {"kind": "terminal"},
        "terminal": {"kind": "pty", "start": 0, "end": 0, "open": True, "rows": 50, "cols": 132},
    }
    assert spawn(client, ["true"])["streams"]["terminal"] is None


def test_all_three_are_a_terminal(client):
    script = "test -t 0 && test -t 1 && test -t 2 && tty && stty size && echo $TERM && echo to >&2"
    record = on_terminal(client, ["sh", "-c", script])
    lines = shown(client, record["id"]).split(b"\r\n")
    assert lines[0].startswith(b"/dev/pts/") and lines[1:] == [b"24 80", b"xterm-256color", b"to", b""]
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 0} and done["streams"]["terminal"]["open"] is False


def test_the_kind_of_terminal(client):
    record = on_terminal(client, ["sh", "-c", "echo $TERM"], pty={"term": "dumb"})
    assert shown(client, record["id"]) == b"dumb\r\n"
    record = on_terminal(client, ["sh", "-c", "echo $TERM"], pty={"term": "dumb"}, env={"TERM": "vt100"})
    assert shown(client, record["id"]) == b"vt100\r\n"


def test_it_is_the_controlling_terminal(client, zoo):
    """Of a session of its own, of which the program is the leader."""
    record = on_terminal(client, [zoo("probe")])
    seen = support.unfold(shown(client, record["id"]))
    assert seen["session"] == seen["pid"] == seen["pgid"] == record["pid"] == record["session"]
    assert seen["tty"] is True and set(seen["fds"]) == {"0", "1", "2"}
    targets = {seen["fds"][number]["target"] for number in "012"}
    assert len(targets) == 1 and targets.pop().startswith("/dev/pts/")
    assert not any(seen["fds"][number]["nonblock"] for number in "012")


def test_dev_tty_is_it(client):
    record = on_terminal(client, ["sh", "-c", "read line < /dev/tty; echo got $line > /dev/tty"])
    type_in(client, record["id"], "word\n")
    assert shown(client, record["id"]) == b"word\r\ngot word\r\n"


def test_it_echoes_and_ends_lines_as_terminals_do(client):
    record = on_terminal(client, ["cat"])
    type_in(client, record["id"], "one\n")
    assert shows(client, record["id"], b"one\r\none\r\n") == b"one\r\none\r\n"


@pytest.mark.parametrize("key, name", [("\x03", "SIGINT"), ("\x1c", "SIGQUIT")])
def test_keys_that_signal(client, key, name):
    record = on_terminal(client, ["sh", "-c", "echo ready; exec sleep 1000"], rlimits={"core": 0})
    shows(client, record["id"], b"ready\r\n")
    type_in(client, record["id"], key)
    done = drained(client, record["id"])
    assert done["exit"]["signal_name"] == name and done["reason"] == "signalled"


def test_the_key_that_ends_the_input(client):
    record = on_terminal(client, ["cat"])
    type_in(client, record["id"], "line\n\x04")
    assert drained(client, record["id"])["exit"] == {"code": 0}
    assert shown(client, record["id"]) == b"line\r\nline\r\n"


def test_eof_is_that_key(client):
    record = on_terminal(client, ["cat"])
    answer = client.request("write", {"process": record["id"], "data": "line\n", "eof": True})
    assert answer["accepted"] == 6 and answer["closed"] is False
    assert drained(client, record["id"])["exit"] == {"code": 0}
    assert shown(client, record["id"]) == b"line\r\nline\r\n"


def test_eof_is_the_key_the_program_has_set(client):
    record = on_terminal(client, ["sh", "-c", "stty eof ^X; echo ready; exec cat"])
    shows(client, record["id"], b"ready\r\n")
    client.request("write", {"process": record["id"], "eof": True})
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_a_terminal_nobody_has_open(client):
    """A program may close its three and open the terminal again; closing them does not hang it up."""
    script = "exec <&- >&- 2>&-; sleep 0.2; echo again > /dev/tty; sleep 0.2; exit 4"
    record = on_terminal(client, ["sh", "-c", script])
    assert drained(client, record["id"])["exit"] == {"code": 4}
    assert shown(client, record["id"]) == b"again\r\n"


def test_job_control(client):
    """A shell on it has job control: ^Z stops the foreground job, fg goes on with it, ^C ends it."""
    record = on_terminal(client, ["bash", "--norc", "-i"], env={"PS1": "> ", "HISTFILE": None, "INPUTRC": "/dev/null"})
    shows(client, record["id"], b"> ")
    type_in(client, record["id"], "sleep 1000\n")

    def sleeper():
        members = get(client, record["id"], members=True)["members"]
        return next((member for member in members if member["command"] == "sleep"), None)

    wire.wait_until(sleeper)
    type_in(client, record["id"], "\x1a")
    wire.wait_until(lambda: sleeper()["state"] == "T")
    shows(client, record["id"], b"Stopped")
    assert get(client, record["id"])["state"] == "running"
    type_in(client, record["id"], "fg\n")
    wire.wait_until(lambda: sleeper()["state"] == "S")
    type_in(client, record["id"], "\x03")
    wire.wait_until(lambda: sleeper() is None)
    type_in(client, record["id"], "exit 5\n")
    assert drained(client, record["id"])["exit"] == {"code": 5}


def test_resize(client):
    record = on_terminal(client, ["sh", "-c", "trap 'stty size; exit' WINCH; stty size; while :; do read x; done"])
    shows(client, record["id"], b"24 80\r\n")
    assert resize(client, record["id"], 33, 111) == {"process": record["id"], "rows": 33, "cols": 111}
    try:
        type_in(client, record["id"], "\n")  # dash runs a trap when its read ends
    except wire.RpcError as error:
        assert error.code == 10  # it had not begun to read, and is through already
    assert b"33 111\r\n" in shown(client, record["id"])
    terminal = get(client, record["id"])["streams"]["terminal"]
    assert (terminal["rows"], terminal["cols"]) == (33, 111)


def test_the_signal_of_a_resize_reaches_the_foreground(client, zoo):
    """Not a wrapper before it: the program is started directly."""
    code = (
        "import signal, os\n"
        "signal.signal(signal.SIGWINCH, lambda *_: None)\n"
        # Blocked until it is waited for: one that came before signal.pause() would be waited for in vain.
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})\n"
        "print('ready', flush=True)\n"
        "signal.sigwait({signal.SIGWINCH})\n"
        "print(os.get_terminal_size())\n"
    )
    record = on_terminal(client, ["python3", "-c", code])
    shows(client, record["id"], b"ready\r\n")
    resize(client, record["id"], 65535, 1)
    assert b"columns=1, lines=65535" in shown(client, record["id"])


def test_resize_where_there_is_no_terminal(client):
    record = spawn(client, ["sleep", "1000"])
    error = failure(resize, client, record["id"], 10, 10)
    assert error.code == 6 and error.data["reason"] == "no_terminal" and error.data["process"] == record["id"]


def test_resize_after_the_end(client):
    record = on_terminal(client, ["true"])
    drained(client, record["id"])
    error = failure(resize, client, record["id"], 10, 10)
    assert error.code == 10 and error.data["stream"] == "terminal"
    assert failure(type_in, client, record["id"], "x").code == 10


def test_everything_it_showed_is_there(client):
    """Read to EIO, and known with the exit."""
    for _ in range(20):
        record = on_terminal(client, ["seq", "1", "2000"])
        end = wait_one(client, record["id"])["streams"]["terminal"]["end"]
        data = shown(client, record["id"])
        assert data == b"".join(b"%d\r\n" % n for n in range(1, 2001)) and end == len(data)


def test_much_and_nobody_looks(client):
    record = on_terminal(client, ["seq", "1", "300000"], output={"limit": 65536})
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 0}
    terminal = done["streams"]["terminal"]
    assert terminal["end"] == sum(len("%d\r\n" % n) for n in range(1, 300001))
    gap = client.request("read", {"process": record["id"], "stream": "terminal"})["gap"]
    assert gap == {"offset": 0, "length": terminal["start"]}


@pytest.mark.parametrize("stream, other", [("stdout", "stderr"), ("stderr", "stdout")])
def test_a_pipe_beside_it(client, stream, other):
    script = "echo out; echo err >&2; test -t 0 && stty size > /dev/tty"
    record = on_terminal(client, ["sh", "-c", script], **{stream: "pipe"})
    assert record["streams"][stream]["kind"] == "pipe" and record["streams"][other] == {"kind": "terminal"}
    words = {"stdout": b"out", "stderr": b"err"}
    assert read_all(client, record["id"], stream=stream) == words[stream] + b"\n", "no CR: it is a pipe"
    assert shown(client, record["id"]) == words[other] + b"\r\n24 80\r\n"
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_stdin_beside_it(client):
    record = on_terminal(client, ["sh", "-c", "cat; test -t 1"], stdin="pipe")
    client.request("write", {"process": record["id"], "data": "in\n", "eof": True})
    assert shown(client, record["id"]) == b"in\r\n"
    assert drained(client, record["id"])["exit"] == {"code": 0}


def test_reading_it_by_its_name_only(client):
    record = on_terminal(client, ["echo", "x"])
    assert failure(client.request, "read", {"process": record["id"], "stream": "stdout"}).code == 6
    assert shown(client, record["id"]) == b"x\r\n"
    record = spawn(client, ["true"])
    assert failure(client.request, "read", {"process": record["id"], "stream": "terminal"}).code == 6


def test_held(client):
    record = on_terminal(client, ["cat"], hold=True, pty={"rows": 10, "cols": 20})
    resize(client, record["id"], 11, 22)
    type_in(client, record["id"], "typed early\n")
    shows(client, record["id"], b"typed early\r\n")
    done = client.request("exec-replace", {"process": record["id"], "argv": ["sh", "-c", "stty size; read x; echo $x"]})
    assert done["state"] == "running" and done["streams"]["terminal"]["rows"] == 11
    assert shown(client, record["id"]) == b"typed early\r\n11 22\r\ntyped early\r\n"


def test_for_another_user(client):
    """The terminal of a program that runs as somebody else can be opened by it; only root may run one so."""
    user = pwd.getpwuid(NOBODY if ROOT else 0).pw_name
    if not ROOT:
        error = failure(on_terminal, client, ["true"], user=user)
        assert error.code == 3 and error.data["errno_name"] == "EPERM", error
        return
    script = "id -u; echo tty > /dev/tty; exec 3<>$(tty) && echo opened >&3"
    record = on_terminal(client, ["sh", "-c", script], user=user)
    assert shown(client, record["id"]) == b"%d\r\ntty\r\nopened\r\n" % NOBODY


def test_one_that_holds_the_terminal(client, zoo):
    """Exited at once, drained when the last holder has closed it."""
    record = on_terminal(client, ["sh", "-c", "%s lhdsn; exit 3" % zoo("escapes")])
    done = wait_one(client, record["id"])
    assert done["exit"] == {"code": 3} and done["drained_at"] is None and done["streams"]["terminal"]["open"] is True
    kill(client, record["id"], signal="KILL")
    assert drained(client, record["id"])["drained_at"] is not None


def test_a_program_that_does_not_read_its_terminal(client, zoo):
    """The queue of a terminal in raw mode fills like a pipe; the writer waits, everybody else goes on."""
    record = on_terminal(client, ["sh", "-c", "stty raw -echo; echo ready; exec %s" % zoo("never_reads")])
    shows(client, record["id"], b"ready\nready")
    assert type_in(client, record["id"], "x" * (1 << 20))["accepted"] == 1 << 20
    type_in(client, record["id"], "y" * (1 << 20))
    waiting = client.start("write", {"process": record["id"], "data": "z"})
    assert client.request("ping") and waiting not in client.replies
    kill(client, record["id"], signal="KILL")
    assert failure(client.finish, waiting).code == 10


def test_many(client):
    records = [on_terminal(client, ["sh", "-c", "read x; echo $x"]) for _ in range(30)]
    for number, record in enumerate(records):
        type_in(client, record["id"], "%d\n" % number)
    for number, record in enumerate(records):
        assert shown(client, record["id"]) == b"%d\r\n%d\r\n" % (number, number)
