# SPDX-License-Identifier: Apache-2.0
"""What a new program finds when it has taken the place of a running one: signals, timers, descriptors, directory."""

import errno
import os
import signal

import injection
import procfs
import pytest
from injection import I386, eventually, failed, settled
from support import mask_of

SIGNALS = ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"]
LEFT = mask_of(signal.SIGPIPE, signal.SIGINT, signal.SIGTRAP, 64)
BLOCKED = mask_of(signal.SIGTERM, signal.SIGUSR2, 40)
PENDING = [mask_of(signal.SIGUSR2), mask_of(40)]  # of the thread, and of the process


def masks(victim):
    return [int(procfs.status(victim.pid, name), 16) for name in SIGNALS]


def waiting(injector, victim, **options):
    """Replaces it by a program that touches none of what is looked at."""
    outcome = injector.inject(victim, ["cat"], "/bin/cat", **options)
    assert tuple(outcome)[:3] == ("replaced", "signals" if "inherit" not in options else "exec", 0)
    assert outcome.unclean == 0
    return settled(victim)


def ends_well(victim):
    victim.say(b"echo\n")
    victim.close_stdin()
    assert victim.read_until(b"") == b"echo\n"
    assert victim.reap() == ("code", 0)


def test_fresh_signals(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "signals", "read"))
    before = masks(victim)
    assert before[0] == BLOCKED and before[1] & LEFT == LEFT and before[3:] == PENDING
    waiting(injector, victim)
    assert masks(victim) == [0, 0, 0, 0, 0]
    ends_well(victim)


def test_signals_as_asked(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "signals", "read"))
    ignored, blocked = mask_of(signal.SIGHUP, signal.SIGINT, 50), mask_of(signal.SIGTERM, signal.SIGUSR2)
    waiting(injector, victim, ignored="%x" % ignored, blocked="%x" % blocked)
    assert masks(victim) == [blocked, ignored, 0, 0, 0]
    ends_well(victim)


def test_signals_inherited(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "signals", "read"))
    ignored = masks(victim)[1]
    waiting(injector, victim, inherit=1)
    assert masks(victim) == [BLOCKED, ignored, 0, *PENDING]
    ends_well(victim)


def test_what_is_sent_meanwhile_is_the_new_programs(injector, zoo):
    """Blocked and sent before: stale, dropped. Sent while the old one is stopped for good: not."""
    victim = settled(injector.spawn(zoo("victim"), "blocked", "read"))
    os.kill(victim.pid, signal.SIGUSR1)
    waiting(injector, victim)
    assert masks(victim) == [0, 0, 0, 0, 0]
    os.kill(victim.pid, signal.SIGTERM)
    assert victim.reap() == ("signal", signal.SIGTERM)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="a program for i386")
def test_fresh_signals_of_a_32_bit_program(injector, zoo, tmp_path):
    program = tmp_path / "i386"
    program.write_bytes(I386)
    program.chmod(0o755)
    victim = settled(injector.spawn(zoo("victim"), "signals", "stdio", "nanosleep"))
    outcome = injector.inject(victim, ["i386"], str(program))
    if outcome.error == errno.ENOEXEC:
        pytest.skip("this kernel runs no 32-bit programs")
    assert tuple(outcome)[:-1] == ("replaced", "signals", 0, None, 0, 0)
    victim.read_until(b"ready\n")
    settled(victim)
    assert masks(victim) == [0, 0, 0, 0, 0]
    victim.say(b"x")
    assert victim.reap() == ("code", 5)


TIMERS = "import signal; print(*(signal.getitimer(timer)[0] == 0 for timer in range(3)))"


@pytest.mark.parametrize("options, seen", [({}, b"True True True\n"), ({"inherit": 1}, b"False True False\n")])
def test_interval_timers(injector, zoo, options, seen):
    victim = settled(injector.spawn(zoo("victim"), "signals", "read"))
    python = "/usr/bin/python3"
    assert injector.inject(victim, [python, "-S", "-c", TIMERS], **options).result == "replaced"
    assert victim.read_until(b"") == seen
    victim.reap()


def test_standard_descriptors_are_kept_and_block(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "stdio", "nanosleep"))
    before = procfs.descriptors(victim.pid)
    waiting(injector, victim)
    assert procfs.descriptors(victim.pid) == before
    for number in range(3):
        line = [row for row in open("/proc/%d/fdinfo/%d" % (victim.pid, number)) if row.startswith("flags:")][0]
        assert int(line.split()[1], 8) & (os.O_NONBLOCK | os.O_CLOEXEC) == 0
    ends_well(victim)


def test_close_on_exec_is_what_execve_makes_of_it(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "stdio", "nanosleep"))
    assert injector.inject(victim, ["sleep", "60"], "/bin/sleep", inherit=1).result == "replaced"
    # Its loader has the lowest numbers for the libraries, for a moment.
    eventually(lambda: not {0, 1, 2} & set(procfs.descriptors(victim.pid)))


