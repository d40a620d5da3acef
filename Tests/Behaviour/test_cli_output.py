# SPDX-License-Identifier: Apache-2.0
"""What procctl prints: for people aligned and harmless, for programs JSON alone, into whatever standard output is."""

import base64
import fcntl
import json
import os
import signal
import subprocess

import pytest
import wire
from cli_support import Recorder, binary, cli, line, recorder  # noqa: F401


def spawn(cli, script, *options):
    return cli("spawn", *options, "sh", "-c", script).strip()


def test_ps_is_a_table(cli):
    first = spawn(cli, "exit 3", "-n", "short")
    second = spawn(cli, "sleep 1000 # two  words", "-n", "a-longer-name")
    cli.run("wait", first)
    lines = cli("ps").splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATE", "PID", "AGE", "EXIT", "COMMAND"]
    columns = [line.split(None, 6) for line in lines[1:]]
    assert [row[0] for row in columns] == [first, second]
    assert columns[0][1:3] == ["short", "exited"] and columns[0][5:] == ["3", "sh -c 'exit 3'"]
    assert columns[1][1:3] == ["a-longer-name", "running"]
    assert columns[1][5:] == ["-", "sh -c 'sleep 1000 # two  words'"]
    assert len({line.index("sh -c") for line in lines[1:]} | {lines[0].index("COMMAND")}) == 1


def test_ps_filters(cli):
    first = spawn(cli, "exit 3", "-n", "short", "-l", "a=b")
    second = spawn(cli, "sleep 1000")
    cli.run("wait", first)
    assert cli("ps", "-q") == "%s\n%s\n" % (first, second)
    assert cli("ps", "-q", "--state", "running") == second + "\n"
    assert cli("ps", "-q", "-s", "running", "-s", "exited") == "%s\n%s\n" % (first, second)
    assert cli("ps", "-q", "--label", "a=b") == first + "\n"
    assert cli("ps", "-q", "--name", "short") == first + "\n"
    assert cli("ps", "-q", second) == second + "\n"
    assert [record["id"] for record in cli.json("ps", "short")["processes"]] == [int(first)]
    assert cli("ps", "--label", "a=none").split() == ["ID", "NAME", "STATE", "PID", "AGE", "EXIT", "COMMAND"]


def test_nothing_a_program_is_called_acts_on_the_terminal(cli):
    evil, foreign = "\u202eevil\u2028".encode(), "héé 日本".encode()
    words = [b"\x1b[31mred", b"a\nb", b"\x07\x9b", evil, foreign, b"\xff", b"it's"]
    cli.run("wait", cli.run("spawn", "true", *words).stdout.strip())
    for text in (cli.run("ps").stdout, cli.run("inspect", cli("ps", "-q").split()[-1]).stdout):
        assert not any(byte < 32 and byte != 10 for byte in text) and b"\x9b" not in text.replace("é".encode(), b"")
        escaped = [rb"$'\x1b[31mred'", rb"$'a\nb'", rb"$'\x07\x9b'", rb"$'\u202eevil\u2028'", rb"$'\xff'"]
        for shown in [*escaped, b"'" + foreign + b"'"]:
            assert shown in text, (shown, text)
        assert b"'it'\\''s'" in text


def test_inspect(cli):
    process = spawn(cli, "echo out; sleep 1000 & sleep 1000", "-n", "one", "-l", "a=b", "--timeout", "1h")

    def settled():
        text = cli("inspect", "one")
        return text if "bytes 0 to 4" in text and text.count("  sleep\n") == 2 else None

    text = wire.wait_until(settled, what="the shell to have started both")
    facts = dict(line.split(None, 1) for line in text.split("\n\n")[0].splitlines())
    assert facts["id"] == process and facts["name"] == "one" and facts["label"] == "a=b"
    assert facts["state"].startswith("running, pid ") and "in 59m" in facts["deadline"]
    assert facts["stdout"].startswith("captured, bytes 0 to 4, open, held by ")
    members = text.split("\n\n")[1].splitlines()
    assert members[0].split() == ["PID", "PPID", "S", "CPU", "RSS", "NAME"]
    assert sorted(line.split()[-1] for line in members[1:]) == ["sh", "sleep", "sleep"]
    record = cli.json("inspect", "one")
    assert len(record["members"]) == 3 and set(record["holders"]) == {"stdout", "stderr"}


