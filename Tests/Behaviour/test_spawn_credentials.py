# SPDX-License-Identifier: Apache-2.0
"""Who a program is and what it may use: ids, groups, umask, nice, limits, privileges, signals, session."""

import os
import pwd
import resource
import signal
import sys

import procfs
import pytest
from support import (
    NOBODY, ROOT, can, failure, kill, mask_of, output_of, probe, read_until, spawn, start_failure,
)

UID, GID = os.getuid(), os.getgid()
UNLIMITED = -1
# Another user has other groups, which come first: which of the three steps is refused is a matter of order.
IDS = ("groups", "gid", "uid")


def test_ids_default_to_the_servers(client, zoo):
    seen = probe(client, zoo)
    assert seen["uids"] == [UID] * 3 and seen["gids"] == [GID] * 3
    assert sorted(seen["groups"]) == sorted(os.getgroups())


def test_own_ids_may_be_asked_for(client, zoo):
    seen = probe(client, zoo, user=UID, group=GID)
    assert seen["uids"] == [UID] * 3 and seen["gids"] == [GID] * 3


def test_another_user(client, zoo):
    if ROOT:
        seen = probe(client, zoo, user=NOBODY, group=NOBODY, groups=[NOBODY, 12345])
        assert seen["uids"] == [NOBODY] * 3 and seen["gids"] == [NOBODY] * 3
        assert sorted(seen["groups"]) == [12345, NOBODY]
    else:
        start_failure(client, [zoo("probe")], IDS, "EPERM", user=0)


def test_a_user_alone_keeps_nothing_of_the_servers_groups(client, zoo):
    """By number or by name: root's groups in another user's hands would be a hole."""
    if ROOT:
        for user in (NOBODY, "nobody"):
            seen = probe(client, zoo, user=user)
            assert seen["uids"] == [pwd.getpwnam("nobody").pw_uid] * 3
            assert 0 not in seen["groups"] and seen["gids"] == [pwd.getpwnam("nobody").pw_gid] * 3
    else:
        seen = probe(client, zoo, user=UID)
        assert seen["uids"] == [UID] * 3 and seen["gids"] == [GID] * 3
        assert sorted(seen["groups"]) == sorted(os.getgroups())


def test_another_group(client, zoo):
    if ROOT:
        assert probe(client, zoo, group=NOBODY)["gids"] == [NOBODY] * 3
    else:
        start_failure(client, [zoo("probe")], "gid", "EPERM", group=0)


def test_supplementary_groups(client, zoo):
    if ROOT:
        assert sorted(probe(client, zoo, groups=[1, 2, 70000])["groups"]) == [1, 2, 70000]
        assert probe(client, zoo, groups=[])["groups"] == []
    else:
        start_failure(client, [zoo("probe")], "groups", "EPERM", groups=[0])


def test_names(client, zoo):
    if ROOT:
        seen = probe(client, zoo, user="root", group="root", groups=["root"])
        assert seen["uids"] == [0] * 3 and seen["gids"] == [0] * 3 and seen["groups"] == [0]
    else:
        start_failure(client, [zoo("probe")], IDS, "EPERM", user="root")
    for member in ("user", "group"):
        error = failure(spawn, client, ["true"], **{member: "no-such-name-here"})
        assert error.code in (3, -32602) and "no-such-name-here" in str(error), error


def test_the_parent_stays_who_it_is(server, client, zoo):
    """setuid in a child that shares our memory must not go through glibc, which would change the server."""
    if ROOT:
        probe(client, zoo, user=NOBODY, group=NOBODY, groups=[])
    assert procfs.status(server.pid, "Uid").split() == [str(UID)] * 4
    assert procfs.status(server.pid, "Gid").split() == [str(GID)] * 4


@pytest.mark.parametrize(
    "mask, expected", [(0, 0), (0o027, 0o027), (511, 0o777), ("022", 0o022), ("0", 0), ("777", 0o777)]
)
def test_umask(client, zoo, mask, expected):
    assert probe(client, zoo, umask=mask)["umask"] == expected


def test_umask_defaults_to_the_one_at_the_servers_start(fresh, zoo):
    with fresh(preexec=lambda: os.umask(0o026)).connect() as client:
        assert probe(client, zoo)["umask"] == 0o026


def test_nice(client, zoo):
    base = os.getpriority(os.PRIO_PROCESS, 0)
    assert probe(client, zoo)["nice"] == base
    assert probe(client, zoo, nice=19)["nice"] == 19
    assert probe(client, zoo, nice=base)["nice"] == base
    if can(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)):
        assert probe(client, zoo, nice=-5)["nice"] == -5
    else:
        start_failure(client, [zoo("probe")], "nice", "EACCES", nice=-5)


