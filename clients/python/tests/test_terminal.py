# SPDX-License-Identifier: Apache-2.0
"""execvp from a terminal: what a person sees who types at it."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from typing import Any, Iterator, Sequence

import pytest
from support import EXAMPLES, LONG, eventually, python_command, python_env

import procctl


class Terminal:
    """A program on a terminal of its own, which it is the foreground of, as a shell's job would be."""

    def __init__(self, command: Sequence[str]) -> None:
        self.seen = b""
        self.status: int = -1
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                os.execve(command[0], list(command), python_env())
            finally:
                os._exit(126)

    def type(self, text: bytes) -> None:
        """What the person types."""
        os.write(self.master, text)

    def until(self, text: bytes) -> None:
        """Wait until this stands on the screen."""
        deadline = time.monotonic() + LONG
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            data = b""
            if ready:
                try:
                    data = os.read(self.master, 4096)
                except OSError:
                    pass  # EIO: the last one with the terminal open has gone.
            if not data:
                raise AssertionError(f"{text!r} never came; the screen: {self.seen!r}")
            self.seen += data

    def exit(self) -> int:
        """Its exit code, or minus the signal."""

        def look() -> bool:
            pid, self.status = os.waitpid(self.pid, os.WNOHANG)
            return pid != 0

        eventually(look, "the program's end")
        self.pid = 0
        return os.waitstatus_to_exitcode(self.status)

    def close(self) -> None:
        os.close(self.master)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def terminals(server: Any) -> Iterator["list[Terminal]"]:
    opened: "list[Terminal]" = []
    yield opened
    for terminal in opened:
        terminal.close()


def run(terminals: "list[Terminal]", *command: str) -> Terminal:
    terminals.append(Terminal(command))
    return terminals[-1]


def shell(terminals: "list[Terminal]", script: str) -> Terminal:
    return run(
        terminals, *python_command("import sys, procctl; procctl.execvp('sh', ['sh', '-c', sys.argv[1]])", script)
    )


def test_the_books_example(terminals: "list[Terminal]") -> None:
    terminal = run(terminals, sys.executable, str(EXAMPLES / "calling_process.py"))
    terminal.until(b"Press ENTER to exit ")
    terminal.type(b"\n")
    assert terminal.exit() == 0
    assert b"Process calling" in terminal.seen and b"Good Bye" not in terminal.seen


def test_the_program_has_the_terminal(terminals: "list[Terminal]") -> None:
    terminal = shell(terminals, "test -t 0 && test -t 1 && test -t 2 && tty; stty size; read line; echo got $line")
    terminal.until(b"/dev/pts/")
    terminal.type(b"typed\n")
    terminal.until(b"got typed")
    assert terminal.exit() == 0


@pytest.mark.parametrize("key, number", [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
def test_keys_end_the_program_and_its_children(
    terminals: "list[Terminal]", client: procctl.Client, key: bytes, number: int
) -> None:
    terminal = shell(terminals, "ulimit -c 0; sleep 1000; echo not reached")
    members = eventually(
        lambda: [
            record
            for record in client.list(state="running")
            if len(client.get(record, members=True).members or []) == 2
        ],
        "the child",
    )
    terminal.type(key)
    assert terminal.exit() == -number
    eventually(lambda: not client.list(), "the release")
    assert members and b"not reached" not in terminal.seen


def test_an_interrupt_that_is_caught(terminals: "list[Terminal]") -> None:
    terminal = shell(terminals, "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.01; done")
    terminal.until(b"ready")
    terminal.type(b"\x03")
    terminal.until(b"caught")
    assert terminal.exit() == 9


def test_closing_the_terminal_hangs_up(terminals: "list[Terminal]", client: procctl.Client) -> None:
    terminal = shell(terminals, "echo ready; sleep 1000")
    terminal.until(b"ready")
    process = client.process(eventually(client.list, "the process")[0])
    os.close(terminal.master)
    terminal.master = os.open(os.devnull, os.O_RDWR)
    assert terminal.exit() == -signal.SIGHUP
    with pytest.raises(procctl.NoSuchProcess):
        eventually(lambda: process.state == "never", "the release")


def test_job_control(terminals: "list[Terminal]", client: procctl.Client) -> None:
    # An interactive shell has the caller as its job.
    terminal = run(terminals, "/bin/sh", "-i")
    terminal.until(b"$ " if os.geteuid() else b"# ")
    code = "import procctl; procctl.execvp('sh', ['sh', '-c', 'echo re''ady; read line; echo got $line'])"
    terminal.type(f'{sys.executable} -c "{code}"\n'.replace("$line", "\\$line").encode())
    terminal.until(b"ready\r\n")
    process = client.process(eventually(client.list, "the process")[0])
    terminal.type(b"\x1a")
    eventually(lambda: process.state == "stopped", "the program's stop")
    terminal.type(b"echo shell has $((40 + 2))\n")
    terminal.until(b"shell has 42")
    terminal.type(b"fg\n")
    eventually(lambda: process.state == "running", "the program's continuing")
    terminal.type(b"typed\n")
    terminal.until(b"got typed")
    terminal.type(b"exit 3\n")
    assert terminal.exit() == 3
