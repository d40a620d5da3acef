# SPDX-License-Identifier: Apache-2.0
"""A real terminal emulator: tmux on a socket of its own, typed at, its screen compared."""

import os
import re
import shutil
import subprocess
import tempfile

import wire
from cli_support import binary


class Tmux:
    """One window with a shell in it; $procctl is the command under test."""

    def __init__(self, environment, rows=24, columns=80):
        self.directory = tempfile.mkdtemp(prefix="tmux-")
        self.socket = os.path.join(self.directory, "s")
        config = os.path.join(self.directory, "config")
        with open(config, "w") as file:
            file.write("set -g status off\nset -g default-terminal screen-256color\nset -sg escape-time 0\n")
        self.environment = {k: v for k, v in environment.items() if k not in ("TMUX", "TMUX_PANE")}
        self.environment.update(procctl=binary(), PS1="ready> ", HISTFILE="", TERM="xterm", LESS="", VIMINIT="")
        shell = ["bash", "--norc", "--noprofile", "-i"]
        self("-f", config, "new-session", "-d", "-x", str(columns), "-y", str(rows), "--", *shell)
        self("resize-window", "-x", str(columns), "-y", str(rows))
        self.until("ready>")

    def __call__(self, *arguments):
        done = subprocess.run(
            ["tmux", "-S", self.socket, *arguments], env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=wire.PATIENCE,
        )
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.decode("utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # By its own socket: nobody else's tmux is meant.
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def keys(self, *keys):
        """Press keys by tmux's names of them: Enter, C-c, Escape."""
        self("send-keys", *keys)

    def type(self, text):
        self("send-keys", "-l", text)

    def command(self, text):
        self.type(text)
        self.keys("Enter")

    def procctl(self, arguments):
        """The command under test; a line `st=` and its exit status come after it."""
        self.command('"$procctl" %s; echo st=$?' % arguments)

    def screen(self):
        """The lines that are on the screen, without the empty ones at its end."""
        return self("capture-pane", "-p").rstrip("\n").split("\n")

    def until(self, pattern):
        """Wait until a line of the screen matches; the match."""
        shown = []

        def look():
            shown[:] = self.screen()
            return next(filter(None, (re.search(pattern, line) for line in shown)), None)

        try:
            return wire.wait_until(look, what="%r on the screen" % pattern)
        except AssertionError as error:
            raise AssertionError("%s:\n%s" % (error, "\n".join(shown))) from None

    def resize(self, rows, columns):
        self("resize-window", "-x", str(columns), "-y", str(rows))

    def state(self, name):
        """What tmux knows of its screen: alternate_on, cursor_flag, mouse_any_flag, pane_width, …"""
        return self("display-message", "-p", "#{%s}" % name).strip()

    def settings(self):
        """What stty says of the terminal the shell is on, its size aside."""
        tty = self("display-message", "-p", "#{pane_tty}").strip()
        said = subprocess.run(["stty", "-a", "-F", tty], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8")
        return re.sub("rows [0-9]+; columns [0-9]+;", "", said)
