# SPDX-License-Identifier: Apache-2.0
"""The command line under test: run it, type at it, or let it talk to a server that writes down every word."""

import array
import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest
import serverproc
import wire

PATIENCE = wire.PATIENCE


def binary():
    """The command to test: $PROCCTL, else the one on PATH."""
    found = os.environ.get("PROCCTL") or shutil.which("procctl")
    if not found:
        raise RuntimeError("no procctl: set PROCCTL or put it on PATH")
    return os.path.abspath(found)


def piece(file, wanted=None):
    """What comes out of an unbuffered pipe until `wanted` has come or it ends; fails instead of hanging."""
    data = b""
    deadline = time.monotonic() + PATIENCE
    while wanted is None or not data.endswith(wanted):
        assert select.select([file], [], [], max(0, deadline - time.monotonic()))[0], "no more after %r" % data
        more = os.read(file.fileno(), 1 if wanted else 65536)
        if not more:
            break
        data += more
    return data


def line(process):
    """The next line that a process says."""
    return piece(process.stdout, b"\n").decode("utf-8")


class Cli:
    """procctl with an environment that leads to one server, and to none by accident."""

    def __init__(self, socket_path, extra=()):
        self.socket = socket_path
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("PROCCTL")}
        self.environment.update(PROCCTL_SOCKET=socket_path, PROCCTL_NO_AUTOSTART="1", LC_ALL="C.UTF-8")
        self.environment.update(extra)

    def start(self, *arguments, prefix=(), environment=None, **options):
        """A Popen of `procctl arguments…`; pipes unless told otherwise."""
        for name in ("stdout", "stderr"):
            options.setdefault(name, subprocess.PIPE)
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("bufsize", 0)
        env = dict(self.environment, **(environment or {}))
        return subprocess.Popen([*prefix, binary(), *arguments], env=env, **options)

    def run(self, *arguments, input=None, **options):
        """The finished process: returncode, stdout, stderr (bytes)."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
        with self.start(*arguments, **options) as process:
            try:
                out, err = process.communicate(input, PATIENCE)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def __call__(self, *arguments, **options):
        """The text on standard output of a command that must succeed and complain of nothing."""
        done = self.run(*arguments, **options)
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode("utf-8")

    def json(self, *arguments, **options):
        """The one JSON document that a command prints."""
        return json.loads(self(*arguments, "--json", **options))

    def fails(self, status, *arguments, **options):
        """The one line on standard error of a command that must end with `status`, without its "procctl: "."""
        done = self.run(*arguments, **options)
        assert done.returncode == status, done
        line = done.stderr.decode("utf-8")
        assert line.startswith("procctl: ") and line.count("\n") == 1 and line.endswith("\n"), line
        return line[len("procctl: "):-1]


@pytest.fixture
def cli(server):
    """The command line, led to the session's server."""
    name, _, value = server.mark.partition("=")
    return Cli(server.socket, {name: value})


@pytest.fixture
def alone():
    """alone(**environment): a command line in a directory without a server, which is ended at the end if one came."""
    directory = serverproc.short_directory()
    made = []

    def make(**environment):
        made.append(Cli(str(directory / "s"), environment))
        return made[-1]

    make.directory = directory
    yield make
    for command in made:
        command.run("shutdown", "--no-autostart")
    shutil.rmtree(directory, ignore_errors=True)


class Recorder:
    """A server that writes down each request and answers what it is told to: for what a real one would not do."""

    RECORD = {
        "id": 1, "instance": "recorder", "name": None, "state": "running", "pid": 4711, "argv": ["x"], "cwd": "/",
        "labels": {}, "owner": {"uid": 0, "gid": 0}, "session": 4711, "started_at": 1, "replaced_at": None, "exited_at": None,
        "drained_at": None, "exit": None, "reason": None, "usage": None,
        "streams": {"stdin": {"kind": "null"}, "stdout": {"kind": "null"}, "stderr": {"kind": "null"}},
        "lifetime": "detached", "deadline_at": None, "generation": 1, "containment": "descendants",
    }

    def __init__(self, answer=None):
        self.answer = answer or (lambda method, params: dict(self.RECORD))
        self.directory = serverproc.short_directory()
        self.socket = str(self.directory / "s")
        self.requests = []
        self.connections = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    self.connections += 1
                    self._talk(connection)

    def _talk(self, connection):
        buffer = b""
        links = []
        while True:
            data, ancillary, _, _ = connection.recvmsg(65536, 8192)
            for _, _, rights in ancillary:
                numbers = array.array("i")
                numbers.frombytes(rights)
                for number in numbers:
                    links.append(os.readlink("/proc/self/fd/%d" % number))
                    os.close(number)
            if not data:
                return
            buffer += data
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                request = json.loads(line)
                request["descriptors"], links = links, []
                self.requests.append(request)
                answer = self.answer(request["method"], request.get("params"))
                if answer is None:
                    return
                key = "error" if "code" in answer and "message" in answer else "result"
                reply = {"jsonrpc": "2.0", "id": request["id"], key: answer}
                connection.sendall(json.dumps(reply).encode("utf-8") + b"\n")

    def close(self):
        # Wakes the thread in accept; close alone would not.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture
def recorder():
    """recorder(answer=None): (a command line, the Recorder it is led to). `answer(method, params)` gives the result,
    an error object, or None to cut the connection."""
    made = []

    def make(answer=None):
        made.append(Recorder(answer))
        return Cli(made[-1].socket), made[-1]

    yield make
    for server in made:
        server.close()


class Terminal:
    """A terminal with a program on it, as a person would use it: its session's own, of a size, with keys."""

    def __init__(self, arguments, environment, rows=24, columns=80):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

        def own():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            arguments, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=own
        )
        os.close(slave)
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.master)  # the terminal hangs up
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def type(self, text):
        os.write(self.master, text.encode("utf-8"))

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, wanted):
        """Read until the text is on the screen; returns what came before it and forgets both."""
        wanted = wanted.encode("utf-8")
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.seen:
            assert select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0], (wanted, self.seen)
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            assert data, "the terminal ended before %r: %r" % (wanted, self.seen)
            self.seen += data
        before, _, self.seen = self.seen.partition(wanted)
        return before.decode("utf-8")

    def end(self):
        """Everything until the program has left; its exit status."""
        with contextlib.suppress(OSError):
            while True:
                data = os.read(self.master, 65536)
                if not data:
                    break
                self.seen += data
        return self.process.wait(PATIENCE)


def shell(cli):
    """An interactive shell with job control on a terminal; $procctl is the command under test."""
    environment = dict(cli.environment, PS1="ready> ", TERM="dumb", procctl=binary(), HISTFILE="")
    terminal = Terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"], environment)
    terminal.until("ready> ")
    return terminal
