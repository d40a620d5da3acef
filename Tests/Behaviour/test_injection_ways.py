# SPDX-License-Identifier: Apache-2.0
"""The engine of in-place exec on a program in each kind of wait: replaced without a trace, or left without one."""

import errno
import os
import select
import signal

import procfs
import pytest
from injection import errno_of, eventually, failed, settled

BLOCKED = [
    "read",
    "handler",
    "nanosleep",
    "clock_nanosleep",
    "futex",
    "poll",
    "ppoll",
    "select",
    "epoll",
    "sigtimedwait",
    "sigsuspend",
    "pause",
    "wait",
]
SHELL = ("sh", "-c", 'echo "new $$ $FOO $1"; read line; echo "got $line"; exit 42', "sh", "argument")
# signal(7): these return EINTR when a stop comes in between, handler or not.
EINTR_BY_RULE = {"epoll", "sigtimedwait"}
# The kernel writes the rest of the time into the caller's memory: select(2), "the Linux system call".
WRITES_THE_REST = {"ppoll", "select"}
if os.uname().machine == "aarch64":
    WRITES_THE_REST.add("poll")  # which is made of ppoll(2) there


def is_replaced(injector, victim, **options):
    outcome = injector.inject(victim, SHELL, "/bin/sh", **options)
    assert tuple(outcome)[:-1] == ("replaced", "signals", 0, None, 0, 0)
    victim.read_until(b"new %d bar argument\n" % victim.pid)
    victim.say(b"enter\n")
    victim.close_stdin()  # an old child may have the pipe as well
    output = victim.read_until(b"")
    assert output == b"new %d bar argument\ngot enter\n" % victim.pid
    assert victim.reap() == ("code", 42)


@pytest.mark.parametrize("way", BLOCKED)
def test_what_waits_is_replaced(injector, zoo, way):
    is_replaced(injector, settled(injector.spawn(zoo("victim"), way)))


@pytest.mark.parametrize("way", ["sum", "clock", "leaderless"])
def test_what_works_is_replaced(injector, zoo, way):
    is_replaced(injector, injector.spawn(zoo("victim"), way))


@pytest.mark.parametrize("traits", [["threads"], ["no_new_privs"], ["blocked"], ["full_descriptors"]])
def test_a_program_of_its_kind_is_replaced(injector, zoo, traits):
    is_replaced(injector, settled(injector.spawn(zoo("victim"), *traits, "read")))


def test_a_stopped_one_starts_when_it_is_continued(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "read"))
    os.kill(victim.pid, signal.SIGSTOP)
    eventually(lambda: procfs.stat(victim.pid)["state"] == "T")
    outcome = injector.inject(victim, SHELL, "/bin/sh")
    assert outcome.result == "replaced"
    eventually(lambda: procfs.stat(victim.pid)["state"] == "T")
    victim.say(b"enter\n")
    assert victim.output == b""
    os.kill(victim.pid, signal.SIGCONT)
    assert victim.read_until(b"") == b"new %d bar argument\ngot enter\n" % victim.pid
    assert victim.reap() == ("code", 42)


def test_many_times(injector, zoo):
    """Each new program is the next old one."""
    victim = injector.spawn(zoo("victim"), "read")
    for count in range(200):
        words = ("sh", "-c", 'echo "$1"; read line', "sh", str(count)) if count % 2 else (zoo("victim"), "read")
        assert injector.inject(victim, words, "/bin/sh" if count % 2 else None).result == "replaced"
        victim.read_until(b"%d\n" % count if count % 2 else b"ready\n")
        victim.output = b""
    assert injector.inject(victim, SHELL, "/bin/sh").result == "replaced"
    victim.say(b"enter\n")
    assert victim.read_until(b"") == b"new %d bar argument\ngot enter\n" % victim.pid
    assert victim.reap() == ("code", 42)


@pytest.fixture(scope="module")
def unstartable(tmp_path_factory):
    """Files that cannot be executed, and what execve(2) says of each."""
    place = tmp_path_factory.mktemp("unstartable")
    (place / "text").write_text("no program\n")
    (place / "text").chmod(0o755)
    (place / "plain").write_bytes(open("/bin/true", "rb").read())
    (place / "plain").chmod(0o644)
    (place / "orphan").write_text("#!/no/such/interpreter\n")
    (place / "orphan").chmod(0o755)
    long = "x" * (33 * os.sysconf("SC_PAGE_SIZE"))  # execve(2): a string has 32 pages at most
    return [
        (str(place / "nowhere"), ["new"], errno.ENOENT),
        (str(place / "plain"), ["new"], errno.EACCES),
        (str(place / "text"), ["new"], errno.ENOEXEC),
        (str(place / "orphan"), ["new"], errno.ENOENT),
        ("/bin/true", ["new", long], errno.E2BIG),
        (str(place / "text" / "below"), ["new"], errno.ENOTDIR),
        (str(place), ["new"], errno.EACCES),
    ]


