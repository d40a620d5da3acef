#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of procctld and procctl against plain C on the same machine in the same run.

Each figure is the median over rounds in which both sides take turns, so that a busy machine slows both. What counts is the
ratio; the times are shown for orientation. Nothing here fails because something is slow: it prints where we stand, against
the targets of the design. The exit status is 1 when something could not be measured.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

from harness import Bench, raise_limit, sweep

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def microseconds(ns):
    return "%.1f µs" % (ns / 1000)


def ping(bench):
    """On one core, where a switch is cheap and the servers' own work shows, and on two, where waking the other costs most."""
    cores = sorted(os.sched_getaffinity(0))
    count = bench.options.count * 10
    for label, client in (("one core", cores[0]), ("two cores", cores[-1])):
        if label == "two cores" and len(cores) == 1:
            continue
        with bench.server("ping") as ours, bench.echo() as theirs:
            ours.bind(cores[:1])
            theirs.bind(cores[:1])
            mine, c, ratio = bench.alternate(
                lambda: bench.run("load", "ping", ours.socket, count, core=client)["p50"],
                lambda: bench.run("load", "ping", theirs.socket, count, core=client)["p50"])
        bench.row("ping, round trip, %s (epoll echo)" % label, microseconds(mine), microseconds(c), ratio, "≤ 1.30", ratio <= 1.3)
        os.unlink(theirs.socket)


def one_after_the_other(bench, socket):
    for label, program, stream, limit in (
        ("/bin/true", bench.true, "null", 1.15), ("tiny static program", bench.tiny, "null", None),
        ("/bin/true, output captured", bench.true, "pipe", None)):
        ours, theirs, ratio = bench.alternate(
            lambda: bench.run("load", "one", socket, bench.options.count, program, stream)["p50"],
            lambda: bench.run("spawn", "one", bench.options.count, program)["p50"])
        target, ok = ("≤ %.2f" % limit, ratio <= limit) if limit else ("", None)
        bench.row("spawn → exit known: " + label, microseconds(ours), microseconds(theirs), ratio, target, ok)


def in_place(bench):
    """A running program becomes another one, until that has ended: by the engine, and fork+exec of the same program in C."""
    for label, program, limit in (("/bin/true", bench.true, 1.5), ("tiny static program", bench.tiny, None)):
        ours, theirs, ratio = bench.alternate(
            lambda: bench.run("replace", "inject", bench.options.count, bench.pause, program)["p50"],
            lambda: bench.run("replace", "fork", bench.options.count, bench.pause, program)["p50"])
        target, ok = ("≤ %.2f" % limit, ratio <= limit) if limit else ("", None)
        bench.row("replaced in place → exit known: %s (fork+exec)" % label, microseconds(ours), microseconds(theirs), ratio, target, ok)


def replaced(bench, socket):
    """The same through the server, by one client that waits for the exit."""
    for label, program, limit in (("/bin/true", bench.true, 1.5), ("tiny static program", bench.tiny, None)):
        ours, theirs, ratio = bench.alternate(
            lambda: bench.run("load", "replace", socket, bench.options.count, bench.pause, program)["p50"],
            lambda: bench.run("replace", "fork", bench.options.count, bench.pause, program)["p50"])
        target, ok = ("≤ %.2f" % limit, ratio <= limit) if limit else ("", None)
        bench.row("exec-replace → exit known: %s (fork+exec)" % label, microseconds(ours), microseconds(theirs), ratio, target, ok)


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


def flooded(bench):
    """Whether one client's volume holds up another's answers. Both, the program and the server share the cores."""

    def slowest():
        return bench.run("load", "ping", daemon.socket, bench.options.count * 10)["p99"]

    def flooded_slowest():
        with bench.meanwhile("load", "follow", daemon.socket, bench.flood):
            return slowest()

    with bench.server("flooded") as daemon:
        loaded, alone, ratio = bench.alternate(flooded_slowest, slowest)
        bench.row("ping p99 while another client is flooded (alone)", microseconds(loaded), microseconds(alone), ratio)


def command(bench, socket):
    os.environ["PROCCTL_SOCKET"] = socket
    ours, theirs, ratio = bench.alternate(
        lambda: bench.run("spawn", "one", 200, bench.options.procctl, "ping")["p50"],
        lambda: bench.run("spawn", "one", 200, bench.directory / "empty")["p50"])
    bench.row("procctl ping, the whole command (empty program)", microseconds(ours), microseconds(theirs), ratio,
              "≤ 2 × + 3 ms", ours <= 2 * theirs + 3e6)


