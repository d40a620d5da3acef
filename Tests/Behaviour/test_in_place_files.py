# SPDX-License-Identifier: Apache-2.0
"""The directory and the descriptors of a process whose running program is replaced."""

import os
import sys

from replacing import probed, replace
from support import install, pipe, read_to_end, ready, spawn, wait_one


def test_the_directory_stays(client, zoo, room):
    record = ready(client, ["sh", "-c", 'cd "$1"; echo ready; read x', "sh", str(room)], stdin="pipe", cwd="/")
    replaced = replace(client, record["id"], zoo("probe"))
    assert record["cwd"] == "/" and replaced["cwd"] == os.path.realpath(room), "where it has gone by itself"
    assert probed(client, record)["cwd"] == os.fsencode(os.path.realpath(room))


def test_a_directory_by_path(client, zoo, room):
    record = ready(client, [zoo("waits")], cwd="/")
    assert replace(client, record["id"], zoo("probe"), cwd=str(room))["cwd"] == str(room)
    assert probed(client, record)["cwd"] == os.fsencode(os.path.realpath(room))


def test_a_directory_that_counts_from_the_processes_own(client, zoo, room):
    (room / "sub").mkdir()
    record = ready(client, [zoo("waits")], cwd=str(room))
    real = os.path.realpath(room / "sub")
    assert replace(client, record["id"], zoo("probe"), cwd="sub")["cwd"] == real
    assert probed(client, record)["cwd"] == os.fsencode(real)


def test_a_directory_by_descriptor(client, zoo, room):
    record = ready(client, [zoo("waits")], cwd="/")
    directory = os.open(room, os.O_PATH | os.O_DIRECTORY)
    try:
        replaced = replace(client, record["id"], zoo("probe"), descriptors=[directory], cwd={"fd": 0})
    finally:
        os.close(directory)
    assert replaced["cwd"] == os.path.realpath(room)
    seen = probed(client, record)
    assert seen["cwd"] == os.fsencode(os.path.realpath(room)) and set(seen["fds"]) == {"0", "1", "2"}


def test_a_program_that_counts_from_the_new_directory(client, zoo, room):
    install(zoo("exits"), room, "here")
    record = ready(client, [zoo("waits")], cwd="/")
    replace(client, record["id"], "./here", "9", cwd=str(room))
    assert wait_one(client, record["id"])["exit"] == {"code": 9}


# Its descriptors


def test_standard_descriptors_that_would_close_stay(client, zoo):
    """Some programs (Node.js) set close-on-exec on their own 0, 1 and 2."""
    code = (
        "import fcntl, sys\nfor n in (0, 1, 2): fcntl.fcntl(n, fcntl.F_SETFD, fcntl.FD_CLOEXEC)\n"
        "print('ready', flush=True); sys.stdin.read()")
    record = ready(client, [sys.executable, "-c", code], stdin="pipe")
    replace(client, record["id"], zoo("probe"))
    seen = probed(client, record)
    assert set(seen["fds"]) == {"0", "1", "2"}
    assert not any(descriptor["cloexec"] for descriptor in seen["fds"].values())


def test_descriptors_of_its_own_go_by_their_flag(client, zoo, room):
    code = (
        "import os, sys; os.set_inheritable(os.open(sys.argv[1], os.O_RDONLY), True); os.open(sys.argv[1], os.O_RDONLY);"
        "print('ready', flush=True); sys.stdin.read()")
    record = ready(client, [sys.executable, "-c", code, str(room)], stdin="pipe")
    replace(client, record["id"], zoo("probe"))
    targets = [descriptor["target"] for number, descriptor in probed(client, record)["fds"].items() if int(number) > 2]
    assert targets == [str(room)], "the inheritable one, and nothing of the replacement's own"


def test_passed_pipes_go_on(client):
    """stdin and stdout that are the client's own: the same pipes, before and after."""
    with pipe() as (in_read, in_write), pipe() as (out_read, out_write):
        record = spawn(
            client, ["sh", "-c", "echo one; read x"], [in_read, out_write], stdin={"fd": 0}, stdout={"fd": 1})
        os.close(in_read)
        os.close(out_write)
        assert os.read(out_read, 4) == b"one\n"
        replace(client, record["id"], "cat")
        os.write(in_write, b"two\n")
        os.close(in_write)
        assert read_to_end(out_read) == b"two\n"
