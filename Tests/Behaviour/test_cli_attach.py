# SPDX-License-Identifier: Apache-2.0
"""procctl run and attach on a terminal: keys, job control, leaving, and the terminal as it was on every way out."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios

import procfs
import pytest
import wire
from cli_support import Cli, Terminal, binary, cli, shell  # noqa: F401

#: ioctl_tty(2); the module termios does not have it.
TIOCGPTN = 0x80045430
LOOP = "while :; do sleep 0.02; done"


def name_of(master):
    """ptsname(3), which Python has from 3.13 on."""
    number = struct.unpack("i", fcntl.ioctl(master, TIOCGPTN, b"\0\0\0\0"))[0]
    return "/dev/pts/%d" % number


class Seat(Terminal):
    """A terminal that remembers how it was set up before the program came."""

    def __init__(self, arguments, environment, **size):
        super().__init__(arguments, environment, **size)
        self.slave = os.open(name_of(self.master), os.O_RDWR | os.O_NOCTTY)

    def end(self):
        """Everything until the program has left; its exit status. The terminal itself stays open here."""
        def look():
            ended = self.process.poll() is not None
            while select.select([self.master], [], [], 0)[0]:
                self.seen += os.read(self.master, 65536)
            return ended

        wire.wait_until(look, what="the command to end")
        return self.process.returncode

    def __exit__(self, *details):
        os.close(self.slave)
        super().__exit__(*details)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def is_calm(self):
        wanted = termios.ICANON | termios.ECHO | termios.ISIG
        settings = termios.tcgetattr(self.slave)
        return settings[3] & wanted == wanted and settings[1] & termios.OPOST == termios.OPOST


def run(cli, script, *options):
    return Seat([binary(), "run", *options, "--", "sh", "-c", script], cli.environment)


def attach(cli, process, *options):
    return Seat([binary(), "attach", *options, process], cli.environment)


def spawn(cli, script, *options):
    return cli("spawn", "--pty", *options, "--", "sh", "-c", script).strip()


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


def test_signals_are_sent_on(cli):
    with run(cli, "trap 'echo caught; exit 9' TERM; echo ready; " + LOOP) as seat:
        seat.until("ready\r\n")
        seat.process.terminate()
        seat.until("caught\r\n")
        assert seat.end() == 9 and seat.is_calm()


def test_control_z_stops_what_would_stop_under_a_shell(cli):
    with shell(cli) as terminal:
        terminal.type('"$procctl" run -- sh -c "echo p""id=\\$\\$=; read line; echo got \\$line"\n')
        terminal.until("pid=")
        program = int(terminal.until("="))
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
        terminal.type('"$procctl" run -- sh -c "stty raw; echo p""id=\\$\\$=; head -c 3 | od -An -tx1"\n')
        terminal.until("pid=")
        program = int(terminal.until("="))
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


def test_in_the_background_it_keeps_off_the_terminal(cli):
    with shell(cli) as terminal:
        terminal.type('"$procctl" run --stdio=pty sh -c "echo be""gun; read line; echo got \\$line" & \n')
        terminal.until("begun")
        terminal.type("stty -a | grep -o ' icanon'; fg\n")
        terminal.until(" icanon\r\n")
        terminal.type("word\n")
        terminal.until("got word\r\n")
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
