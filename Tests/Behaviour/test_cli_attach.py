# SPDX-License-Identifier: Apache-2.0
"""procctl attach: a window on a terminal of the server's, as long as somebody looks."""

import os
import signal

import pytest
import wire
from cli_support import cli  # noqa: F401
from seat import LOOP, attach, spawn


def test_attach_leaves_and_comes_back(cli):
    process = spawn(cli, "echo begun; while read line; do echo got $line; done; exit 7")
    for word in ("one", "two"):
        with attach(cli, process) as seat:
            seat.until("begun\r\n")
            seat.type(word + "\n")
            seat.until("got %s\r\n" % word)
            seat.type("\x1d\x1d\x1d")
            assert seat.end() == 0 and seat.is_calm()
    cli("write", process, "--eof")
    with attach(cli, process) as seat:
        seat.until("got one\r\n")
        seat.until("got two\r\n")
        assert seat.end() == 7


def test_attach_from_an_offset_and_without_what_was(cli):
    process = spawn(cli, "printf 0123456789; read line; echo got $line")
    wire.wait_until(lambda: cli("logs", process) == "0123456789", what="the digits")
    with attach(cli, process, "--since-offset", "6") as seat:
        assert seat.until("6789") == ""
    with attach(cli, process, "--no-replay") as seat:
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.type("x\n")
        seat.until("got x")
        assert seat.end() == 0 and b"0123" not in seat.seen


def test_attach_gives_the_terminal_its_size(cli):
    process = spawn(cli, "trap 'stty size' WINCH; echo begun; " + LOOP, "--size", "10x20")
    with attach(cli, process) as seat:
        seat.until("24 80\r\n")
        seat.resize(33, 99)
        seat.until("33 99\r\n")
    cli("resize", process, "12", "34")
    wire.wait_until(lambda: "12 34" in cli("logs", process), what="the new size")


def test_questions_of_the_past_are_not_answered_again(cli):
    questions = r"\033[c\033[6n\033[>c\033[?25h\033]11;?\007\033P+q544e\033\\\033]0;title\007"
    process = spawn(cli, r"printf 'a%sb\n'; read line" % questions)
    wire.wait_until(lambda: b"b" in cli.run("logs", process).stdout, what="the output")
    with attach(cli, process) as seat:
        assert seat.until("b\r\n") == "a\x1b[?25h\x1b]0;title\x07"


def test_attach_needs_a_terminal(cli):
    process = cli("spawn", "sleep", "1000").strip()
    assert "no terminal" in cli.fails(1, "attach", process)
    assert "no_terminal" in cli.fails(1, "resize", process, "5", "5")


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT"])
def test_a_signal_ends_the_window_and_not_the_process(cli, name):
    process = spawn(cli, "echo begun; sleep 1000")
    number = getattr(signal, "SIG" + name)
    with attach(cli, process) as seat:
        seat.until("begun\r\n")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.process.send_signal(number)
        assert seat.end() == 128 + number and seat.is_calm()
    assert cli.json("inspect", process)["state"] == "running"


def test_control_c_goes_to_the_program(cli):
    process = spawn(cli, "trap 'echo caught; exit 6' INT; echo begun; " + LOOP)
    with attach(cli, process) as seat:
        seat.until("begun\r\n")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.type("\x03")
        seat.until("caught\r\n")
        assert seat.end() == 6 and seat.is_calm()


def test_the_size_is_known_to_a_program_that_asks_after_it(cli):
    process = spawn(cli, "echo begun; while read line; do stty size; done", "--size", "10x20")
    with attach(cli, process) as seat:
        seat.until("begun\r\n")
        wire.wait_until(lambda: cli.json("inspect", process)["streams"]["terminal"]["rows"] == 24, what="the size")
        seat.type("\n")
        seat.until("24 80\r\n")
        seat.resize(40, 132)
        wire.wait_until(lambda: cli.json("inspect", process)["streams"]["terminal"]["rows"] == 40, what="the new size")
        seat.type("\n")
        seat.until("40 132\r\n")


def test_a_seat_without_a_keyboard(cli):
    process = spawn(cli, "stty size; while read line; do echo got $line; done", "--size", "10x20")
    with attach(cli, process, "--read-only") as seat:
        seat.until("10 20\r\n")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.type("typed\n\x1dx")
        seat.resize(40, 132)
        cli("write", process, "other\n")
        seat.until("got other\r\n")
        seat.type("\x1d\x1d\x1d")
        assert seat.end() == 0 and seat.is_calm() and b"typed" not in seat.seen
    terminal = cli.json("inspect", process)["streams"]["terminal"]
    assert (terminal["rows"], terminal["cols"]) == (10, 20)


def test_who_is_shown_everything_asks_for_no_new_drawing(cli):
    """A program in its first moments could take a size that is set in passing for the true one."""
    process = spawn(cli, "trap 'echo drawn' WINCH; echo begun; while :; do read line && echo got $line; done", "--size", "24x80")
    wire.wait_until(lambda: "begun" in cli("logs", process), what="the program")
    with attach(cli, process) as seat:
        seat.until("begun\r\n")
        wire.wait_until(seat.is_raw, what="raw mode")
        seat.type("one\n")
        assert "drawn" not in seat.until("got one\r\n")
    with attach(cli, process, "--no-replay") as seat:
        seat.until("drawn\r\n")
