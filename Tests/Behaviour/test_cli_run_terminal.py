# SPDX-License-Identifier: Apache-2.0
"""procctl run on a terminal: bytes, signals, volume, and the terminal as it was on every way out."""

import os
import signal
import subprocess

import procfs
import pytest
import wire
from cli_support import Cli, binary, cli  # noqa: F401
from seat import LOOP, Seat, attach, name_of, run, spawn


def test_the_terminal_is_the_servers(cli):
    with run(cli, "tty; stty size; echo $TERM; read line; exit 4") as seat:
        name = seat.until("\r\n")
        assert name.startswith("/dev/pts/") and name != name_of(seat.master)
        seat.until("24 80\r\n")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.type("\n")
        assert seat.end() == 4 and seat.is_calm()


def test_bytes_pass_unchanged_both_ways(cli):
    script = r"stty raw -echo; printf ready; head -c 256 | od -An -v -tu1 | tr -s ' \n' ' '; echo; exit"
    with run(cli, script, "--escape", "none") as seat:
        seat.until("ready")
        os.write(seat.master, bytes(range(256)))
        seat.until(" ".join(str(n) for n in range(256)))
        assert seat.end() == 0


def test_the_descriptors_may_be_passed_instead(cli):
    with Seat([binary(), "run", "--stdio=fds", "tty"], cli.environment) as seat:
        seat.until(name_of(seat.master))
        assert seat.end() == 0
    with Seat([binary(), "run", "--stdio=null", "sh", "-c", "readlink /proc/$$/fd/0 >/dev/tty; exit 6"],
              cli.environment) as seat:
        assert seat.end() == 6 and b"null" not in seat.seen


def test_in_a_pipe_there_is_no_terminal_unless_asked_for(cli):
    assert cli("run", "sh", "-c", "tty || true", stdin=subprocess.DEVNULL) == "not a tty\n"
    done = cli.run("run", "--stdio=pty", "sh", "-c", "tty; read x; echo got $x; cat; exit 3", input=b"word\nmore\n")
    assert done.returncode == 3 and b"/dev/pts/" in done.stdout
    assert b"got word\r\n" in done.stdout and b"more\r\n" in done.stdout


def test_input_without_a_last_newline_ends_too(cli):
    """The first ^D behind half a line only hands it over (termios(3))."""
    done = cli.run("run", "--stdio=pty", "sh", "-c", "stty -echo; echo ready; cat; echo; exit 3", input=b"some")
    assert done.returncode == 3 and done.stdout.splitlines()[-1] == b"some"


def test_signals_are_sent_on(cli):
    with run(cli, "trap 'echo caught; exit 9' TERM; echo ready; " + LOOP) as seat:
        seat.until("ready\r\n")
        seat.process.terminate()
        seat.until("caught\r\n")
        assert seat.end() == 9 and seat.is_calm()


@pytest.mark.parametrize("name", ["ALRM", "SEGV", "ABRT", "PIPE", "XCPU"])
def test_what_kills_the_command_leaves_the_terminal_as_it_was(cli, name):
    number = getattr(signal, "SIG" + name)
    environment = dict(cli.environment, SWIFT_BACKTRACE="enable=no")
    with Seat([binary(), "run", "sh", "-c", "echo begun; sleep 1000"], environment) as seat:
        seat.until("begun\r\n")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.process.send_signal(number)
        assert seat.end() == -number and seat.is_calm()


def test_a_server_that_is_killed_leaves_the_terminal_as_it_was(fresh):
    server = fresh()
    with run(Cli(server.socket), r"printf '\033[?25l\033[?1049h'; echo pid=$$=; sleep 1000") as seat:
        seat.until("pid=")
        program = int(seat.until("="))
        wire.wait_until(seat.is_raw, what="raw mode")
        server.process.kill()
        server.process.wait()
        seat.until("\x1b[?25h")
        seat.until("\x1b[?1049l")
        seat.until("procctl: the server at")
        assert seat.end() == 125 and seat.is_calm()
    wire.wait_until(lambda: not procfs.alive(program), what="the program to lose its terminal")


def test_a_window_that_is_closed_hangs_up(cli):
    with run(cli, "trap 'exit 3' HUP; echo pid=$$=; " + LOOP) as seat:
        seat.until("pid=")
        program = int(seat.until("="))
    wire.wait_until(lambda: not procfs.alive(program), what="the program to end")
    process = spawn(cli, "echo begun; sleep 1000")
    with attach(cli, process) as seat:
        seat.until("begun")
    assert cli.json("inspect", process)["state"] == "running"


def test_a_paste_of_a_megabyte_arrives(cli):
    """More than is kept on the way: whoever types waits, and nothing is lost."""
    count = 1_500_000
    with run(cli, "stty raw -echo; printf ready; sleep 0.3; head -c %d | cksum; exit 0" % count) as seat:
        seat.until("ready")
        data = bytes(33 + n % 90 for n in range(count))
        sent = 0
        while sent < count:
            sent += os.write(seat.master, data[sent:sent + 4096])
        said = subprocess.run(["cksum"], input=data, stdout=subprocess.PIPE, check=True).stdout.decode().split()
        seat.until(" ".join(said))
        assert seat.end() == 0


def test_floods_end_with_control_c(cli):
    with run(cli, "echo begun; exec yes") as seat:
        seat.until("begun")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.type("\x03")
        assert seat.end() == 130 and seat.is_calm()


def test_all_output_is_there_when_it_ends(cli):
    with run(cli, "seq 1 20000") as seat:
        assert seat.end() == 0
    assert seat.seen.decode().split() == [str(n) for n in range(1, 20001)]


def test_nothing_is_lost_on_a_slow_screen(cli):
    """More than the ring holds, on a terminal that takes its time: the program waits as it would for the terminal."""
    with run(cli, "echo pid=$$=; stty -opost; exec seq 500000", "--output-limit", "64K") as seat:
        seat.until("pid=")
        program = int(seat.until("="))
        # Nobody looks at the screen: the program comes to a halt.
        wire.wait_until(lambda: procfs.stat(program)["state"] == "S", what="the program to wait")
        assert seat.end() == 0
    assert seat.seen.decode().split() == [str(number) for number in range(1, 500001)]


def test_what_was_left_does_not_wait_for_a_screen(cli):
    with run(cli, "echo begun; seq 500000; exec sleep 1000", "--name", "left", "--output-limit", "64K") as seat:
        seat.until("begun\r\n")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.type("\x1d\x1d\x1d")
        seat.end()
    wire.wait_until(
        lambda: cli.run("logs", "--tail", "1", "left").stdout == b"500000\r\n", what="the program to come to its end"
    )
