# SPDX-License-Identifier: Apache-2.0
"""A person in front of procctl run or attach: a terminal with the command on it."""

import fcntl
import os
import select
import struct
import termios

import wire
from cli_support import Terminal, binary

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


def job(terminal, script):
    """Type procctl run with a script at a shell; returns the script's pid once it runs."""
    terminal.type('"$procctl" run -- sh -c "echo p""id=\\$\\$=; %s"\n' % script)
    terminal.until("pid=")
    return int(terminal.until("="))
