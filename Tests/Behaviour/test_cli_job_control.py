# SPDX-License-Identifier: Apache-2.0
"""procctl run as a job of a shell: ^Z, fg, the background, and the escape key."""

import fcntl
import struct
import termios

import procfs
import wire
from cli_support import cli, shell  # noqa: F401
from seat import attach, job, run


def test_control_z_stops_what_would_stop_under_a_shell(cli):
    with shell(cli) as terminal:
        program = job(terminal, "read line; echo got \\$line")
        for _ in range(2):
            terminal.type("\x1a")
            terminal.until("ready> ")
            wire.wait_until(lambda: procfs.stat(program)["state"] == "T", what="the program to stop")
            terminal.type("stty -a | grep -o ' icanon'; fg\n")
            terminal.until(" icanon\r\n")
            wire.wait_until(lambda: procfs.stat(program)["state"] != "T", what="the program to go on")
        terminal.type("word\n")
        terminal.until("got word\r\n")
        terminal.until("ready> ")


def test_control_z_is_a_key_for_programs_that_read_it(cli):
    with run(cli, "stty raw; printf ready; head -c 1 | od -An -tx1; exit 3") as seat:
        seat.until("ready")
        seat.type("\x1a")
        seat.until("1a")
        assert seat.end() == 3


def test_the_escape_key_twice_and_control_z_always_stop(cli):
    with shell(cli) as terminal:
        program = job(terminal, "stty raw; echo begun; head -c 3 | od -An -tx1")
        # Stopped any earlier, it might be found waiting for its stopped child to come to its execve: dash uses vfork(2).
        terminal.until("begun")
        terminal.type("\x1d\x1d\x1a")
        terminal.until("ready> ")
        wire.wait_until(lambda: procfs.stat(program)["state"] == "T", what="the program to stop")
        terminal.type("fg\n")
        wire.wait_until(lambda: procfs.stat(program)["state"] != "T", what="the program to go on")
        terminal.type("xyz")
        terminal.until("78 79 7a")


def test_escape_keys_that_are_not_three_are_the_programs(cli):
    with run(cli, "stty raw -echo; printf ready; head -c 4 | od -An -tx1") as seat:
        seat.until("ready")
        seat.type("\x1d")
        seat.type("x\x1d\x1d")
        seat.until("1d 78 1d 1d")
        assert seat.end() == 0


def test_a_program_that_stops_itself_stops_the_command(cli):
    with shell(cli) as terminal:
        terminal.type('"$procctl" run -- sh -c "echo be""gun; read x; kill -STOP \\$\\$; echo af""ter"\n')
        terminal.until("begun")
        terminal.type("\n")
        terminal.until("ready> ")
        terminal.type("fg\n")
        terminal.until("after\r\n")


def test_the_escape_key_leaves_the_program_running(cli):
    with run(cli, "echo begun; read line; echo got $line; exit 5", "--name", "left") as seat:
        seat.until("begun\r\n")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.type("\x1d\x1d\x1d")
        seat.until("goes on")
        assert seat.end() == 0 and seat.is_calm()
    record = cli.json("inspect", "left")
    assert (record["state"], record["lifetime"]) == ("running", "detached")
    with attach(cli, "left") as seat:
        seat.until("begun\r\n")
        seat.type("word\n")
        seat.until("got word\r\n")
        assert seat.end() == 5 and seat.is_calm()


def test_in_the_background_it_keeps_off_the_terminal(cli):
    with shell(cli) as terminal:
        terminal.type('"$procctl" run --stdio=pty sh -c "echo be""gun; read line; echo got \\$line" & \n')
        terminal.until("begun")
        terminal.type("stty -a | grep -o ' icanon'; fg\n")
        terminal.until(" icanon\r\n")
        terminal.type("word\n")
        terminal.until("got word\r\n")
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
