#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of procctld and procctl against plain C on the same machine in the same run.

Each figure is the median over rounds in which both sides take turns, so that a busy machine slows both. What counts is the
ratio; the times are shown for orientation. Nothing here fails because something is slow: it prints where we stand.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
C_FLAGS = ["-O2", "-std=gnu17", "-Wall", "-Wextra"]
BARE = ["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"]
PROGRAMS = {
    "echo": ["echo.c"], "load": ["load.c"], "spawn": ["spawn.c", "-pthread"], "empty": ["empty.c"],
    "tiny": ["-DEXIT", *BARE, "child.c"], "pause": ["-DPAUSE", *BARE, "child.c"], "flood": ["-DFLOOD", *BARE, "child.c"],
}


class Bench:
    """The compiled programs, the servers, and the rows measured so far."""

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.rows = []
        self.failed = False
        for name, arguments in PROGRAMS.items():
            command = [os.environ.get("CC", "cc"), *C_FLAGS, *arguments, "-o", str(directory / name)]
            subprocess.run(command, cwd=HERE, check=True)
        self.true = shutil.which("true", path="/bin:/usr/bin")
        self.tiny, self.pause, self.flood = (str(directory / name) for name in ("tiny", "pause", "flood"))

    def run(self, tool, *arguments):
        """One run of a C program; returns what it printed."""
        command = [str(self.directory / tool), *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=600)
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
        except subprocess.SubprocessError as error:
            self.failed = True
            self.rows.append(("%s: %s" % (measure.__name__, error), "", "", "", "", "FAILED"))

    def row(self, what, ours, theirs, ratio, target="", ok=None):
        verdict = "" if ok is None else "ok" if ok else "over"
        self.rows.append((what, ours, theirs, "" if ratio is None else "%.2f" % ratio, target, verdict))
        print(".", end="", file=sys.stderr, flush=True)