def python(bench, socket):
    """What `procctl.subprocess` costs over the standard module, which forks by itself."""
    os.environ["PROCCTL_SOCKET"] = socket
    for stream, label in (("null", ""), ("pipe", ", output captured")):
        ours, theirs, ratio = bench.alternate(
            lambda: bench.python("procctl", bench.options.count // 2, bench.true, stream)["p50"],
            lambda: bench.python("standard", bench.options.count // 2, bench.true, stream)["p50"])
        bench.row("Python: run([\"/bin/true\"])%s (standard module)" % label, microseconds(ours), microseconds(theirs), ratio)


def idle(bench):
    with bench.server("idle") as daemon:
        for _ in range(2):
            bench.run("load", "ping", daemon.socket, 1000)
        # A second or two after its last client has left the server looks whether there is memory to give back.
        time.sleep(3)
        before = daemon.status("voluntary_ctxt_switches") + daemon.status("nonvoluntary_ctxt_switches")
        time.sleep(5)
        woken = daemon.status("voluntary_ctxt_switches") + daemon.status("nonvoluntary_ctxt_switches") - before
        rss, threads = daemon.status("VmRSS"), daemon.status("Threads")
        bench.row("idle: resident set", "%.1f MB" % (rss / 1024), target="≤ 6 MB", ok=rss <= 6 * 1024)
        bench.row("idle: threads", str(threads), target="1", ok=threads == 1)
        bench.row("idle: wake-ups in 5 s", str(woken), target="0", ok=woken == 0)


def alive(bench):
    """As many processes at once as asked for, or as there can be; returns how many."""
    wanted = lots = bench.options.live
    while True:
        with bench.server("alive%d" % lots) as daemon:
            before = daemon.status("VmRSS")
            try:
                bench.run("load", "hold", daemon.socket, lots, bench.pause)
            except RuntimeError as error:
                if lots <= 100:
                    raise
                print("\n%d processes: %s" % (lots, error), file=sys.stderr)
                lots //= 2
                continue
            each = (daemon.status("VmRSS") - before) / lots
        bench.row("processes alive at once", str(lots), target="%d" % wanted, ok=lots == wanted)
        bench.row("memory for each of %d" % lots, "%.2f KiB" % each, target="≤ 4 KiB", ok=each <= 4)
        return lots


def many(bench):
    """Cost per process with ten alive and with thousands; C's own growth is the kernel's share of it."""
    few, lots = 10, alive(bench)
    ours, theirs = {few: [], lots: []}, {few: [], lots: []}
    with bench.server("many") as daemon:
        for count, rounds in ((few, 20), (lots, 3)):
            for _ in range(rounds):
                ours[count].append(bench.run("load", "live", daemon.socket, count, bench.pause))
                theirs[count].append(bench.run("spawn", "live", count, bench.pause))
    for key, label in (("spawn", "spawn"), ("any", "kill one → wait any answers"), ("kill", "kill, until gone")):
        mine = {n: statistics.median(run[key] for run in ours[n]) for n in ours}
        c = {n: statistics.median(run[key] for run in theirs[n]) for n in theirs}
        growth, kernel = mine[lots] / mine[few], c[lots] / c[few]
        bench.row("each of %d alive: %s" % (few, label), microseconds(mine[few]), microseconds(c[few]), mine[few] / c[few])
        bench.row("each of %d alive: %s" % (lots, label), microseconds(mine[lots]), microseconds(c[lots]), mine[lots] / c[lots],
                  "as with ten: %.1f × (C: %.1f ×)" % (growth, kernel), growth <= 1.25 * max(1, kernel))
    mine = {n: statistics.median(run["list"] for run in ours[n]) for n in ours}
    bench.row("each of %d alive: list" % lots, microseconds(mine[lots]), target="as with ten: %.1f ×" % (mine[lots] / mine[few]),
              ok=mine[lots] <= 1.25 * mine[few])


def find(name):
    built = ROOT / ".build" / "release" / name
    return str(built) if built.exists() else shutil.which(name) or str(built)


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
        with open(directory / "log", "wb") as log:
            bench = Bench(options, directory, log)
            bench.part(ping)
            with bench.server() as daemon:
                for measure in (one_after_the_other, replaced, in_flight, output, command, python):
                    bench.part(measure, daemon.socket)
            bench.part(flooded)
            bench.part(in_place)
            bench.part(idle)
            bench.part(many)
        print(file=sys.stderr)
        bench.show()
        return 1 if bench.failed else 0
    finally:
        sweep(directory)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
