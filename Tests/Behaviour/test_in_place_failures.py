# SPDX-License-Identifier: Apache-2.0
"""exec-replace of a running process that does not come about: the old program goes on as if nothing had happened."""

import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import sys

import procfs
import pytest
import wire
from replacing import replace, same_program, unfit
from support import (
    NOBODY,
    ROOT,
    drained,
    failure,
    get,
    install,
    kill,
    read_all,
    ready,
    script,
    wait_one,
)

# Sums a long series and says the result; then sleeps for a time it measures, and reads a line.
WORKS = """
import hashlib, sys, time
print("ready", flush=True)
total = hashlib.sha256()
for number in range(60000):
    total.update(b"%d" % number)
print(total.hexdigest(), flush=True)
began = time.monotonic(); time.sleep(0.3); slept = time.monotonic() - began
print("slept" if slept >= 0.3 else "woken after %s" % slept, flush=True)
print(sys.stdin.readline().strip() or "nothing read", flush=True)
"""


def maps(pid):
    """The memory map of a process, without the counters in it."""
    return pathlib.Path("/proc/%d/maps" % pid).read_text()


def standing(pid):
    """What a process that waits is found in, once it does: its system call with its arguments, stack and instruction."""
    file = pathlib.Path("/proc/%d/syscall" % pid)
    return wire.wait_until(lambda: (lambda text: text != "running\n" and text)(file.read_text()))


FAILURES = [
    ("ENOENT", ["nosuch"], {}),
    ("ENOENT", ["/nonexistent/program"], {}),
    ("ENOTDIR", ["/dev/null/program"], {}),
    ("EACCES", ["/dev/null"], {}),
    ("EACCES", ["/"], {}),
    ("E2BIG", ["true", "x" * (200 << 10)], {}),
    ("E2BIG", ["true", *["x" * 1000] * 4000], {}),
    ("ENOENT", ["nosuch"], {"file": ["/nonexistent/1", "/nonexistent/2"], "path": "/nonexistent/2"}),
    ("ENAMETOOLONG", ["n" * 300], {}),
]


@pytest.mark.parametrize("errno_name, argv, params", FAILURES, ids=[item[0] + "-" + item[1][0][:20] for item in FAILURES])
def test_a_program_that_cannot_be_started(client, zoo, errno_name, argv, params):
    record = ready(client, [zoo("waits")])
    before, stood = maps(record["pid"]), standing(record["pid"])
    for _ in range(3):
        unfit(client, record["id"], errno_name, *argv, **params)
    assert maps(record["pid"]) == before
    assert standing(record["pid"]) == stood
    assert procfs.status(record["pid"], "TracerPid") == "0"
    replace(client, record["id"], "true")
    assert wait_one(client, record["id"])["exit"] == {"code": 0}


def test_no_program_at_all(client, zoo, room):
    text = script(room, "text", "no program\n")
    record = ready(client, [zoo("waits")])
    unfit(client, record["id"], "ENOEXEC", text)
    unfit(client, record["id"], "ENOENT", script(room, "lost", "#!/nonexistent/interpreter\n"))
    assert read_all_so_far(client, record) == b"ready\n"


def read_all_so_far(client, record):
    return wire.chunk_of(client.request("read", {"process": record["id"], "offset": 0}))


def test_eacces_wins_over_enoent(client, zoo, room):
    for name in ("closed", "other"):
        (room / name).mkdir()
    script(room / "closed", "tool", "no program", mode=0o644)
    record = ready(client, [zoo("waits")])
    path = {"PATH": "%s:%s" % (room / "closed", room / "other")}
    unfit(client, record["id"], "EACCES", "tool", env=path)


