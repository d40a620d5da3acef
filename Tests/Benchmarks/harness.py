# SPDX-License-Identifier: Apache-2.0
"""What the measurements of run.py stand on: the compiled C programs, servers that run for a while, rounds, and the table."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
C_FLAGS = ["-O2", "-std=gnu17", "-Wall", "-Wextra"]
KERNEL = HERE.parent.parent / "Sources" / "CKernel"
ENGINE = ["-I", str(KERNEL / "include"), *map(str, [*KERNEL.glob("inject*.c"), KERNEL / "process.c"])]
BARE = ["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"]
PROGRAMS = {
    "echo": ["echo.c"], "load": ["load.c"], "spawn": ["spawn.c", "-pthread"], "empty": ["empty.c"],
    "replace": ["replace.c", "-pthread", *ENGINE],
    "tiny": ["-DEXIT", *BARE, "child.c"], "pause": ["-DPAUSE", *BARE, "child.c"], "flood": ["-DFLOOD", *BARE, "child.c"],
}


class Bench:
    """The compiled programs and the rows measured so far."""

    def __init__(self, options, directory, log):
        self.options = options
        self.directory = directory
        self.log = log
        self.rows = []
        self.failed = False
        for name, arguments in PROGRAMS.items():
            command = [os.environ.get("CC", "cc"), *C_FLAGS, *arguments, "-o", str(directory / name)]
            subprocess.run(command, cwd=HERE, check=True)
        self.true = shutil.which("true", path="/bin:/usr/bin")
        self.tiny, self.pause, self.flood = (str(directory / name) for name in ("tiny", "pause", "flood"))

    def run(self, tool, *arguments, core=None):
        """One run of a C program, on one core if asked; returns what it printed."""
        command = [str(self.directory / tool), *map(str, arguments)]
        bind = None if core is None else lambda: os.sched_setaffinity(0, {core})
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, preexec_fn=bind)
        if done.returncode:
            raise RuntimeError("%s %s: %s" % (tool, arguments[0], done.stderr.decode("utf-8", "replace").strip()))
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def meanwhile(self, tool, *arguments):
        """A C program that runs while the block does."""
        process = subprocess.Popen([str(self.directory / tool), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            yield
            if process.poll() is not None:
                raise RuntimeError("%s %s ended with %d" % (tool, arguments[0], process.returncode))
        finally:
            process.kill()
            process.wait()

    def python(self, *arguments):
        """One run of run_program.py; returns what it printed."""
        environment = dict(os.environ, PYTHONPATH=str(HERE.parent.parent / "clients" / "python" / "src"))
        command = [sys.executable, str(HERE / "run_program.py"), *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        if done.returncode:
            raise RuntimeError("run_program.py %s: %s" % (arguments[0], done.stderr.decode("utf-8", "replace").strip()))
        return json.loads(done.stdout)

    def alternate(self, ours, theirs, rounds=None):
        """Both in turns; returns their medians and the median of the ratios (ours to theirs) of the rounds."""
        pairs = []
        for turn in range(rounds or self.options.rounds):
            if turn % 2:
                second, first = theirs(), ours()
            else:
                first, second = ours(), theirs()
            pairs.append((first, second))
        ratio = statistics.median(first / second for first, second in pairs)
        return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs), ratio

    def part(self, measure, *arguments):
        """One part of the table; if it cannot be measured, the others still are."""
        try:
            measure(self, *arguments)
        except (RuntimeError, subprocess.SubprocessError) as error:
            self.failed = True
            print("\n%s: %s" % (measure.__name__, error), file=sys.stderr)
            self.rows.append((measure.__name__ + " could not be measured, see above", "", "", "", "", "FAILED"))

    def row(self, what, ours, theirs="", ratio=None, target="", ok=None):
        verdict = "" if ok is None else "ok" if ok else "over"
        self.rows.append((what, ours, theirs, "" if ratio is None else "%.2f" % ratio, target, verdict))
        print(".", end="", file=sys.stderr, flush=True)

    def server(self, name="s"):
        """procctld, for as long as the block runs."""
        path = str(self.directory / name)
        return Daemon([self.options.procctld, "--socket", path, "--log-level", "error"], path, self.log)

    def echo(self):
        """The echo server in C."""
        path = str(self.directory / "echo-socket")
        return Daemon([str(self.directory / "echo"), path], path, self.log)

    def show(self):
        table = [("what", "procctl", "C", "ratio", "target", ""), *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(6)]
        for number, row in enumerate(table):
            cells = [cell.ljust(width) if i in (0, 4, 5) else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
            print("  ".join(cells).rstrip())
            if number == 0:
                print("  ".join("-" * width for width in widths))


class Daemon:
    """A server that runs while the block does."""

    def __init__(self, command, path, log):
        self.socket = path
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 10
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("%s does not listen on %s" % (command[0], path))
            time.sleep(0.01)

    def listens(self):
        """Whether a connection comes about: the file is there a moment before."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def bind(self, cores):
        """Run on these cores from here on."""
        os.sched_setaffinity(self.process.pid, cores)

    def status(self, name):
        """A figure of /proc/PID/status."""
        for line in pathlib.Path("/proc/%d/status" % self.process.pid).read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise KeyError(name)


def raise_limit(least):
    """Thousands of processes need as many descriptors and more; the hard limit can only be raised by the mighty."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, least)))
    except (ValueError, PermissionError):
        pass
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def sweep(directory):
    """Ends what a server that crashed has left of our programs: known by the file they run."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "exe").startswith(str(directory) + "/"):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            pass
