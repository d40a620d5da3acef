# SPDX-License-Identifier: Apache-2.0
"""exec-replace of a running process that is not tried: whose it is, what it is doing, or what keeps it from being traced."""

import ctypes
import os
import pathlib
import resource
import signal
import sys

import procfs
import pytest
import serverproc
import wire
from replacing import refused, replace, unfit
from support import NOBODY, ROOT, failure, install, kill, read_until, ready, script, spawn, wait_one


@pytest.fixture
def unprivileged(fresh):
    """A server of the test's own without root's rights."""
    return lambda: fresh(user=NOBODY if ROOT else None, environment={"PATH": "/usr/bin:/bin"})


def test_an_exited_process(client):
    record = spawn(client, ["true"])
    wait_one(client, record["id"])
    error = failure(replace, client, record["id"], "true")
    assert error.data["kind"] == "wrong_state" and error.data["reason"] == "exited" and error.data["state"] == "exited"


def test_a_process_that_is_traced(client, zoo):
    """By strace, say: here by this test, which attaches and lets go (ptrace(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    seize, detach, interrupt = 0x4206, 17, 0x4207
    record = ready(client, [zoo("waits")])
    assert libc.ptrace(seize, record["pid"], None, None) == 0, os.strerror(ctypes.get_errno())
    try:
        refused(client, record["id"], "wrong_state", "traced")
    finally:
        assert libc.ptrace(interrupt, record["pid"], None, None) == 0
        os.waitpid(record["pid"], 0x40000000)  # __WALL
        assert libc.ptrace(detach, record["pid"], None, None) == 0
    replace(client, record["id"], "true")
    assert wait_one(client, record["id"])["exit"] == {"code": 0}


def test_a_frozen_process(client, zoo):
    record = ready(client, [zoo("waits")])
    line = pathlib.Path("/proc/%d/cgroup" % record["pid"]).read_text().strip().splitlines()[-1]
    frozen = frozen_file(line.split("::")[-1])
    if record["containment"] != "cgroup" or frozen is None:
        pytest.skip("no cgroup of its own here")
    frozen.write_text("1")
    try:
        wire.wait_until(lambda: "frozen 1" in (frozen.parent / "cgroup.events").read_text())
        refused(client, record["id"], "wrong_state", "frozen", start_timeout_ms=300)
    finally:
        frozen.write_text("0")
    replace(client, record["id"], "true")
    assert wait_one(client, record["id"])["exit"] == {"code": 0}


def frozen_file(name):
    """cgroup.freeze of a cgroup, if it may be written."""
    for line in open("/proc/self/mountinfo"):
        fields = line.split()
        if "- cgroup2 " in line:
            path = pathlib.Path(fields[4] + name) / "cgroup.freeze"
            return path if os.access(path, os.W_OK) else None
    return None


def test_in_the_middle_of_a_vfork(client, zoo):
    """The kernel lets nothing interrupt the parent until its child execs or ends."""
    record = ready(client, [zoo("in_vfork")], stdin="pipe")
    wire.wait_until(lambda: procfs.children(record["pid"]) and procfs.stat(record["pid"])["state"] == "D")
    refused(client, record["id"], "wrong_state", "vfork", start_timeout_ms=200)
    client.request("write", {"process": record["id"], "data": "x"})
    read_until(client, record["id"], b"child ended\n")
    replace(client, record["id"], "true")
    assert wait_one(client, record["id"])["exit"] == {"code": 0}


def test_a_vfork_that_ends_in_time_is_waited_for(client, connect, zoo):
    record = ready(client, [zoo("in_vfork")], stdin="pipe")
    wire.wait_until(lambda: procfs.children(record["pid"]) and procfs.stat(record["pid"])["state"] == "D")
    identifier = client.start("exec-replace", {"process": record["id"], "argv": ["sh", "-c", "exit 6"]})
    # By another connection: requests behind an exec-replace start when it is decided.
    connect().request("write", {"process": record["id"], "data": "x"})
    assert client.finish(identifier)["generation"] == 2
    assert wait_one(client, record["id"])["exit"] == {"code": 6}


def test_one_that_may_not_be_looked_at(unprivileged, zoo):
    """PR_SET_DUMPABLE 0: only a server with CAP_SYS_PTRACE may."""
    with unprivileged().connect() as client:
        record = ready(client, [zoo("hides")])
        refused(client, record["id"], "not_permitted", "not_dumpable")


def test_a_plain_users_server_replaces_its_own(unprivileged, zoo):
    with unprivileged().connect() as client:
        assert client.request("info")["kernel"]["in_place_exec"] is True
        record = ready(client, [zoo("waits")])
        for _ in range(3):
            unfit(client, record["id"], "ENOENT", "nosuch")
            replace(client, record["id"], zoo("waits"))
        replace(client, record["id"], zoo("exits"), "4")
        assert wait_one(client, record["id"])["exit"] == {"code": 4}


@pytest.mark.skipif(not ROOT, reason="only root can make a set-uid program")
def test_set_uid_programs(client, unprivileged, zoo, room):
    """A process with more rights than it was started with is nobody's but its own; and a server without
    CAP_SYS_PTRACE does not start one, as the kernel would silently not give it its rights."""
    raised = install(zoo("waits"), room, "raised")
    os.chmod(raised, 0o4755)
    with unprivileged().connect() as plain:
        record = ready(plain, [raised])
        error = failure(replace, plain, record["id"], "true")
        assert error.data["kind"] == "not_permitted" and error.data["reason"] in ("credentials", "not_dumpable"), error
        record = ready(plain, [zoo("waits")])
        refused(plain, record["id"], "not_permitted", "setuid_target", raised)
    # Root's server may trace it, and still must not: it would make root's rights the owner's.
    record = ready(client, [raised], user=NOBODY, group=NOBODY, groups=[])
    refused(client, record["id"], "not_permitted", "credentials")


@pytest.mark.skipif(not ROOT, reason="only root can give capabilities away")
def test_rights_given_up_are_no_obstacle(client, zoo):
    code = "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); print('ready', flush=True); sys.stdin.read()"
    record = ready(client, [sys.executable, "-c", code], stdin="pipe")
    answer = failure_or_record(client, record)
    assert answer == "replaced" or answer.data["reason"] == "not_dumpable", answer


def failure_or_record(client, record):
    try:
        replace(client, record["id"], "sh", "-c", "exit 3")
    except wire.RpcError as error:
        return error
    assert wait_one(client, record["id"])["exit"] == {"code": 3}
    return "replaced"


def test_a_process_with_seccomp_filters(client, zoo):
    """A filter might kill it for one of the calls it is to make."""
    record = ready(client, [zoo("filters"), "kill"], no_new_privileges=True)
    refused(client, record["id"], "not_permitted", "seccomp")
    kill(client, record["id"], signal="KILL")
    assert wait_one(client, record["id"])["exit"]["signal"] == signal.SIGKILL


def test_an_obstacle_that_passes_is_not_remembered():
    """`info` tries whether it works; a server without a descriptor to spare cannot, at that moment."""
    server = serverproc.Server()
    try:
        with server.connect() as client:
            client.request("ping")
            before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, before[1]))
            assert client.request("info")["kernel"]["in_place_exec"] is False
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
            assert client.request("info")["kernel"]["in_place_exec"] is True
    finally:
        server.end()


BUSY = """
import hashlib, sys, threading
def work():
    while True: hashlib.sha256(bytes(100000))