def test_logs_are_bytes(cli):
    data = bytes(range(256)) * 3000
    process = cli("spawn", "--stdin", "inherit", "cat", input=data)
    cli.run("wait", "--drained", process.strip())
    done = cli.run("logs", process.strip())
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


def test_logs_of_both_streams(cli):
    process = spawn(cli, "echo out; echo err >&2")
    cli.run("wait", "--drained", process)
    done = cli.run("logs", process)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    assert cli("logs", "--stream", "stdout", process) == "out\n"
    assert cli.run("logs", "--stream", "stderr", process).stderr == b"err\n"
    assert cli("logs", "--offset", "2", "--stream", "stdout", process) == "t\n"


def test_logs_follow_to_the_end(cli, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    process = spawn(cli, "echo one; read x < %s; echo two; echo three >&2" % gate)
    follower = cli.start("logs", "-f", process)
    assert line(follower) == "one\n"
    gate.write_text("go\n")
    out, err = follower.communicate(timeout=30)
    assert (follower.returncode, out, err) == (0, b"two\n", b"three\n")


@pytest.mark.parametrize("text, count, wanted", [
    ("a\nb\nc\n", 2, "b\nc\n"), ("a\nb\nc", 2, "b\nc"), ("a\nb\n", 9, "a\nb\n"), ("a\nb\n", 0, ""), ("", 3, ""),
    ("\n\n", 1, "\n"),
])
def test_logs_last_lines(cli, text, count, wanted):
    process = cli("spawn", "--stdin", "inherit", "cat", input=text.encode()).strip()
    cli.run("wait", "--drained", process)
    assert cli("logs", "-n", str(count), process) == wanted


def test_logs_last_lines_of_many(cli):
    process = spawn(cli, "seq 1 100000")
    cli.run("wait", "--drained", process)
    assert cli("logs", "-n", "30000", process).split() == [str(n) for n in range(70001, 100001)]


def test_logs_tell_of_gaps(cli):
    process = spawn(cli, "seq 1 5000", "--output-limit", "100")
    cli.run("wait", "--drained", process)
    done = cli.run("logs", process)
    total = len("".join("%d\n" % n for n in range(1, 5001)))
    assert done.stderr.decode() == "procctl: gap: %d bytes of stdout from byte 0 are lost\n" % (total - 100)
    assert len(done.stdout) == 100 and done.stdout.endswith(b"5000\n")


def test_logs_as_json_are_the_answers(cli):
    process = spawn(cli, r"printf 'a\377'; seq 1 9 >&2")
    cli.run("wait", "--drained", process)
    chunks = [json.loads(line) for line in cli("logs", "--json", process).splitlines()]
    assert [base64.b64decode(c["base64"]) for c in chunks if c["stream"] == "stdout" and "base64" in c] == [b"a\xff"]
    assert "".join(c["text"] for c in chunks if c["stream"] == "stderr").split() == [str(n) for n in range(1, 10)]


def test_logs_of_what_is_not_captured(cli):
    process = spawn(cli, "echo out", "--stdout", "null", "--stderr", "null")
    assert "nothing of it is captured (stdout: null, stderr: null)" in cli.fails(1, "logs", process)
    assert cli.fails(1, "logs", "--stream", "terminal", process) == "it has no terminal"


@pytest.mark.parametrize(
    "arguments", [["ping"], ["info"], ["ps"], ["spawn", "true"], ["schema"], ["schema", "wait"], ["release", "--all"]]
)
def test_json_is_one_document_and_nothing_else(cli, arguments):
    command, *rest = arguments
    done = cli.run(command, "--json", *rest)
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 1)
    assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.parametrize("arguments", [["ping"], ["ps"], ["info"], ["spawn", "true"], ["call", "ping"], ["logs", "{}"]])
