# SPDX-License-Identifier: Apache-2.0
"""A start that fails names stage, errno and path and leaves nothing; one that hangs delays nobody and ends in time."""

import contextlib
import os
import signal

import procfs
import pytest
import wire
from support import (
    FUSE,
    NOBODY,
    ROOT,
    can,
    drained,
    failure,
    get,
    install,
    kill,
    leased,
    output_of,
    spawn,
    start_failure,
)

def test_each_stage_reports_itself(client, room):
    (room / "file").write_text("x")
    (room / "data").write_text("x")
    start_failure(client, ["nosuch"], "exec", "ENOENT", path="nosuch")
    start_failure(client, [str(room / "data")], "exec", "EACCES", path=str(room / "data"))
    start_failure(client, ["true"], "cwd", "ENOENT", path=str(room / "no"), cwd=str(room / "no"))
    start_failure(client, ["true"], "cwd", "ENOTDIR", path=str(room / "file"), cwd=str(room / "file"))
    start_failure(client, ["true"], "stdin", "ENOENT", path=str(room / "no"), stdin={"file": str(room / "no")})
    start_failure(client, ["true"], "stdout", "EISDIR", path=str(room), stdout={"file": str(room)})
    start_failure(
        client, ["true"], "stderr", "ENOTDIR", path=str(room / "file/x"), stderr={"file": str(room / "file/x")}
    )


def test_a_path_that_is_not_utf_8(client):
    name = wire.base64_of(b"/nonexistent/\xff")
    start_failure(client, ["true"], "cwd", "ENOENT", path=name, cwd=name)
    start_failure(client, [name], "exec", "ENOENT", path=name)


def test_a_cwd_that_may_not_be_entered(client, room):
    (room / "closed").mkdir(mode=0o700)
    if ROOT:
        start_failure(client, ["true"], "cwd", "EACCES", cwd=str(room / "closed"), user=NOBODY, group=NOBODY, groups=[])
    else:
        (room / "closed").chmod(0)
        start_failure(client, ["true"], "cwd", "EACCES", cwd=str(room / "closed"))


def test_a_cwd_that_was_deleted(client, room):
    (room / "deleted").mkdir()
    descriptor = os.open(room / "deleted", os.O_RDONLY | os.O_CLOEXEC)
    (room / "deleted").rmdir()
    try:
        record, output = output_of(client, ["sh", "-c", "echo in; exit 2"], [descriptor], cwd={"fd": 0})
    finally:
        os.close(descriptor)
    assert record["exit"] == {"code": 2} and output == b"in\n"


def test_a_cwd_descriptor_that_is_no_directory(client, room):
    (room / "file").write_text("x")
    with open(room / "file") as file:
        start_failure(client, ["true"], "cwd", "ENOTDIR", descriptors=[file.fileno()], cwd={"fd": 0})


def test_files_are_opened_with_the_programs_ids(client, room):
    (room / "secret").write_text("x")
    (room / "secret").chmod(0o600)
    if ROOT:
        start_failure(
            client,
            ["cat"],
            "stdin",
            "EACCES",
            stdin={"file": str(room / "secret")},
            user=NOBODY,
            group=NOBODY,
            groups=[],
        )
    else:
        (room / "secret").chmod(0)
        start_failure(client, ["cat"], "stdin", "EACCES", stdin={"file": str(room / "secret")})


def test_ids_that_may_not_be_taken(client):
    if can(lambda: os.setuid(NOBODY)):
        assert spawn(client, ["true"], user=NOBODY, group=NOBODY, groups=[])["id"]
    else:
        start_failure(client, ["true"], ("groups", "gid", "uid"), "EPERM", user=NOBODY)
        start_failure(client, ["true"], "gid", "EPERM", group=NOBODY)
        start_failure(client, ["true"], "groups", "EPERM", groups=[NOBODY])


@pytest.mark.parametrize("hold", [False, True])
def test_failures_leave_no_record_and_no_output_file(client, room, hold):
    for _ in range(20):
        error = failure(
            spawn, client, ["true"], cwd="/nonexistent", hold=hold, name="same", stdout={"file": str(room / "o")}
        )
        assert (error.code, error.data["stage"]) == (3, "cwd"), error
    assert client.request("list", {})["processes"] == []
    assert spawn(client, ["true"], name="same")["id"], "the name is free"


def test_hundreds_of_failures_leak_nothing(client):
    """The audit after the test counts the descriptors."""
    for _ in range(5):
        answers = client.batch([("spawn", {"argv": ["/nonexistent/%d" % number]}) for number in range(200)])
        assert {answer["error"]["data"]["errno_name"] for answer in answers} == {"ENOENT"}


def test_passed_descriptors_of_a_failing_start_are_closed(client):
    read_end, write_end = os.pipe()
    try:
        start_failure(client, ["nosuch"], "exec", "ENOENT", descriptors=[write_end], stdout={"fd": 0})
        os.close(write_end)
        assert os.read(read_end, 1) == b""
    finally:
        os.close(read_end)


def test_a_failing_start_is_no_exit_code(client):
    error = failure(spawn, client, ["/nonexistent"])
    assert error.code == 3 and "exit" not in error.data and "process" not in error.data


# Starts that hang


def test_a_hanging_start_delays_nobody(hanging):
    server, name, go_on = hanging
    with server.connect() as stuck, server.connect() as other:
        identifiers = [stuck.start("spawn", {"argv": [name]}) for _ in range(3)]
        for _ in range(20):
            assert other.request("ping")
        assert output_of(other, ["echo", "meanwhile"])[1] == b"meanwhile\n"
        assert not stuck.replies
        go_on()
        for identifier in identifiers:
            with contextlib.suppress(wire.RpcError):  # the lease lets it start, the FUSE file fails with EIO
                stuck.finish(identifier)