def test_close_on_exec_is_put_back(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "stdio", "nanosleep"))
    flags = [open("/proc/%d/fdinfo/%d" % (victim.pid, number)).read() for number in range(3)]
    assert injector.fails(victim) == failed("exec", errno.ENOENT)
    assert [open("/proc/%d/fdinfo/%d" % (victim.pid, number)).read() for number in range(3)] == flags


# Directory and search.


def test_a_directory_by_its_path(injector, zoo, tmp_path):
    victim = settled(injector.spawn(zoo("victim"), "read"))
    assert injector.inject(victim, ["pwd"], "/bin/pwd", cwd=str(tmp_path)).result == "replaced"
    assert victim.read_until(b"") == b"%s\n" % os.fsencode(tmp_path)
    victim.reap()


@pytest.mark.parametrize("threads", [[], ["threads"]])
def test_a_directory_by_a_descriptor(injector_with_directory, zoo, tmp_path, threads):
    injector, number = injector_with_directory
    victim = settled(injector.spawn(zoo("victim"), *threads, "read"))
    before = procfs.descriptors(victim.pid)
    assert injector.fails(victim, cwd_descriptor=number) == failed("exec", errno.ENOENT)
    assert procfs.descriptors(victim.pid) == before
    assert os.readlink("/proc/%d/cwd" % victim.pid) == os.getcwd()
    # A relative name counts from there, as it does for a start.
    (tmp_path / "program").write_text("#!/bin/sh\npwd\nexec cat\n")
    (tmp_path / "program").chmod(0o755)
    assert injector.inject(victim, ["program"], "./program", cwd_descriptor=number).result == "replaced"
    victim.read_until(b"%s\n" % os.fsencode(tmp_path))
    eventually(lambda: procfs.descriptors(victim.pid) == before)


@pytest.fixture
def injector_with_directory(injector_program, tmp_path):
    number = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    parent = injection.Injector(injector_program, pass_fds=[number])
    os.close(number)
    yield parent, number
    parent.close()


@pytest.mark.parametrize("cwd, number", [("/no/such", errno.ENOENT), ("/etc/passwd", errno.ENOTDIR)])
def test_a_directory_that_is_none(injector, zoo, cwd, number):
    victim = settled(injector.spawn(zoo("victim"), "read"))
    before, descriptors = victim.snapshot(), procfs.descriptors(victim.pid)
    assert injector.fails(victim, ["true"], "/bin/true", cwd=cwd) == failed("cwd", number)
    assert (victim.snapshot(), procfs.descriptors(victim.pid)) == (before, descriptors)


def test_the_search_is_execvps(injector, zoo, tmp_path):
    victim = settled(injector.spawn(zoo("victim"), "read"))
    (tmp_path / "denied").write_bytes(b"")
    (tmp_path / "text").write_text("no program\n")
    (tmp_path / "text").chmod(0o755)
    denied, text = str(tmp_path / "denied"), str(tmp_path / "text")
    # What may not be executed is told, when nothing is found; anything else ends the search.
    assert injector.fails(victim, file=["/no/1", denied, "/no/2"]) == failed("exec", errno.EACCES, 1)
    assert injector.fails(victim, file=["/no/1", "/etc/passwd/x", "/no/2"]) == failed("exec", errno.ENOENT, 2)
    assert injector.fails(victim, file=[denied, text, "/bin/true"]) == failed("exec", errno.ENOEXEC, 1)
    assert injector.fails(victim, file=["/no/1", "x" * 5000]) == failed("exec", errno.ENAMETOOLONG, 1)
    outcome = injector.inject(victim, ["echo", "found"], ["/no/1", denied, "/bin/echo", text])
    assert outcome.result == "replaced"
    assert victim.read_until(b"") == b"found\n"
    victim.reap()


def test_a_file_that_is_being_written_is_tried_again(injector, zoo, tmp_path):
    program = tmp_path / "busy"
    program.write_bytes(open("/bin/true", "rb").read())
    program.chmod(0o755)
    victim = settled(injector.spawn(zoo("victim"), "read"))
    with open(program, "ab"):
        assert injector.fails(victim, file=str(program)) == failed("exec", errno.ETXTBSY)
        number = injector.begin(victim, ["busy"], str(program))
    assert injector.end(number).result == "replaced"
    assert victim.reap() == ("code", 0)


def test_a_large_environment(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "threads", "read"))
    env = ["NAME%d=%s" % (number, "x" * 1000) for number in range(1000)]
    assert injector.inject(victim, ["sh", "-c", "env | wc -c"], "/bin/sh", env=env).result == "replaced"
    assert int(victim.read_until(b"")) >= 1000 * 1000
    victim.reap()