def test_limits_default_to_those_at_the_servers_start(fresh, zoo):
    """The server raises its own number of files; programs do not see that."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def fewer():
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))

    with fresh(preexec=fewer).connect() as client:
        assert probe(client, zoo)["rlimits"]["nofile"] == [300, hard]


@pytest.mark.parametrize(
    "name",
    [
        "nofile",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
        "as",
    ],
)
def test_each_limit(client, zoo, name):
    before = probe(client, zoo)["rlimits"][name]
    most = before[1] if before[1] != UNLIMITED else 1 << 40
    soft = min(most, 1 << 30) if name in ("stack", "as", "data", "fsize", "cpu", "nproc") else min(most, 64)
    assert probe(client, zoo, rlimits={name: {"soft": soft}})["rlimits"][name] == [soft, before[1]]
    assert probe(client, zoo, rlimits={name: {"soft": soft, "hard": most}})["rlimits"][name] == [soft, most]
    assert probe(client, zoo, rlimits={name: soft})["rlimits"][name] == [soft, soft]


def test_unlimited(client, zoo):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if can(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))):
        assert probe(client, zoo, rlimits={"fsize": "unlimited"})["rlimits"]["fsize"] == [UNLIMITED, UNLIMITED]
    assert probe(client, zoo)["rlimits"]["fsize"] == list(before)


def test_a_limit_that_cannot_be_raised(client, zoo):
    def raised():
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 30, 1 << 30))

    if can(raised):
        assert probe(client, zoo, rlimits={"nofile": 1 << 30})["rlimits"]["nofile"] == [1 << 30, 1 << 30]
    else:
        start_failure(client, [zoo("probe")], "rlimits", "EPERM", rlimits={"nofile": 1 << 30})


def test_soft_above_hard(client, zoo):
    error = failure(spawn, client, [zoo("probe")], rlimits={"core": {"soft": 2, "hard": 1}})
    assert error.code == -32602 or (error.data["stage"], error.data["errno_name"]) == ("rlimits", "EINVAL"), error


def test_no_new_privileges(client, zoo):
    assert probe(client, zoo)["no_new_privs"] == 0
    assert probe(client, zoo, no_new_privileges=True)["no_new_privs"] == 1
    assert probe(client, zoo, no_new_privileges=False)["no_new_privs"] == 0


def signals_of(seen):
    return {name: int(seen[name], 16) for name in ("SigIgn", "SigBlk", "SigCgt", "SigPnd", "ShdPnd")}


CLEAN = {"SigIgn": 0, "SigBlk": 0, "SigCgt": 0, "SigPnd": 0, "ShdPnd": 0}


def test_signals_start_fresh(client, zoo):
    assert signals_of(probe(client, zoo)) == CLEAN


def test_signals_start_fresh_whatever_the_server_inherited(fresh, zoo):
    """nohup, a shell's &, Python's SIGPIPE, a parent that blocks signals."""

    def spoil():
        for number in (
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGHUP,
            signal.SIGPIPE,
            signal.SIGUSR1,
            signal.SIGCHLD,
            signal.SIGRTMIN + 3,
        ):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMAX})

    server = fresh(preexec=spoil)
    with server.connect() as client:
        assert signals_of(probe(client, zoo)) == CLEAN
        record = spawn(client, [zoo("exits"), "3"])
        assert client.request("wait", {"processes": record["id"]})["done"][0]["exit"] == {"code": 3}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0, "a blocked SIGTERM still ends the server"


def test_signals_as_asked(client, zoo):
    seen = probe(client, zoo, signals={"ignored": ["PIPE", "SIGXFSZ", 10], "blocked": ["USR2", "SIGRTMIN+3", 64]})
    assert signals_of(seen) == dict(CLEAN, SigIgn=mask_of(13, 25, 10), SigBlk=mask_of(12, 37, 64))
    assert signals_of(probe(client, zoo, signals={})) == CLEAN
    assert signals_of(probe(client, zoo, signals="fresh")) == CLEAN


def test_a_session_of_its_own(client, zoo):
    seen = probe(client, zoo)
    assert seen["session"] == seen["pgid"] == seen["pid"] and seen["tty"] is False


def test_a_group_of_its_own(server, client, zoo):
    seen = probe(client, zoo, session="group")
    assert seen["pgid"] == seen["pid"] and seen["session"] == procfs.stat(server.pid)["session"]


def test_the_servers_group(server, client, zoo):
    seen = probe(client, zoo, session="inherit")
    assert (seen["session"], seen["pgid"]) == tuple(procfs.stat(server.pid)[key] for key in ("session", "pgid"))


def test_a_group_apart(server, client, zoo):
    """Nobody leads it, so whoever is in it can still become a session's leader."""
    seen = probe(client, zoo, session="apart")
    servers = procfs.stat(server.pid)
    assert seen["session"] == servers["session"] and seen["pgid"] not in (seen["pid"], servers["pgid"])
    assert not procfs.alive(seen["pgid"]) and not procfs.children(server.pid)
    script = "import os; os.setsid(); print(os.getsid(0) == os.getpgrp() == os.getpid())"
    assert output_of(client, [sys.executable, "-c", script], session="apart")[1] == b"True\n"


