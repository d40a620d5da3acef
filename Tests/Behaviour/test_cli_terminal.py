# SPDX-License-Identifier: Apache-2.0
"""procctl on a real terminal, typed at by a person with a shell that has job control."""

import json

import procfs
import wire
from cli_support import Terminal, binary, cli, shell  # noqa: F401
from seat import job


def test_the_program_has_the_terminal(cli):
    script = "test -t 0 -a -t 1 -a -t 2 && tty && stty size && read line && echo got $line"
    command = [binary(), "run", "--", "sh", "-c", script]
    with Terminal(command, cli.environment, rows=33, columns=99) as terminal:
        before = terminal.until("33 99\r\n")
        assert before.startswith("/dev/pts/")
        terminal.type("word\n")
        terminal.until("got word\r\n")
        assert terminal.end() == 0


def test_control_c_ends_both(cli):
    with shell(cli) as terminal:
        script = "trap 'echo cau\"\"ght; exit 3' INT; echo be\"\"gun; while :; do sleep 0.02; done"
        terminal.type('"$procctl" run -- sh -c "%s"; echo st=$?\n' % script)
        terminal.until("begun\r\n")
        terminal.type("\x03")
        terminal.until("caught\r\n")
        terminal.until("st=3\r\n")


def test_control_backslash_and_the_default_action(cli):
    with shell(cli) as terminal:
        terminal.type('ulimit -c 0; "$procctl" run -- sh -c "echo be""gun; exec sleep 1000"; echo st=$?\n')
        terminal.until("begun\r\n")
        terminal.type("\x1c")
        terminal.until("st=131\r\n")


def test_a_new_size_is_told(cli):
    with shell(cli) as terminal:
        script = "trap 'stty size' WINCH; echo be\"\"gun; while :; do sleep 0.02; done"
        terminal.type('"$procctl" run -- sh -c "%s"\n' % script)
        terminal.until("begun\r\n")
        terminal.resize(11, 77)
        terminal.until("11 77\r\n")
        terminal.type("\x03")
        terminal.until("ready> ")


def test_hanging_up_ends_the_program(cli):
    with shell(cli) as terminal:
        program = job(terminal, "exec sleep 1000")
    wire.wait_until(lambda: not procfs.alive(program), what="the program to end with its terminal")


def test_tables_fit_the_width(cli):
    cli("spawn", "sleep", "1000", "x" * 200)
    cli("spawn", "sleep", "1000", "日本語" * 60)
    with Terminal([binary(), "ps"], cli.environment, columns=60) as terminal:
        terminal.end()
        lines = terminal.seen.decode().replace("\r", "").splitlines()
    assert len(lines) == 3 and lines[1].endswith("…") and len(lines[1]) == 60
    assert lines[2].endswith("…") and len(lines[2]) < 60
    ascii_only = dict(cli.environment, LC_ALL="C")
    with Terminal([binary(), "ps"], ascii_only, columns=60) as terminal:
        terminal.end()
        assert terminal.seen.decode().replace("\r", "").splitlines()[1].endswith("x+")


def test_json_is_indented_on_a_terminal(cli):
    with Terminal([binary(), "call", "info"], cli.environment) as terminal:
        assert terminal.end() == 0
        text = terminal.seen.decode().replace("\r\n", "\n")
    assert text.startswith('{\n  "name": "procctld",\n') and json.loads(text)["name"] == "procctld"