class Daemon:
    """A server that runs while the block does: procctld, or the echo server."""

    def __init__(self, command, socket, log):
        self.socket = socket
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 10
        while not os.path.exists(socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("%s does not listen on %s" % (command[0], socket))
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def status(self, name):
        """A figure of /proc/PID/status."""
        for line in pathlib.Path("/proc/%d/status" % self.process.pid).read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise KeyError(name)


def server(bench, log, name="s"):
    socket = str(bench.directory / name)
    return Daemon([bench.options.procctld, "--socket", socket, "--log-level", "error"], socket, log)


def microseconds(ns):
    return "%.1f µs" % (ns / 1000)


def ping(bench, socket, echo):
    count = bench.options.count * 10
    ours, theirs, ratio = bench.alternate(
        lambda: bench.run("load", "ping", socket, count)["p50"], lambda: bench.run("load", "ping", echo, count)["p50"])
    bench.row("ping, round trip (epoll echo)", microseconds(ours), microseconds(theirs), ratio, "≤ 1.30", ratio <= 1.3)


def one_after_the_other(bench, socket):
    for label, program, stream, limit in (
        ("/bin/true", bench.true, "null", 1.15), ("tiny static program", bench.tiny, "null", None),
        ("/bin/true, output captured", bench.true, "pipe", None)):
        ours, theirs, ratio = bench.alternate(
            lambda: bench.run("load", "one", socket, bench.options.count, program, stream)["p50"],
            lambda: bench.run("spawn", "one", bench.options.count, program)["p50"])
        target, ok = ("≤ %.2f" % limit, ratio <= limit) if limit else ("", None)
        bench.row("spawn → exit known: " + label, microseconds(ours), microseconds(theirs), ratio, target, ok)


def in_flight(bench, socket):
    count = bench.options.count * 2
    for label, program, limit in (("/bin/true", bench.true, 0.9), ("tiny static program", bench.tiny, None)):

        def reference():
            """C's best: two threads, or one thread with eight programs under way."""
            return max(bench.run("spawn", "threads", count, 2, program)["rate"],
                       bench.run("spawn", "epoll", count, 8, program)["rate"])

        ours, theirs, ratio = bench.alternate(
            lambda: bench.run("load", "flight", socket, count, 16, program, "null")["rate"], reference)
        target, ok = ("≥ %.2f" % limit, ratio >= limit) if limit else ("", None)
        bench.row("spawns per second, pipelined: " + label, "%.0f/s" % ours, "%.0f/s" % theirs, ratio, target, ok)


def output(bench, socket):
    def speed(answer):
        return answer["bytes"] / answer["ns"] * 1e3

    ours, theirs, ratio = bench.alternate(
        lambda: speed(bench.run("load", "read", socket, bench.flood)), lambda: speed(bench.run("spawn", "pipe", bench.flood)), 3)
    bench.row("captured text by read, 256 MiB (pipe)", "%.0f MB/s" % ours, "%.0f MB/s" % theirs, ratio, "≥ 0.50", ratio >= 0.5)


def many(bench, log):
    """Cost per process with ten alive and with thousands; C's own growth is the kernel's share of it."""
    few, lots = 10, bench.options.live
    with server(bench, log, "many") as daemon:
        ours = {few: [], lots: []}
        theirs = {few: [], lots: []}
        for count, rounds in ((few, 20), (lots, 3)):
            for _ in range(rounds):
                ours[count].append(bench.run("load", "live", daemon.socket, count, bench.pause))
                theirs[count].append(bench.run("spawn", "live", count, bench.pause))
    for key, label in (("spawn", "spawn"), ("any", "kill one → wait any answers"), ("kill", "kill, until gone"), ("list", "list")):
        mine = {n: statistics.median(run[key] for run in ours[n]) for n in ours}
        growth = mine[lots] / mine[few]
        if key == "list":
            bench.row("per process, %d alive: list" % lots, microseconds(mine[lots]), "", None)
            continue
        c = {n: statistics.median(run[key] for run in theirs[n]) for n in theirs}
        bench.row("per process, %d alive: %s" % (few, label), microseconds(mine[few]), microseconds(c[few]), mine[few] / c[few])
        kernel = c[lots] / c[few]
        bench.row("per process, %d alive: %s" % (lots, label), microseconds(mine[lots]), microseconds(c[lots]),
                  mine[lots] / c[lots], "%.2f × ten; C: %.2f ×" % (growth, kernel), growth <= max(1.25, 1.25 * kernel))


def idle(bench, log):
    with server(bench, log, "idle") as daemon:
        for _ in range(2):
            bench.run("load", "ping", daemon.socket, 1000)
        time.sleep(0.5)
        before = daemon.status("voluntary_ctxt_switches") + daemon.status("nonvoluntary_ctxt_switches")
        time.sleep(5)
        woken = daemon.status("voluntary_ctxt_switches") + daemon.status("nonvoluntary_ctxt_switches") - before
        rss, threads = daemon.status("VmRSS"), daemon.status("Threads")
        bench.row("idle: resident set", "%.1f MB" % (rss / 1024), "", None, "≤ 6 MB", rss <= 6 * 1024)
        bench.row("idle: threads", str(threads), "", None, "1", threads == 1)
        bench.row("idle: wake-ups in 5 s", str(woken), "", None, "0", woken == 0)
        bench.run("load", "hold", daemon.socket, bench.options.live, bench.pause)
        time.sleep(0.5)
        each = (daemon.status("VmRSS") - rss) / bench.options.live
        bench.row("%d alive: memory for each" % bench.options.live, "%.2f KiB" % each, "", None, "≤ 4 KiB", each <= 4)


def command(bench, socket):
    os.environ["PROCCTL_SOCKET"] = socket
    ours, theirs, ratio = bench.alternate(
        lambda: bench.run("spawn", "one", 200, bench.options.procctl, "ping")["p50"],
        lambda: bench.run("spawn", "one", 200, bench.directory / "empty")["p50"])
    most = 2 * theirs + 3e6
    bench.row("procctl ping, the whole command (empty C program)", microseconds(ours), microseconds(theirs), ratio,
              "≤ 2 × + 3 ms", ours <= most)


def show(rows):
    table = [("what", "procctl", "C", "ratio", "target", ""), *rows]
    widths = [max(len(row[i]) for row in table) for i in range(6)]
    for number, row in enumerate(table):
        cells = [cell.ljust(width) if i in (0, 4, 5) else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def sweep(directory):
    """Ends what a server that crashed has left of our programs: known by the file they run."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "exe").startswith(str(directory) + "/"):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            pass


def find(name):
    built = ROOT / ".build" / "release" / name
    return str(built) if built.exists() else shutil.which(name) or str(built)


def raise_limit(least):
    """Ten thousand processes need as many descriptors and more; only root may raise the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, least)))
    except (ValueError, PermissionError):
        print("the limit of open files is %d, which may be too few" % hard, file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--procctld", default=find("procctld"), help="the server (default: the release build, or PATH)")
    parser.add_argument("--procctl", default=find("procctl"), help="the command (default: the release build, or PATH)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds per row (default 7)")
    parser.add_argument("--count", type=int, default=1000, help="spawns per round (default 1000)")
    parser.add_argument("--live", type=int, default=10000, help="processes alive at once (default 10000)")
    options = parser.parse_args()
    for program in (options.procctld, options.procctl):
        if not os.access(program, os.X_OK):
            raise SystemExit("%s is not there: run `make build`, or give --procctld and --procctl" % program)
    raise_limit(8 * options.live)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pc-bench-", dir="/tmp"))
    try:
        bench = Bench(options, directory)
        with open(directory / "log", "wb") as log:
            echo = str(directory / "echo-socket")
            with server(bench, log) as daemon, Daemon([str(directory / "echo"), echo], echo, log):
                bench.part(ping, daemon.socket, echo)
                bench.part(one_after_the_other, daemon.socket)
                bench.part(in_flight, daemon.socket)
                bench.part(output, daemon.socket)
                bench.part(command, daemon.socket)
            bench.part(idle, log)
            bench.part(many, log)
        print(file=sys.stderr)
        show(bench.rows)
        return 1 if bench.failed else 0
    finally:
        sweep(directory)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