#: What a victim has besides: other threads, blocked or handled signals, its own 0 to 2. With some it would not wait.
TRAITS = {"": [], "threads": [], "blocked": [], "signals": ["ppoll", "sigsuspend"], "stdio": ["read", "handler"]}
WAITING = [(way, trait) for way in BLOCKED for trait, not_with in TRAITS.items() if way not in not_with]


@pytest.mark.parametrize("way, trait", WAITING)
def test_what_cannot_be_replaced_goes_on(injector, zoo, unstartable, way, trait):
    traits = [trait] if trait else []
    victim = settled(injector.spawn(zoo("victim"), *traits, way))
    before, call = victim.snapshot(), victim.call()
    for file, words, number in unstartable:
        assert injector.fails(victim, words, file, cwd="/usr") == failed("exec", number)
        if way in EINTR_BY_RULE:
            break  # by now it may have said so, and ended
        assert os.readlink("/proc/%d/cwd" % victim.pid) == os.getcwd()
        settled(victim)
        now = victim.call()
        # What counts time is continued by restart_syscall(2): 219, or 128 on aarch64.
        assert now == call or (now[0] in (219, 128) and now[2:] == call[2:])
        if "threads" not in traits and way not in WRITES_THE_REST:
            assert victim.snapshot() == before
    finish(injector, victim, way, traits)


def finish(injector, victim, way, traits):
    """Lets it come to its end, and looks at what it says."""
    if way in ("sigsuspend", "pause", "ppoll") and "blocked" not in traits:
        os.kill(victim.pid, signal.SIGUSR1)
        expected = (-1, "EINTR")
    elif way in EINTR_BY_RULE:
        expected = (-1, "EINTR")
    elif way in ("read", "handler", "poll", "select", "ppoll"):
        victim.say(b"x")
        expected = (1, "OK")
    elif way == "wait":
        victim.say(b"x")
        expected = (0, "OK")
    else:
        return  # the rest of a minute
    victim.read_until(b"\n")
    assert errno_of(victim.output) == expected
    victim.close_stdin()
    assert victim.reap() == ("code", 5)


@pytest.mark.parametrize("way", ["nanosleep", "clock_nanosleep", "futex", "poll", "select"])
def test_the_time_that_has_passed_counts(injector, zoo, way):
    """A call that would begin again with each interruption would never end here."""
    victim = injector.spawn(zoo("victim"), way, "400")
    while not select.select([victim.stdout], [], [], 0)[0]:
        injector.fails(victim)
    victim.read_until(b"\n")
    assert errno_of(victim.output) == ((-1, "ETIMEDOUT") if way == "futex" else (0, "OK"))
    victim.close_stdin()
    assert victim.reap() == ("code", 5)


@pytest.mark.parametrize("way", ["sum", "clock"])
def test_work_goes_on_while_hundreds_fail(injector, zoo, way):
    victim = injector.spawn(zoo("victim"), "threads", way)
    for _ in range(150):
        assert injector.fails(victim)[:2] == ("failed", "exec")
    os.kill(victim.pid, signal.SIGUSR1)
    victim.read_until(b"\n")
    assert errno_of(victim.output)[0] == 0
    assert victim.reap() == ("code", 5)


@pytest.mark.parametrize("way", ["call", "work", *(["streaming"] if os.uname().machine == "aarch64" else [])])
def test_every_register_is_put_back(injector, zoo, way):
    """What a call may spoil as well, when it comes in the midst of work."""
    victim = injector.spawn(zoo("registers"), way)
    if way == "call":
        settled(victim)
    for _ in range(50):
        assert injector.fails(victim)[:2] == ("failed", "exec")
    victim.say(b"x") if way == "call" else os.kill(victim.pid, signal.SIGUSR1)
    assert victim.read_until(b"") == b"whole\n"
    assert victim.reap() == ("code", 5)


def test_it_is_stopped_between_a_branch_and_its_landing(injector, zoo):
    """Where processors that guard branches would take the first injected call for one that went astray."""
    victim = injector.spawn(zoo("branches"))
    for _ in range(300):
        assert injector.fails(victim)[:2] == ("failed", "exec")
    os.kill(victim.pid, signal.SIGUSR1)
    assert victim.read_until(b"") == b"missed 0\n"
    assert victim.reap() == ("code", 5)


def test_a_stopped_one_stays_stopped(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "read"))
    os.kill(victim.pid, signal.SIGSTOP)
    eventually(lambda: procfs.stat(victim.pid)["state"] == "T")
    for _ in range(20):
        assert injector.fails(victim)[:2] == ("failed", "exec")
        eventually(lambda: procfs.stat(victim.pid)["state"] == "T")
    victim.say(b"x")
    os.kill(victim.pid, signal.SIGCONT)
    victim.read_until(b"\n")
    assert errno_of(victim.output) == (1, "OK")
    assert victim.reap() == ("code", 5)
