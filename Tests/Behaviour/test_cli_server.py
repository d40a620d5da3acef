# SPDX-License-Identifier: Apache-2.0
"""procctl and its server: found, started, trusted, asked again, ended."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import procfs
import pytest
import serverproc
import wire
from cli_support import Cli, Recorder, alone, binary, cli, line, recorder  # noqa: F401

ROOT = os.geteuid() == 0
AUTOSTART = {"PROCCTL_NO_AUTOSTART": "", "PROCCTLD": serverproc.binary(), "PROCCTL_IDLE_EXIT_MS": "60000"}


def servers(command):
    """Pids of the servers on a command line's socket."""
    found = []
    program = os.fsencode(os.path.basename(serverproc.binary()))
    for pid in procfs.pids():
        try:
            words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(command.socket) in words and words[0].endswith(program):
            found.append(pid)
    return found


def test_ping_and_info(cli):
    assert cli("ping").split()[1:3] == ["answered", "in"]
    instance = cli.json("ping")["instance"]
    facts = dict(line.split(None, 1) for line in cli("info").splitlines())
    assert facts["instance"] == instance and facts["name"] == "procctld" and "limits.message_bytes" in facts
    assert cli.json("info")["instance"] == instance


def test_without_a_server(alone):
    command = alone()
    assert "no server listens at %s" % command.socket in command.fails(69, "ping")
    assert "procctl serve" in command.fails(69, "ps", "--no-autostart", environment={"PROCCTL_NO_AUTOSTART": ""})
    command.fails(69, "shutdown", environment=AUTOSTART)
    assert servers(command) == []


def test_the_server_is_started_when_none_listens(alone):
    command = alone(**AUTOSTART)
    instance = command.json("ping")["instance"]
    assert command.json("ping")["instance"] == instance
    (pid,) = servers(command)
    assert procfs.stat(pid)["session"] != os.getsid(0) and os.readlink("/proc/%d/cwd" % pid) == "/"
    words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")
    assert b"60000" in words[words.index(b"--idle-exit-ms") + 1 :][:1]
    assert command("shutdown") == ""
    wire.wait_until(lambda: not servers(command), what="the server to end")


def test_a_relative_path_is_the_same_server(alone):
    command = alone(**AUTOSTART)
    command("ping", "--socket", "s", cwd=alone.directory)
    assert command("ping", "--no-autostart")


def test_two_at_once_start_one_server(alone):
    command = alone(**AUTOSTART)
    running = [command.start("ping", "--json") for _ in range(8)]
    answers = [process.communicate(timeout=30) + (process.returncode,) for process in running]
    assert {(json.loads(out)["instance"], err, code) for out, err, code in answers} == {
        (command.json("ping")["instance"], b"", 0)
    }
    assert len(servers(command)) == 1


def test_an_autostarted_server_holds_nothing_of_ours(alone):
    """`procctl … 2>&1 | reader` ends when procctl does."""
    command = alone(**AUTOSTART)
    script = '"$procctl" ping 2>&1 | cat'
    done = subprocess.run(
        ["sh", "-c", script], env=dict(command.environment, procctl=binary()), stdout=subprocess.PIPE, timeout=30,
        check=True,
    )
    assert b"answered" in done.stdout


def test_an_autostarted_server_has_none_of_our_signals(alone):
    """Not even those that glibc's posix_spawn would have ignored, 32 and 33."""
    command = alone(**AUTOSTART)

    def before():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGALRM])

    assert command.run("ping", preexec_fn=before).returncode == 0
    identifier = command("spawn", "grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status").strip()
    command("wait", "--drained", "-q", identifier)
    assert [int(mask, 16) for mask in command("logs", identifier).split()[1::2]] == [0, 0]


def test_the_server_is_found_beside_the_command(alone, tmp_path):
    os.symlink(serverproc.binary(), tmp_path / "procctld")
    command = alone(PROCCTL_NO_AUTOSTART="")
    copy = tmp_path / "procctl"
    copy.write_bytes(pathlib.Path(binary()).read_bytes())
    copy.chmod(0o755)
    environment = dict(command.environment, PATH="/usr/bin:/bin")
    libraries = str(pathlib.Path(binary()).resolve().parent)
    done = subprocess.run([str(copy), "ping"], env=dict(environment, LD_LIBRARY_PATH=libraries), stdout=subprocess.PIPE)
    assert (done.returncode, b"answered" in done.stdout) == (0, True)