def test_a_closed_standard_output_is_no_hindrance(cli, arguments):
    process = spawn(cli, "echo out")
    cli.run("wait", process)
    words = [word.replace("{}", process) for word in arguments]
    done = cli.run(*words, prefix=["sh", "-c", 'exec "$@" >&-', "sh"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_full_device_is_an_error(cli):
    with open("/dev/full", "wb") as full:
        done = cli.run("ping", stdout=full)
    assert (done.returncode, done.stderr) == (1, b"procctl: cannot write: No space left on device\n")


def filled_pipe():
    """A pipe without room, its writing end non-blocking; (read, write, how many bytes are in it)."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETFL, fcntl.fcntl(write, fcntl.F_GETFL) | os.O_NONBLOCK)
    count = 0
    try:
        while True:
            count += os.write(write, b"." * 4096)
    except BlockingIOError:
        return read, write, count


def test_a_full_non_blocking_pipe_is_waited_for(cli):
    process = spawn(cli, "seq 1 60000")
    cli.run("wait", "--drained", process)
    read, write, filled = filled_pipe()
    running = cli.start("logs", process, stdout=write)
    os.close(write)
    with os.fdopen(read, "rb") as end:
        data = end.read()
    assert data[filled:].split() == [b"%d" % n for n in range(1, 60001)]
    assert running.wait(30) == 0 and running.stderr.read() == b""
    running.stderr.close()


@pytest.mark.parametrize("ignored", [False, True])
def test_a_reader_that_has_gone_is_a_quiet_end(cli, ignored):
    process = spawn(cli, "seq 1 60000")
    cli.run("wait", "--drained", process)
    disposition = signal.SIG_IGN if ignored else signal.SIG_DFL
    read, write = os.pipe()
    os.close(read)
    running = cli.start(
        "logs", process, stdout=write, restore_signals=False,
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, disposition),
    )
    os.close(write)
    _, err = running.communicate(timeout=30)
    assert running.returncode in (-signal.SIGPIPE, 128 + signal.SIGPIPE) and err == b""


def test_following_a_silent_process_ends_with_its_reader(cli):
    process = spawn(cli, "echo one; sleep 1000")
    running = cli.start("logs", "-f", process)
    assert line(running) == "one\n"
    running.stdout.close()
    assert running.wait(30) in (-signal.SIGPIPE, 128 + signal.SIGPIPE)
    running.stderr.close()


def test_call(cli):
    assert json.loads(cli("call", "ping")).keys() == {"instance"}
    record = json.loads(cli("call", "spawn", '{"argv":["sh","-c","exit 4"]}'))
    answer = json.loads(cli("call", "wait", "-", input=b'{"processes": [%d]}' % record["id"]))
    assert answer["done"][0]["exit"] == {"code": 4}
    assert json.loads(cli("call", "wait", "[%d]" % record["id"]))["pending"] == []
    assert "no such method" in cli.fails(1, "call", "nosuch")
    assert "no JSON" in cli.fails(64, "call", "ping", "{")
    assert json.loads(cli.run("call", "get", '{"process": 99999}', "--json").stdout)["error"]["code"] == 1


def test_call_passes_descriptors(cli, tmp_path):
    with open(tmp_path / "out", "wb") as out:
        number = out.fileno()
        params = json.dumps({"argv": ["echo", "through"], "stdout": {"fd": 0}})
        record = json.loads(cli("call", "spawn", params, "--fd", str(number), pass_fds=[number]))
    cli("wait", str(record["id"]))
    assert (tmp_path / "out").read_text() == "through\n"


def test_an_answer_in_odd_shape_is_one_line(recorder):
    command, _ = recorder(lambda method, params: {"code": -32603, "message": "two\nlines \x1b[31m", "data": None})
    assert command.fails(1, "ping") == r"two\nlines \x1b[31m"


def test_a_large_answer(recorder):
    records = [dict(Recorder.RECORD, id=number, argv=["x" * 1000]) for number in range(1, 20001)]
    command, _ = recorder(lambda method, params: {"processes": records})
    assert len(command("ps", "-q").split()) == 20000


def test_the_terminal_is_not_needed(cli):
    done = subprocess.run(
        [binary(), "ps"], env=cli.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        start_new_session=True, check=True,
    )
    assert done.stdout.startswith(b"ID")