for _ in range(4): threading.Thread(target=work, daemon=True).start()
print("ready", flush=True); sys.stdin.read()
"""


def test_too_little_time_is_no_obstacle_of_the_process(client, zoo):
    """Whether it comes about or not: what is said of a process that is neither frozen nor stuck is not that."""
    record = ready(client, [sys.executable, "-c", BUSY], stdin="pipe")

    def attempt():
        error = failure(replace, client, record["id"], "x", file=["/nonexistent/x"] * 500, start_timeout_ms=1)
        # On a very slow machine the one before was answered and is not through.
        return None if error.data.get("reason") == "busy" else error

    for _ in range(100):
        error = wire.wait_until(attempt)
        assert error.data["kind"] == "exec_failed" and error.data["errno_name"] in ("ENOENT", "ETIMEDOUT"), error
    replace(client, record["id"], zoo("exits"), "3")
    assert wait_one(client, record["id"])["exit"] == {"code": 3}


@pytest.mark.skipif(not ROOT, reason="files of another user")
@pytest.mark.parametrize("params", [{}, {"no_new_privileges": True}], ids=["", "nnp"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_it_is_the_interpreter_that_counts(unprivileged, zoo, room, depth, params):
    """A set-uid or unreadable program is none the less so at the end of a script's first line; a script never is."""

    def scripts(name, mode):
        path = install(zoo("probe"), room, name, mode)
        for number in range(depth):
            path = script(room, "%s%d" % (name, number), "#! %s argument\n" % path, 0o4755)
        return path

    server = unprivileged()
    with server.connect() as client:
        record = ready(client, [zoo("waits")], **params)
        refused(client, record["id"], "not_permitted", "unreadable_target", scripts("unreadable", 0o711))
        # Without new privileges it has none to lose.
        if params:
            replace(client, record["id"], scripts("privileged", 0o4755))
        else:
            refused(client, record["id"], "not_permitted", "setuid_target", scripts("privileged", 0o4755))
            replace(client, record["id"], scripts("plain", 0o755))
        assert wait_one(client, record["id"])["exit"] == {"code": 0}


YAMA = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")


@pytest.mark.skipif(not YAMA.exists(), reason="no Yama")
@pytest.mark.parametrize("plain", [False, True])
def test_what_yama_allows(fresh, unprivileged, zoo, plain):
    """0 and 1 let a parent trace, 2 only one with CAP_SYS_PTRACE, 3 nobody; `info` says so before."""
    scope = int(YAMA.read_text())
    server = unprivileged() if plain else fresh()
    may_trace_all = int(procfs.status(server.pid, "CapEff"), 16) >> 19 & 1
    with server.connect() as client:
        allowed = scope < 2 or (scope == 2 and may_trace_all)
        assert client.request("info")["kernel"]["in_place_exec"] is bool(allowed)
        record = ready(client, [zoo("waits")])
        if allowed:
            replace(client, record["id"], zoo("exits"), "4")
            assert wait_one(client, record["id"])["exit"] == {"code": 4}
        else:
            error = refused(client, record["id"], "not_permitted", "yama")
            assert "ptrace_scope" in error.message