def test_a_server_that_cannot_start_is_one_line(alone, tmp_path):
    command = alone(PROCCTL_NO_AUTOSTART="", PROCCTLD=str(tmp_path / "none"))
    assert "PROCCTLD" in command.fails(69, "ping")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho first line >&2\necho second line >&2\nexit 1\n")
    broken.chmod(0o755)
    assert command.fails(69, "ping", environment={"PROCCTLD": str(broken)}) == "cannot start the server: first line"


def test_a_relative_path_may_be_deep(alone, tmp_path):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    assert "no server" in alone().fails(69, "ping", "--socket", "s", cwd=deep)
    assert "107" in alone(**AUTOSTART).fails(69, "ping", "--socket", "s", cwd=deep)


def test_paths_that_no_socket_can_have(alone):
    command = alone()
    assert "107" in command.fails(64, "ping", "--socket", "/" + "x" * 120)
    command.fails(64, "ping", "--socket", "")


def test_a_directory_of_somebody_else_is_not_trusted(recorder):
    command, server = recorder()
    os.chmod(server.directory, 0o777)
    assert "not trusted" in command.fails(69, "ping")
    assert server.requests == []


FOREIGN = """
import os, socket, sys
path, what = sys.argv[1:]
os.chmod(os.path.dirname(path), 0o755)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o777)
if what == "directory":
    os.chown(os.path.dirname(path), 12345, 12345)
else:
    os.setuid(12345)
listener.listen(1)
print("ready", flush=True)
connection, _ = listener.accept()
print(len(connection.recv(100)), flush=True)
"""

if ROOT:  # a plain user has nobody else's server to be refused by

    @pytest.mark.parametrize("what", ["directory", "server"])
    def test_what_belongs_to_somebody_else_is_not_trusted(what):
        place = serverproc.short_directory()
        arguments = [sys.executable, "-c", FOREIGN, str(place / "s"), what]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, bufsize=0)
        try:
            assert line(process) == "ready\n"
            message = Cli(str(place / "s")).fails(69, "ping")
            assert "12345" in message and "not trusted" in message
            assert line(process) == "0\n"
        finally:
            process.kill()
            process.communicate()
            shutil.rmtree(place)


def test_cut_off_before_an_answer_it_asks_again(recorder):
    cut = [3]

    def answer(method, params):
        cut[0] -= 1
        return None if cut[0] >= 0 else {"instance": "late"}

    command, server = recorder(answer)
    assert command.json("ping") == {"instance": "late"}
    assert [request["method"] for request in server.requests] == ["ping"] * 4


def test_cut_off_again_and_again_it_gives_up(recorder):
    command, server = recorder(lambda method, params: None)
    assert "gone away" in command.fails(69, "ping")
    assert len(server.requests) > 5


def test_descriptors_go_along_when_it_asks_again(recorder, tmp_path):
    cut = [1]

    def answer(method, params):
        cut[0] -= 1
        return None if cut[0] >= 0 else dict(Recorder.RECORD)

    command, server = recorder(answer)
    command("spawn", "prog", cwd=tmp_path)
    first, second = server.requests
    assert first["descriptors"] == second["descriptors"] == [str(tmp_path)]
    assert first["params"] == second["params"]


def test_serve_becomes_the_server(alone):
    command = alone(PROCCTLD=serverproc.binary())
    process = command.start("serve", "--socket", command.socket)
    try:
        wire.wait_until(lambda: command.run("ping").returncode == 0, what="the server to listen")
        assert servers(command) == [process.pid]
        command("shutdown")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    done = command.run("serve", "--", "--version")
    assert done.returncode == 0 and done.stdout


def test_serve_without_a_program(alone, tmp_path):
    command = alone(PROCCTLD=str(tmp_path / "none"))
    assert "PROCCTLD" in command.fails(69, "serve")


def test_shutdown_waits_for_the_end(alone):
    command = alone(**AUTOSTART)
    command("spawn", "sleep", "1000")
    (pid,) = servers(command)
    assert command("shutdown") == "stopped 1\n"
    wire.wait_until(lambda: not procfs.alive(pid), what="the server to end")
    assert "no server" in command.fails(69, "shutdown")


def test_nothing_of_ours_is_below_three_when_all_are_closed(alone):
    """A socket must not become standard output of anything."""
    command = alone(**AUTOSTART)
    done = command.run("ping", prefix=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])
    assert done.returncode == 0
    assert command("ping", "--no-autostart")


def test_a_refused_connection_is_an_error_of_its_own(alone):
    command = alone()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(command.socket)
        assert "no server listens" in command.fails(69, "ping")
