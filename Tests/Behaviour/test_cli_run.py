# SPDX-License-Identifier: Apache-2.0
"""procctl run: as if the program had been called directly."""

import json
import os
import signal
import subprocess

import procfs
import pytest
import wire
from cli_support import Cli, Recorder, binary, cli, line, piece, recorder  # noqa: F401

SHELL = ["run", "--", "sh", "-c"]


def test_a_pipeline_is_what_it_is_without(cli, tmp_path):
    data = os.urandom(300_000)
    (tmp_path / "file").write_bytes(data)
    script = '"$procctl" run -- sh -c "cat; exit 7" < file | wc -c; echo "${PIPESTATUS[@]}"'
    done = subprocess.run(
        ["bash", "-c", script],
        env=dict(cli.environment, procctl=binary()),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout.split() == [b"300000", b"7", b"0"]


def test_bytes_go_through_unchanged(cli):
    data = bytes(range(256)) * 5000
    done = cli.run("run", "cat", input=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


@pytest.mark.parametrize("code", [0, 1, 2, 63, 64, 69, 124, 125, 126, 127, 128, 137, 255])
def test_exit_codes_are_the_programs(cli, code):
    assert cli.run(*SHELL, "exit %d" % code).returncode == code


@pytest.mark.parametrize("name", ["TERM", "KILL", "HUP", "INT", "PIPE", "USR1", "ABRT", "SEGV"])
def test_signals_are_128_and_their_number(cli, name):
    number = getattr(signal, "SIG" + name)
    done = cli.run(*SHELL, "ulimit -c 0; kill -%s $$" % name)
    assert (done.returncode, done.stderr) == (128 + number, b"")


def test_not_found_is_127(cli):
    assert cli.fails(127, "run", "nosuch") == "nosuch: No such file or directory"
    assert cli.fails(127, "run", "/no/such").startswith("/no/such: No such file or directory")


def test_found_and_not_executable_is_126(cli, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("no program")
    assert cli.fails(126, "run", str(plain)).startswith("%s: Permission denied" % plain)
    plain.chmod(0o755)
    assert cli.fails(126, "run", str(plain)).startswith("%s: Exec format error" % plain)
    assert cli.fails(126, "run", str(tmp_path)).startswith("%s: Permission denied" % tmp_path)


def test_a_script_without_its_interpreter_is_127_and_says_so(cli, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    assert "interpreter" in cli.fails(127, "run", str(script)) or "first line" in cli.fails(127, "run", str(script))


def test_procctls_own_failures_are_125(cli, tmp_path):
    assert cli.fails(125, "run", "--cwd", str(tmp_path / "none"), "true").startswith("cannot enter")
    assert "--help" in cli.fails(125, "run", "--no-such-option", "true")
    assert "program" in cli.fails(125, "run")
    assert "program" in cli.fails(125, "run", "--")
    assert "no server" in cli.fails(125, "run", "--socket", str(tmp_path / "s"), "true")
    assert "descriptor 77" in cli.fails(125, "run", "--fd", "77", "true")


def test_options_end_at_the_program(cli):
    assert cli("run", "echo", "--json", "-n", "--", "x") == "--json -n -- x\n"
    assert cli("run", "--", "sh", "-c", "echo $1", "x", "--help") == "--help\n"
    assert cli("run", "sh", "-c", "echo $0", "--socket") == "--socket\n"


def test_directory_environment_and_umask_are_the_callers(cli, tmp_path):
    environment = {"PATH": os.environ["PATH"], "ODD": "a\udcffb", "PROCCTL_SOCKET": cli.socket, "LINES2": "a\nb"}
    done = subprocess.run(
        [binary(), "run", "sh", "-c", "pwd; umask; env -0"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        umask=0o026,
    )
    directory, mask, rest = done.stdout.split(b"\n", 2)
    assert (directory.decode(), int(mask, 8)) == (str(tmp_path), 0o026)
    seen = dict(item.split(b"=", 1) for item in rest.split(b"\0") if item)
    for name in ("PWD", "OLDPWD", "_", "SHLVL"):
        seen.pop(name.encode(), None)
    assert seen == {os.fsencode(key): os.fsencode(value) for key, value in environment.items()}


def test_a_deleted_directory_is_still_the_directory(cli, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd gone; rmdir ../gone; exec "$procctl" run readlink /proc/self/cwd'
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=dict(cli.environment, procctl=binary()),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout == b"%s (deleted)\n" % os.fsencode(gone)


def test_words_that_are_not_utf8_arrive(cli, tmp_path):
    words = [b"\xff\xfe", "é".encode(), b"", b"a b", "\U0010ff80".encode(), b"tail\xc3"]
    done = cli.run("run", "printf", "%s\\n", *words)
    assert done.stdout == b"".join(word + b"\n" for word in words)
    odd = os.fsencode(tmp_path) + b"/dir\xff"
    os.mkdir(odd)
    assert cli.run("run", b"--cwd", odd, b"--env", b"V=\xff", b"sh", b"-c", b"pwd; echo $V").stdout == odd + b"\n\xff\n"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_closed_descriptor_is_no_hindrance(cli, number):
    read, write = os.pipe()
    closed = 'exec "$@" %d>&-' % number
    process = cli.start(
        "run", "--fd", "9=%d" % write, "sh", "-c", "(exec readlink /proc/$$/fd/%d >&9)" % number,
        prefix=["sh", "-c", closed, "sh"], pass_fds=[write],
    )
    os.close(write)
    with os.fdopen(read, "rb", 0) as end:
        assert piece(end) == b"/dev/null\n"
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_extra_descriptors(cli, tmp_path):
    (tmp_path / "text").write_text("through five\n")
    with open(tmp_path / "text", "rb") as text:
        done = cli.run("run", "--fd", "5=%d" % text.fileno(), "--", "sh", "-c", "cat <&5", pass_fds=[text.fileno()])
    assert (done.returncode, done.stdout) == (0, b"through five\n")


def test_the_reader_that_goes_away_ends_the_writer(cli):
    """Once passed, 0 and 1 are not held here: SIGPIPE reaches whoever writes."""
    script = """
yes | "$procctl" run head -n 1; echo "${PIPESTATUS[@]}"
"$procctl" run yes | head -n 1; echo "${PIPESTATUS[@]}"
"""
    done = subprocess.run(
        ["bash", "-c", script],
        env=dict(cli.environment, procctl=binary()),
        stdout=subprocess.PIPE,
        timeout=30,
        check=True,
    )
    assert done.stdout == b"y\n141 0\ny\n141 0\n"


def test_standard_output_ends_when_the_program_closes_it(cli):
    process = cli.start(*SHELL, "echo first; exec >&-; read line", stdin=subprocess.PIPE)
    assert piece(process.stdout) == b"first\n"
    assert process.poll() is None
    process.communicate(b"\n", 30)
    assert process.returncode == 0


def test_ignored_and_blocked_signals_are_inherited(cli):
    def before():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGALRM])

    done = cli.run("run", "grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status", preexec_fn=before, restore_signals=True)
    masks = dict(line.split(b":\t") for line in done.stdout.splitlines())
    assert int(masks[b"SigIgn"], 16) == 1 << signal.SIGHUP - 1 | 1 << signal.SIGQUIT - 1
    assert int(masks[b"SigBlk"], 16) == 1 << signal.SIGALRM - 1


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH"])
def test_signals_are_sent_on(cli, name):
    process = cli.start(*SHELL, "trap 'echo caught; exit 9' %s; echo ready; while :; do sleep 0.02; done" % name)
    assert line(process) == "ready\n"
    process.send_signal(getattr(signal, "SIG" + name))
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (9, b"caught\n")


def test_what_asks_to_end_reaches_the_whole_group(cli):
    """As `timeout` and a shell's `kill %1` would: the shell's child ends too."""
    process = cli.start(*SHELL, "sleep 1000 & echo $!; wait")
    child = int(line(process))
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    wire.wait_until(lambda: not procfs.alive(child), what="the group's other member to end")
    process.communicate()


def test_an_ignored_signal_is_not_sent_on(cli):
    process = cli.start(
        *SHELL,
        "echo ready; read line; exit 4",
        stdin=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert line(process) == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.communicate(b"\n", 30)
    assert process.returncode == 4


def test_stop_and_continue(cli):
    process = cli.start(*SHELL, "echo $$; read line; exit 6", stdin=subprocess.PIPE, preexec_fn=os.setpgrp)
    program = int(line(process))
    process.send_signal(signal.SIGTSTP)
    wire.wait_until(lambda: procfs.stat(process.pid)["state"] == "T", what="procctl to stop")
    wire.wait_until(lambda: procfs.stat(program)["state"] == "T", what="the program to stop")
    process.send_signal(signal.SIGCONT)
    wire.wait_until(lambda: procfs.stat(program)["state"] != "T", what="the program to go on")
    process.communicate(b"\n", 30)
    assert process.returncode == 6


def test_nothing_stops_where_nobody_would_let_it_go_on(cli):
    """In an orphaned process group SIGTSTP does nothing (setpgid(2))."""
    process = cli.start(
        *SHELL, "trap 'echo gone on' CONT; echo ready; while ! read line; do :; done; exit 6", stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert line(process) == "ready\n"
    process.send_signal(signal.SIGTSTP)
    out, _ = process.communicate(b"\n", 30)
    assert process.returncode == 6 and out in (b"gone on\n", b"")


def test_killed_it_takes_the_program_along(cli):
    process = cli.start(*SHELL, "echo $$; exec sleep 1000")
    program = int(line(process))
    process.kill()
    process.communicate()
    wire.wait_until(lambda: not procfs.alive(program), what="the program to end with its connection")


def test_the_record_is_released(cli, client):
    assert cli.run("run", "--label", "kind=run", "true").returncode == 0
    assert client.request("list", {"labels": {"kind": "run"}}) == {"processes": []}


def test_a_deadline_is_124(cli):
    assert cli.run("run", "--timeout", "100ms", "sleep", "1000").returncode == 124
    done = cli.run("run", "-t", "50ms", "--grace", "50ms", "sh", "-c", "trap '' TERM; while :; do sleep 0.02; done")
    assert done.returncode == 124


def test_json_is_the_record_on_standard_error(cli):
    done = cli.run("run", "--json", "--name", "some", "sh", "-c", "echo out; exit 3")
    assert (done.returncode, done.stdout) == (3, b"out\n")
    record = json.loads(done.stderr)
    assert (record["name"], record["exit"], record["lifetime"]) == ("some", {"code": 3}, "connection")


def test_a_server_that_dies_is_125_and_one_line(fresh):
    server = fresh()
    process = Cli(server.socket).start(*SHELL, "echo $$; exec sleep 1000")
    program = int(line(process))
    server.process.kill()
    server.process.wait()
    assert process.wait(30) == 125
    os.kill(program, signal.SIGKILL)  # it lives on, unmanaged
    _, err = process.communicate(timeout=30)
    assert err.count(b"\n") == 1 and err.startswith(b"procctl: "), err


def test_one_connection_and_its_requests(recorder):
    ended = dict(Recorder.RECORD, state="exited", exit={"code": 5}, reason="exited")
    answers = {
        "spawn": Recorder.RECORD,
        "wait": {"done": [ended], "pending": [], "timed_out": False},
        "release": {"released": [1]},
    }
    command, server = recorder(lambda method, params: answers[method])
    assert command.run("run", "x").returncode == 5
    assert [request["method"] for request in server.requests] == ["spawn", "wait", "release"]
    assert server.connections == 1
    params = server.requests[0]["params"]
    assert (params["lifetime"], params["env_base"], params["argv"]) == ("connection", "empty", ["x"])
    assert server.requests[1]["params"] == server.requests[2]["params"] == {"processes": [1]}
