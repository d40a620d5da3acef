# SPDX-License-Identifier: Apache-2.0
"""What the engine of in-place exec leaves alone, by name: and leaves as it was."""

import errno
import os
import pathlib
import signal
import stat
import subprocess

import injection
import procfs
import pytest
from injection import I386, errno_of, eventually, failed, refused, settled
from support import NOBODY, ROOT, install

CAP_SYS_PTRACE = "-sys_ptrace"


def goes_on(victim, way="read"):
    """It waits where it did, and comes to its own end."""
    victim.say(b"x")
    victim.read_until(b"\n")
    assert errno_of(victim.output) == (1, "OK")
    assert victim.reap() == ("code", 5)


def test_a_traced_one(injector, zoo, injector_program):
    """By another injector's stop, which lasts while its victim is in a vfork; as by a debugger."""
    victim = settled(injector.spawn(zoo("victim"), "read"))
    tracer = subprocess.Popen(
        ["python3", "-c", TRACER, str(victim.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert tracer.stdout.readline() == b"traced\n"
    assert injector.refuses(victim) == refused("traced")
    tracer.communicate()
    assert tracer.returncode == 0
    goes_on(victim)


TRACER = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
assert libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), None, None) == 0, ctypes.get_errno()
print("traced", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("trait", ["filter_errno", "filter_kill"])
def test_one_with_filters_of_its_own(injector, zoo, trait):
    victim = settled(injector.spawn(zoo("victim"), trait, "read"))
    assert injector.refuses(victim) == refused("seccomp")
    goes_on(victim)


def test_one_in_a_vfork(injector, zoo):
    victim = injector.spawn(zoo("victim"), "vfork")
    eventually(lambda: procfs.stat(victim.pid)["state"] == "D")
    for _ in range(3):
        assert injector.refuses(victim, deadline=100) == refused("vfork")
    victim.say(b"x")
    victim.read_until(b"\n")
    assert errno_of(victim.output)[0] == 0
    assert victim.reap() == ("code", 5)


def test_one_whose_vfork_ends_in_time(injector, zoo):
    victim = injector.spawn(zoo("victim"), "vfork")
    eventually(lambda: procfs.stat(victim.pid)["state"] == "D")
    number = injector.begin(victim, ["sh", "-c", "exit 42"], "/bin/sh", deadline=20000)
    eventually(lambda: procfs.status(victim.pid, "TracerPid") != "0")
    victim.say(b"x")
    outcome = injector.end(number)
    assert outcome.result in ("replaced", "ended")
    # Whichever came first: its own end, or ours.
    assert victim.reap() == ("code", 42 if outcome.result == "replaced" else 5)


def test_a_frozen_one(injector, zoo):
    group = frozen_group()
    if group is None:
        pytest.skip("no cgroup v2 of our own")
    victim = settled(injector.spawn(zoo("victim"), "read"))
    try:
        (group / "cgroup.procs").write_text(str(victim.pid))
        (group / "cgroup.freeze").write_text("1")
        eventually(lambda: "frozen 1" in (group / "cgroup.events").read_text())
        for _ in range(3):
            assert injector.refuses(victim, deadline=100) == refused("frozen")
        assert "frozen 1" in (group / "cgroup.events").read_text()
        (group / "cgroup.freeze").write_text("0")
        goes_on(victim)
    finally:
        (group / "cgroup.freeze").write_text("0")
        os.kill(victim.pid, signal.SIGKILL) if victim in injector.victims else None
        eventually(lambda: "populated 0" in (group / "cgroup.events").read_text())
        group.rmdir()


def frozen_group():
    """A cgroup v2 of our own, or None where none can be made."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if right.split()[0] != "cgroup2":
            continue
        own = [entry[3:] for entry in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if entry[:3] == "0::"]
        group = pathlib.Path(left.split()[4]) / own[0].strip("/") / ("injection-%d" % os.getpid())
        try:
            group.mkdir()
        except OSError:
            return None
        if (group / "cgroup.freeze").exists():
            return group
        group.rmdir()
    return None


def test_no_memory_left(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "full_memory", "read"))
    assert injector.fails(victim, ["true"], "/bin/true") == failed("memory", errno.ENOMEM)
    goes_on(victim)


def test_no_descriptors_left_for_a_directory(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "full_descriptors", "read"))
    before = procfs.descriptors(victim.pid)
    assert injector.fails(victim, ["true"], "/bin/true", cwd="/usr") == failed("cwd", errno.EMFILE)
    assert procfs.descriptors(victim.pid) == before
    goes_on(victim)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="a program for i386")
def test_a_32_bit_one(injector, tmp_path):
    program = tmp_path / "i386"
    program.write_bytes(I386)
    program.chmod(0o755)
    try:
        victim = injector.spawn(str(program))
    except AssertionError:
        pytest.skip("this kernel runs no 32-bit programs")
    settled(victim)
    assert injector.refuses(victim) == refused("not_supported")
    victim.say(b"x")
    assert victim.reap() == ("code", 5)


def test_the_process_has_ended(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "read"))
    os.kill(victim.pid, signal.SIGKILL)
    eventually(lambda: procfs.stat(victim.pid)["state"] == "Z")
    assert injector.inject(victim, ["/bin/true"]).result == "ended"
    assert victim.reap() == ("signal", signal.SIGKILL)


# Whose program it is.


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_a_set_uid_program_of_a_user_is_not_that_users(injector, zoo, injector_program):
    directory = pathlib.Path(injector_program).parent
    program = install(zoo("victim"), directory, "set-uid-victim")
    os.chown(program, 0, 0)
    os.chmod(program, 0o4755)
    victim = settled(injector.spawn(program, "read", uid=NOBODY))
    assert procfs.status(victim.pid, "Uid").split()[1] == "0"
    assert injector.refuses(victim) == refused("credentials")
    goes_on(victim)


@pytest.mark.skipif(not ROOT, reason="needs root")
@pytest.mark.parametrize("kind", ["set-gid", "capable"])
def test_nor_is_one_with_a_group_or_capabilities_of_its_own(injector, zoo, injector_program, kind):
    directory = pathlib.Path(injector_program).parent
    program = install(zoo("victim"), directory, kind)
    if kind == "set-gid":
        os.chown(program, 0, 4242)
        os.chmod(program, 0o2755)
    else:
        give_capability(program)
    victim = settled(injector.spawn(program, "read", uid=NOBODY))
    assert injector.refuses(victim) == refused("credentials")
    goes_on(victim)


def give_capability(program):
    """cap_net_bind_service+ep: struct vfs_ns_cap_data, revision 2 (capabilities(7))."""
    data = b"".join(number.to_bytes(4, "little") for number in (0x02000001, 1 << 10, 0, 0, 0))
    try:
        os.setxattr(program, "security.capability", data)
    except OSError:
        pytest.skip("no file capabilities here")


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_an_undumpable_one_of_a_user(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "undumpable", "read", uid=NOBODY))
    assert injector.refuses(victim) == refused("not_dumpable")
    goes_on(victim)


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_a_users_own_program_is_replaced_by_the_users_own(injector, zoo):
    victim = settled(injector.spawn(zoo("victim"), "read", uid=NOBODY))
    assert injector.inject(victim, ["sh", "-c", "id -u; exit 42"], "/bin/sh").result == "replaced"
    assert victim.read_until(b"") == b"%d\n" % NOBODY
    assert victim.reap() == ("code", 42)


# Without CAP_SYS_PTRACE: a plain user's server, or root's in a container.


@pytest.fixture
def plain(injector_program):
    """An injector that is a plain user's; ours, or nobody's."""
    prefix = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"] if ROOT else []
    parent = injection.Injector(injector_program, prefix)
    yield parent
    parent.close()


def test_a_plain_users_own(plain, zoo):
    victim = settled(plain.spawn(zoo("victim"), "threads", "read"))
    assert plain.fails(victim)[:3] == ("failed", "exec", errno.ENOENT)
    assert plain.inject(victim, ["sh", "-c", "exit 42"], "/bin/sh", cwd="/").result == "replaced"
    assert victim.reap() == ("code", 42)


@pytest.mark.parametrize("trait", ["undumpable", "filter_errno"])
def test_what_a_plain_user_may_not_touch(plain, zoo, trait):
    victim = settled(plain.spawn(zoo("victim"), trait, "read"))
    assert plain.refuses(victim) == refused("not_dumpable" if trait == "undumpable" else "seccomp")
    goes_on(victim)


def set_uid_program():
    for name in ("/usr/bin/su", "/bin/su", "/usr/bin/passwd", "/usr/bin/mount"):
        if os.path.exists(name) and os.stat(name).st_mode & stat.S_ISUID and os.stat(name).st_uid == 0:
            return name
    return None


@pytest.mark.skipif(set_uid_program() is None, reason="no set-uid program here")
def test_a_set_uid_target_is_not_started_without_its_rights(plain, zoo):
    victim = settled(plain.spawn(zoo("victim"), "read"))
    before = victim.snapshot() if ROOT else None
    outcome = plain.inject(victim, ["program"], ["/no/such", set_uid_program()])
    assert (outcome.result, outcome.refusal, outcome.index) == ("refused", "setuid_target", 1)
    assert before is None or victim.snapshot() == before
    goes_on(victim)
    # With no_new_privs it would have none anyway.
    victim = settled(plain.spawn(zoo("victim"), "no_new_privs", "read"))
    assert plain.inject(victim, ["program", "--version"], set_uid_program()).result == "replaced"
    victim.reap()


def test_an_unreadable_target(plain, zoo, injector_program):
    if not ROOT:
        pytest.skip("a file that its owner may not read, others may execute: needs two users")
    program = install("/bin/true", pathlib.Path(injector_program).parent, "unreadable", 0o711)
    victim = settled(plain.spawn(zoo("victim"), "read"))
    assert plain.refuses(victim, program) == refused("unreadable_target")
    # As execve(2) leaves it there is nothing to be cleaned up in it.
    assert plain.inject(victim, [program], inherit=1).result == "replaced"
    assert victim.reap() == ("code", 0)


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_root_without_the_capability(injector_program, zoo):
    """As in a container: the same user, and no capability that we have not."""
    drop = ["--inh-caps", CAP_SYS_PTRACE, "--bounding-set", CAP_SYS_PTRACE]
    parent = injection.Injector(injector_program, ["setpriv", *drop])
    try:
        victim = settled(parent.spawn(zoo("victim"), "read"))
        assert parent.fails(victim)[:3] == ("failed", "exec", errno.ENOENT)
        assert parent.inject(victim, ["sh", "-c", "exit 42"], "/bin/sh").result == "replaced"
        assert victim.reap() == ("code", 42)
    finally:
        parent.close()
