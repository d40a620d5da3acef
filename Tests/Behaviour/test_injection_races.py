# SPDX-License-Identifier: Apache-2.0
"""The engine of in-place exec against time: signals, kills, ends, deaths of the parent, and many at once."""

import contextlib
import os
import random
import signal
import subprocess
import threading

import injection
import procfs
import pytest
from injection import errno_of, eventually, settled

SHELL = ("sh", "-c", "read line; exit 42")


def storm(pid, number, over):
    while not over.is_set():
        os.kill(pid, number)


@contextlib.contextmanager
def under(pid, *numbers):
    """Signals as fast as they can be sent."""
    over = threading.Event()
    senders = [threading.Thread(target=storm, args=(pid, number, over)) for number in numbers]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        over.set()
        for sender in senders:
            sender.join()


def test_a_storm_of_signals(injector, zoo):
    """Handlers run, before or after; none runs in between, and nothing is lost that a program waits for."""
    handler = "import signal, sys; signal.signal(signal.SIGUSR1, lambda *a: None); print('ready', flush=True); "
    python = ["/usr/bin/python3", "-S", "-c", handler + "print(sys.stdin.readline(), end='')"]
    victim = injector.spawn(*python)
    with under(victim.pid, signal.SIGUSR1, signal.SIGCONT):
        for _ in range(100):
            assert injector.fails(victim)[:2] == ("failed", "exec")
    victim.say(b"line\n")
    assert victim.read_until(b"") == b"line\n"
    assert victim.reap() == ("code", 0)


def test_a_storm_that_the_new_program_ignores(injector, zoo):
    victim = injector.spawn(zoo("victim"), "blocked", "sum")
    ignored = "%x" % (1 << (signal.SIGUSR1 - 1))
    with under(victim.pid, signal.SIGUSR1):
        for _ in range(50):
            outcome = injector.inject(victim, [zoo("victim"), "read"], ignored=ignored)
            assert (outcome.result, outcome.unclean) == ("replaced", 0)
            victim.read_until(b"ready\n")
            victim.output = b""


def test_stops_and_continuations(injector, zoo):
    victim = injector.spawn(zoo("victim"), "threads", "read")
    with under(victim.pid, signal.SIGSTOP, signal.SIGCONT):
        for _ in range(100):
            assert injector.fails(victim)[:2] == ("failed", "exec")
        assert injector.inject(victim, SHELL, "/bin/sh").result == "replaced"
    os.kill(victim.pid, signal.SIGCONT)
    victim.say(b"\n")
    assert victim.reap() == ("code", 42)


@pytest.mark.parametrize("way", [["read"], ["threads", "read"], ["leaderless"], ["sum"]])
def test_it_is_killed_meanwhile(injector, zoo, way):
    """Whoever comes first, it ends by the kill, and its end is there to be reaped."""
    seen = set()
    chance = random.Random(1)
    for _ in range(100):
        victim = injector.spawn(zoo("victim"), *way)
        number = injector.begin(victim, SHELL, "/bin/sh")
        with contextlib.suppress(subprocess.TimeoutExpired):
            if chance.random() < 0.8:
                spin(chance.randrange(3000))
        os.kill(victim.pid, signal.SIGKILL)
        # Looked at as the server does.
        while injector.ask("look", victim.pid) == "0":
            pass
        outcome = injector.end(number)
        seen.add(outcome.result)
        assert outcome.result in ("replaced", "ended")
        assert victim.reap() == ("signal", signal.SIGKILL)
        victim.close()
    assert "replaced" in seen or "ended" in seen


def spin(rounds):
    for _ in range(rounds):
        pass


def test_it_ends_meanwhile(injector, zoo):
    results = set()
    for _ in range(100):
        victim = injector.spawn(zoo("victim"), "threads", "read")
        number = injector.begin(victim, SHELL, "/bin/sh")
        victim.say(b"x")
        outcome = injector.end(number)
        results.add(outcome.result)
        victim.close_stdin()
        assert victim.reap() in {"replaced": [("code", 42)], "ended": [("code", 5)]}[outcome.result] + [("code", 42)]
        victim.close()
    assert results <= {"replaced", "ended"}


def test_the_end_may_be_reaped_before_the_injection_is_over(injector, zoo):
    for _ in range(100):
        victim = injector.spawn(zoo("victim"), "read")
        number = injector.begin(victim, SHELL, "/bin/sh")
        os.kill(victim.pid, signal.SIGKILL)
        assert victim.reap() == ("signal", signal.SIGKILL)
        assert injector.end(number).result in ("replaced", "ended")
        victim.close()


def test_it_execs_by_itself_meanwhile(injector, zoo):
    """A thread of its own comes to an execve while another one is taken."""
    script = "import os,sys,threading; print('ready', flush=True); threading.Thread(target=lambda: os.execv(sys.executable, [sys.executable, '-S', '-c', 'input()'])).start(); input()"
    for _ in range(30):
        victim = injector.spawn("/usr/bin/python3", "-S", "-c", script)
        outcome = injector.inject(victim, SHELL, "/bin/sh")
        assert outcome.result == "replaced", outcome
        victim.say(b"\n")
        assert victim.reap() == ("code", 42)
        victim.close()


def test_many_at_once(injector, zoo):
    victims = [injector.spawn(zoo("victim"), "read") for _ in range(40)]
    for _ in range(3):
        numbers = [injector.begin(victim, [zoo("victim"), "read"], deadline=60000) for victim in victims]
        assert {injector.end(number).result for number in numbers} == {"replaced"}
    numbers = [injector.begin(victim, SHELL, "/bin/sh", deadline=60000) for victim in victims]
    assert {injector.end(number).result for number in numbers} == {"replaced"}
    for victim in victims:
        victim.say(b"\n")
        assert victim.reap() == ("code", 42)
        victim.close()


def test_the_server_is_killed_in_between(injector_program, zoo):
    """The child is the old program, or the new one, or dead; never one that runs on in disorder."""
    chance = random.Random(2)
    for _ in range(60):
        parent = injection.Injector(injector_program)
        victim = settled(parent.spawn(zoo("victim"), "signals", "read"))
        old = os.readlink("/proc/%d/exe" % victim.pid)
        for _ in range(20):
            parent.process.stdin.write("\t".join(map(str, ["begin", victim.pid, "--", "/no", "--", "x", "--"])) + "\n")
        parent.process.stdin.flush()
        spin(chance.randrange(20000))
        parent.process.kill()
        parent.process.wait()
        eventually(lambda: procfs.left_alone(victim.pid))
        if procfs.alive(victim.pid):
            assert os.readlink("/proc/%d/exe" % victim.pid) == old
            victim.say(b"x")
            victim.read_until(b"\n")
            assert errno_of(victim.output) == (1, "OK")
        eventually(lambda: not procfs.alive(victim.pid))
        victim.close()
        parent.process.stdin.close()
        parent.process.stdout.close()


def test_an_image_that_does_not_fit(injector, zoo):
    """Past the point of no return execve(2) can only kill; that is told apart from a kill by somebody."""
    victim = injector.spawn("/bin/sh", "-c", "ulimit -v 400000; echo ready; read line", until=b"ready\n")
    settled(victim)
    # The strings count twice against the limit while the image is made.
    outcome = injector.inject(victim, ["python"], huge_program(zoo))
    assert outcome.result == "lost"
    assert victim.reap() == ("signal", signal.SIGSEGV)


def huge_program(zoo):
    """One with more uninitialised data than the limit lets it have."""
    return zoo("huge")