def test_a_directory_it_cannot_be_in(client, zoo, room):
    record = ready(client, [zoo("waits")], cwd="/")
    unfit(client, record["id"], "ENOENT", "true", stage="cwd", path="/nonexistent", cwd="/nonexistent")
    unfit(client, record["id"], "ENOTDIR", "true", stage="cwd", path="/dev/null", cwd="/dev/null")
    assert os.readlink("/proc/%d/cwd" % record["pid"]) == "/"
    # The directory is there, the program is not: back to where it was.
    unfit(client, record["id"], "ENOENT", "nosuch", cwd=str(room))
    assert os.readlink("/proc/%d/cwd" % record["pid"]) == "/"


def test_its_rights_count_and_not_the_servers(client, zoo, room):
    (room / "closed").mkdir(mode=0o700)
    install(zoo("exits"), room / "closed", "tool")
    if not ROOT:
        (room / "closed").chmod(0)
    record = ready(client, [zoo("waits")], cwd="/", **({"user": NOBODY, "group": NOBODY, "groups": []} if ROOT else {}))
    unfit(client, record["id"], "EACCES", "true", stage="cwd", path=str(room / "closed"), cwd=str(room / "closed"))
    unfit(client, record["id"], "EACCES", str(room / "closed" / "tool"))


def test_what_it_was_doing_comes_out_right(client):
    """Failing replacements all the while: the sum is right, the sleep is long enough, the line is read whole."""
    expected = subprocess.run(
        [sys.executable, "-c", WORKS], input=b"a line\n", stdout=subprocess.PIPE, check=True).stdout
    record = ready(client, [sys.executable, "-c", WORKS], stdin="pipe")
    done = client.start("wait", {"processes": [record["id"]]})
    attempts = 0
    while b"slept" not in read_all_so_far(client, record) or attempts < 100:
        unfit(client, record["id"], "ENOENT", "nosuch")
        attempts += 1
    unfit(client, record["id"], "ENOENT", "nosuch")
    client.request("write", {"process": record["id"], "data": "a li"})
    unfit(client, record["id"], "ENOENT", "nosuch")
    client.request("write", {"process": record["id"], "data": "ne\n"})
    assert client.finish(done)["done"][0]["exit"] == {"code": 0}
    assert read_all(client, record["id"]) == expected


@pytest.mark.parametrize("argv", [
    ["perl", "-e", '$|=1; print "ready\\n"; my $s = 0; $s = ($s * 31 + $_) % 1000003 for 1..6e6; print "$s\\n"'],
    [sys.executable, "-c",
        "import hashlib, threading\nprint('ready', flush=True)\nsums = {}\n"
        "def work(n):\n  h = hashlib.sha256()\n  for i in range(40000): h.update(b'%d' % (i * n))\n  sums[n] = h.hexdigest()\n"
        "ts = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n[t.start() for t in ts]\n[t.join() for t in ts]\n"
        "print(sorted(sums.items()))"],
    ["sh", "-c", "echo ready; i=0; while [ $i -lt 40000 ]; do i=$((i + 1)); done; echo $i; seq 100000 | sha256sum"],
], ids=["perl", "threads", "shell"])
def test_a_computation_comes_out_right(client, argv):
    expected = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout
    record = ready(client, argv)
    attempts = 0
    while get(client, record["id"])["state"] == "running":
        error = failure(replace, client, record["id"], "nosuch")
        assert error.data["kind"] == "exec_failed" or error.data["reason"] == "exited", error
        attempts += 1
    assert attempts > 1 and drained(client, record["id"])["exit"] == {"code": 0}
    assert read_all(client, record["id"]) == expected