def test_groups_apart_are_apart_from_each_other(server, client, zoo):
    """What a program does to its whole group reaches what it has started, and nobody else."""
    other = spawn(client, [zoo("waits")], session="apart")
    record, _ = output_of(client, ["sh", "-c", "sleep 1000 & kill -KILL 0"], session="apart")
    assert record["exit"]["signal"] == signal.SIGKILL
    assert procfs.alive(server.pid) and procfs.alive(other["pid"])


@pytest.mark.parametrize("hold", [False, True])
def test_the_group_apart_can_be_killed(client, zoo, hold):
    record = spawn(client, ["sh", "-c", "sleep 1000 & echo $!; wait"], session="apart", hold=hold)
    if hold:
        record = client.request("exec-replace", {"process": record["id"]})
    child = int(read_until(client, record["id"], b"\n").split()[0])
    assert procfs.stat(child)["pgid"] == procfs.stat(record["pid"])["pgid"]
    (entry,) = kill(client, record["id"], signal="KILL", scope="group", wait=True)
    assert sorted(entry["signalled"]) == sorted([record["pid"], child]) and entry["survivors"] == []


def test_joining_a_group(client, zoo):
    leader = spawn(client, [zoo("waits")], session="group")
    seen = probe(client, zoo, session={"group": leader["pid"]})
    assert seen["pgid"] == leader["pid"] and seen["session"] == leader["session"]
    member = spawn(client, [zoo("waits")], session={"group": leader["pid"]})
    (entry,) = kill(client, member["id"], signal="KILL", wait=True)
    assert entry["signalled"] == [member["pid"]] and procfs.alive(leader["pid"]), "its tree is not the group"
    member = spawn(client, [zoo("waits")], session={"group": leader["pid"]})
    (entry,) = kill(client, member["id"], signal="KILL", scope="group", wait=True)
    assert member["pid"] in entry["signalled"]
    assert client.request("kill", {"processes": member["id"], "signal": "KILL", "scope": "group"})


def test_a_group_that_cannot_be_joined(server, client, zoo):
    """setpgid(2): not one of another session, nor one that is not there."""
    other = spawn(client, [zoo("waits")])
    for group in (other["pid"], 4194303):
        start_failure(client, [zoo("probe")], "session", "EPERM", session={"group": group})
    assert probe(client, zoo, session={"group": procfs.stat(server.pid)["pgid"]})["pgid"] == procfs.stat(server.pid)["pgid"]


def test_the_servers_group_is_not_killed_for_who_joined_it(server, client, zoo):
    record = spawn(client, [zoo("waits")], session={"group": procfs.stat(server.pid)["pgid"]})
    (entry,) = kill(client, record["id"], signal="KILL", scope="group")
    assert entry["signalled"] == [record["pid"]] and procfs.alive(server.pid)


@pytest.mark.skipif(not ROOT, reason="needs two users")
def test_a_passed_directory_may_be_closed_to_the_user(client, zoo, room):
    """It is like the one a child inherits. One given by its path is entered with the program's ids."""
    closed = room / "closed"
    closed.mkdir(mode=0o700)
    descriptor = os.open(closed, os.O_PATH | os.O_CLOEXEC)
    try:
        seen = probe(client, zoo, descriptors=[descriptor], cwd={"fd": 0}, user=NOBODY, group=NOBODY, groups=[])
    finally:
        os.close(descriptor)
    assert seen["cwd"] == os.fsencode(os.path.realpath(closed))
    start_failure(client, [zoo("probe")], "cwd", "EACCES", cwd=str(closed), user=NOBODY, group=NOBODY, groups=[])


@pytest.mark.parametrize("session", ["new", "group", "apart", "inherit"])
def test_the_record_has_the_session(server, client, zoo, session):
    record = spawn(client, [zoo("waits")], session=session)
    assert record["session"] == procfs.stat(record["pid"])["session"]
    assert record["owner"] == {"uid": UID, "gid": GID}


def test_kill_of_a_process_in_the_servers_group_spares_the_server(server, client, zoo):
    record = spawn(client, [zoo("waits")], session="inherit")
    answer = client.request("kill", {"processes": record["id"], "signal": "KILL", "scope": "tree", "wait": True})
    assert answer["processes"][0]["survivors"] == [] and procfs.alive(server.pid)
    record = spawn(client, [zoo("waits")], session="inherit")
    try:
        client.request("kill", {"processes": record["id"], "signal": "KILL", "scope": "group"})
    except Exception as error:
        assert error.code in (5, 6, 9), "refusing is honest: the group is the server's own"
    assert client.request("ping") and procfs.alive(server.pid)