def test_a_hanging_start_is_ended_in_time(hanging):
    server, name, go_on = hanging
    with server.connect() as client:
        error = start_failure(client, [name], "exec", "ETIMEDOUT", path=name, start_timeout_ms=1000)
        assert error.message
        assert client.request("list", {})["processes"] == []
        assert output_of(client, ["echo", "next"])[1] == b"next\n"
        go_on()


def test_many_hanging_starts(hanging):
    server, name, go_on = hanging
    with server.connect() as other:
        clients = [server.connect() for _ in range(20)]
        try:
            for client in clients:
                client.start("spawn", {"argv": [name], "start_timeout_ms": 300}, identifier="s")
            assert other.request("ping")
            for client in clients:
                assert failure(client.finish, "s").data["errno_name"] == "ETIMEDOUT"
            assert output_of(other, ["echo", "next"])[1] == b"next\n"
        finally:
            go_on()
            for client in clients:
                client.close()


def test_a_client_that_leaves_a_hanging_start(hanging):
    server, name, go_on = hanging
    with server.connect() as client:
        client.start("spawn", {"argv": [name], "lifetime": "connection", "start_timeout_ms": 500})
    with server.connect() as other:
        assert other.request("ping")
        wire.wait_until(lambda: all(record["state"] == "exited" for record in other.request("list", {})["processes"]))
        go_on()


def hanging_child(server):
    """The pid of the one child, once it sleeps in the open it hangs in."""
    (child,) = wire.wait_until(lambda: procfs.children(server.pid))
    wire.wait_until(lambda: procfs.stat(child)["state"] in "SD", what="the child to hang")
    return child


def test_a_child_stopped_before_its_exec(fresh, zoo, room):
    """Stopped while its start hangs, and let go on: the stop keeps it from its exec, and only itself."""
    server = fresh()
    name = install(zoo("exits"), room, "leased")
    with server.connect() as stuck, server.connect() as other:
        with leased(name):
            identifier = stuck.start("spawn", {"argv": [name, "8"], "start_timeout_ms": 20000})
            child = hanging_child(server)
            os.kill(child, signal.SIGSTOP)
            wire.wait_until(lambda: procfs.stat(child)["state"] == "T", what="the child to stop")
            assert other.request("ping") and output_of(other, ["echo", "on"])[1] == b"on\n"
        assert procfs.stat(child)["state"] == "T" and not stuck.buffer
        assert other.request("ping") and output_of(other, ["echo", "on"])[1] == b"on\n"
        os.kill(child, signal.SIGCONT)
        record = stuck.finish(identifier)
        assert drained(other, record["id"])["exit"] == {"code": 8}


def test_a_child_stopped_for_good_is_ended_in_time(fresh, zoo, room):
    server = fresh()
    name = install(zoo("exits"), room, "leased")
    with server.connect() as client:
        with leased(name):
            identifier = client.start("spawn", {"argv": [name], "start_timeout_ms": 1500})
            child = hanging_child(server)
            os.kill(child, signal.SIGSTOP)
            error = failure(client.finish, identifier)
        assert error.code == 3 and error.data["errno_name"] == "ETIMEDOUT" and error.data["stage"] == "exec", error


def test_a_child_killed_before_its_exec(fresh, zoo, room):
    server = fresh()
    name = install(zoo("exits"), room, "leased")
    with server.connect() as client:
        with leased(name):
            identifier = client.start("spawn", {"argv": [name]})
            child = hanging_child(server)
            os.kill(child, signal.SIGKILL)
            try:
                record = client.finish(identifier)
            except wire.RpcError as error:
                assert error.code == 3 and error.data["stage"], error
            else:
                assert drained(client, record["id"])["exit"]["signal"] == signal.SIGKILL
        assert client.request("ping")


def test_an_input_that_hangs(fresh, zoo, room):
    if not FUSE:
        # Without the device: a FIFO nobody writes to must not hang the start at all.
        os.mkfifo(room / "fifo")
        with fresh().connect() as client:
            assert get(client, spawn(client, ["cat"], stdin={"file": str(room / "fifo")})["id"])["state"]
        return
    (room / "mount").mkdir()
    server = fresh(prefix=[zoo("hungfs"), str(room / "mount"), str(room / "pid"), "--"])
    pid = int(wire.wait_until(lambda: (room / "pid").exists() and (room / "pid").read_text()))
    slow = str(room / "mount" / "slow")
    try:
        with server.connect() as client, server.connect() as other:
            identifier = client.start("spawn", {"argv": ["cat"], "stdin": {"file": slow}})
            assert other.request("ping")
            error = start_failure(
                other, ["cat"], "stdin", "ETIMEDOUT", path=slow, stdin={"file": slow}, start_timeout_ms=1000
            )
            assert error.data["errno"]
            os.kill(pid, signal.SIGUSR1)
            assert client.finish(identifier)["id"]
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_kill_that_cannot_work_yet_says_who_survives(hanging):
    """A program in an open(2) that no signal ends (D state): the reply is bounded and honest."""
    server, name, go_on = hanging
    with server.connect() as client:
        record = spawn(client, ["cat", name])
        wire.wait_until(lambda: procfs.stat(record["pid"])["state"] in "DS")
        entry = kill(client, record["id"], signal="KILL", wait=True, timeout_ms=500)[0]
        assert entry["survivors"] in ([], [record["pid"]])
        assert (entry["survivors"] == []) is (get(client, record["id"])["state"] == "exited")
        go_on()
        assert drained(client, record["id"])["exit"]["signal"] == 9