def test_no_room_for_the_strings(client, zoo):
    """RLIMIT_AS used up: a failure that leaves it as it was."""
    code = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_AS, (1, resource.RLIM_INFINITY))\n"
        "print('ready', flush=True); sys.stdin.read()")
    record = ready(client, [sys.executable, "-u", "-c", code], stdin="pipe")
    unfit(client, record["id"], "ENOMEM", "true", stage="memory")
    resource.prlimit(record["pid"], resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    replace(client, record["id"], "true")
    assert wait_one(client, record["id"])["exit"] == {"code": 0}


# What hangs


def test_a_program_that_hangs_in_its_start(hanging):
    """It cannot be called back, so whoever asked is told, and what becomes of it as well."""
    server, name, go_on = hanging
    with server.connect() as client, server.connect() as other:
        record = ready(client, ["sh", "-c", "echo ready; read x; exit 5"], stdin="pipe")

        def hangs():
            identifier = client.start(
                "exec-replace", {"process": record["id"], "argv": [name], "start_timeout_ms": 200})
            behind = client.start("ping")
            error = failure(client.finish, identifier)
            assert (error.data["stage"], error.data["errno_name"]) == ("exec", "ETIMEDOUT"), error
            assert error.data["path"] == name and client.finish(behind)
            # On a machine that was busy meanwhile, it may not have come as far as the call that hangs.
            return failure(replace, other, record["id"], "/nonexistent").data.get("reason") == "busy"

        wire.wait_until(hangs)
        go_on()
        ended = wire.wait_until(lambda: settled(other, record["id"]))
        if ended == "unharmed":
            other.request("write", {"process": record["id"], "data": "x\n"})
            assert wait_one(other, record["id"])["exit"] == {"code": 5}


def test_what_it_hangs_in_is_named(dead):
    """The directory, not the program that it did not come to; and the one of several files."""
    server, mount, go_on = dead
    with server.connect() as client:
        for stage, path, params in [
            ("cwd", mount + "/lost", {"argv": ["true"], "cwd": mount + "/lost"}),
            ("exec", mount + "/hung", {"argv": ["true"], "file": ["/nonexistent/true", mount + "/hung"]}),
        ]:
            record = ready(client, ["sh", "-c", "echo ready; read x; exit 5"], stdin="pipe")

            def is_named():
                error = failure(replace, client, record["id"], start_timeout_ms=100, **params)
                assert error.data.get("errno_name") == "ETIMEDOUT", error
                # On a busy machine the time may be over before it gets there; nothing has happened then.
                return (error.data["stage"], error.data.get("path")) == (stage, path)

            wire.wait_until(is_named)
        go_on()


def test_what_hangs_delays_nobody(hanging):
    """However many hang: they have a thread each, and no place that others wait for."""
    server, name, go_on = hanging
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(server.connect())
        hard = [ready(client, ["sh", "-c", "echo ready; read x"], stdin="pipe") for _ in range(40)]
        for record in hard:
            other = stack.enter_context(server.connect())
            other.start("exec-replace", {"process": record["id"], "argv": [name]})
        # Long before the others' time is over.
        easy = ready(client, ["sh", "-c", "echo ready; read x"], stdin="pipe")
        assert replace(client, easy["id"], "sh", "-c", "exit 3", start_timeout_ms=5000)["generation"] == 2
        assert wait_one(client, easy["id"])["exit"] == {"code": 3}
        assert all(get(client, record["id"])["generation"] == 1 for record in hard)
        kill(client, [record["id"] for record in hard], signal="KILL")
        go_on()


def settled(client, process):
    """How a replacement that hung has ended, once it has."""
    if get(client, process)["generation"] == 2 or get(client, process)["state"] == "exited":
        return "replaced"
    error = failure(replace, client, process, "/nonexistent")
    return error.data["kind"] == "exec_failed" and "unharmed"


def test_a_program_that_hangs_can_be_killed(hanging):
    server, name, go_on = hanging
    with server.connect() as client, server.connect() as other:
        record = ready(client, ["sh", "-c", "echo ready; read x; exit 5"], stdin="pipe")
        identifier = client.start("exec-replace", {"process": record["id"], "argv": [name]})
        wire.wait_until(lambda: procfs.status(record["pid"], "TracerPid") != "0")
        kill(other, record["id"], signal="KILL")
        go_on()
        assert wait_one(other, record["id"])["exit"]["signal"] == signal.SIGKILL
        error = failure(client.finish, identifier)
        assert error.data["kind"] in ("wrong_state", "exec_failed"), error
        same_program(dict(record, exit=None), dict(get(other, record["id"]), exit=None))
