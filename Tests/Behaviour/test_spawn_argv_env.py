# SPDX-License-Identifier: Apache-2.0
"""The program gets exactly the arguments, the environment and the directory that were asked for."""

import os

import procfs
import pytest
import wire
from support import drained, failure, output_of, probe, spawn, start_failure


def test_argv_is_exact(client, zoo):
    argv = ["my name", "", " ", "a\nb", "-x", "\u20ac\U0001f600", "--", "*", "$HOME", '"', "\\"]
    seen = probe(client, zoo, argv=argv)
    assert seen["argv"] == [item.encode() for item in argv]


def test_argv_bytes_that_are_not_utf_8(client, zoo):
    raw = bytes(range(1, 256))
    record = spawn(client, ["probe", wire.base64_of(raw), wire.base64_of(b"plain")], file=zoo("probe"))
    drained(client, record["id"])
    assert record["argv"][0] == "probe"
    assert [wire.bytes_of(item) for item in record["argv"]] == [b"probe", raw, b"plain"]
    assert isinstance(record["argv"][1], dict), "what is not UTF-8 comes back as base64"
    assert record["argv"][2] == "plain", "what is UTF-8 comes back as text"


def test_argv_bytes_arrive(client, zoo):
    raw = bytes(range(1, 256))
    seen = probe(client, zoo, argv=["probe", wire.base64_of(raw)])
    assert seen["argv"][1] == raw


def test_ten_thousand_arguments(client, zoo):
    argv = ["probe"] + [str(number) for number in range(10000)]
    assert len(probe(client, zoo, argv=argv)["argv"]) == 10001


def test_arguments_the_kernel_refuses(client):
    """One string over MAX_ARG_STRLEN (128 KiB, execve(2))."""
    start_failure(client, ["true", "x" * (200 << 10)], "exec", "E2BIG", path="true")


def test_argv_0_need_not_be_the_file(client, zoo):
    seen = probe(client, zoo, argv=["-other"], file=zoo("probe"))
    assert seen["argv"] == [b"-other"]


def test_environment_is_the_servers_by_default(server, client, zoo):
    seen = probe(client, zoo)["env"]
    expected = {k.encode(): v.encode() for k, v in server.environment.items()}
    ours = {k: v for k, v in seen.items() if not k.startswith(b"PROCCTL_") or k == b"PROCCTL_TEST_MARK"}
    assert ours == {k: v for k, v in expected.items() if not k.startswith(b"PROCCTL_") or k == b"PROCCTL_TEST_MARK"}


def test_a_program_finds_its_server_and_itself(server, client, zoo):
    record, output = output_of(client, ["sh", "-c", 'echo "$PROCCTL_SOCKET"; echo "$PROCCTL_PROCESS"'])
    assert output.decode().split("\n")[:2] == [server.socket, str(record["id"])]


def test_set_and_unset(client, zoo):
    seen = probe(client, zoo, env={"A": "1", "EMPTY": "", "PROCCTL_TEST_MARK": None, "B": "x=y", "\u20ac": "\u20ac"})[
        "env"
    ]
    assert seen[b"A"] == b"1" and seen[b"EMPTY"] == b"" and seen[b"B"] == b"x=y"
    assert seen["\u20ac".encode()] == "\u20ac".encode()
    assert b"PROCCTL_TEST_MARK" not in seen and b"PATH" in seen


def test_unsetting_what_is_not_set(client, zoo):
    assert b"NOT_SET_AT_ALL" not in probe(client, zoo, env={"NOT_SET_AT_ALL": None})["env"]


def test_empty_base_is_empty(client, zoo):
    assert probe(client, zoo, env_base="empty")["env"] == {}
    assert probe(client, zoo, env_base="empty", env={"ONE": "1", "TWO": None})["env"] == {b"ONE": b"1"}


def test_environment_bytes(client, zoo):
    raw = bytes(range(1, 256))
    assert probe(client, zoo, env={"RAW": wire.base64_of(raw)})["env"][b"RAW"] == raw


def test_environment_as_pairs(client, zoo):
    """A name that is not UTF-8 cannot be that of a member of an object."""
    env = [["A", "1"], [wire.base64_of(b"\xff\xfe"), wire.base64_of(b"\xfd")], ["PATH", None], ["A", "2"]]
    seen = probe(client, zoo, env=env)["env"]
    assert seen[b"A"] == b"2" and seen[b"\xff\xfe"] == b"\xfd" and b"PATH" not in seen
    assert probe(client, zoo, env=[], env_base="empty")["env"] == {}


def test_a_caller_can_hide_the_server(client, zoo):
    seen = probe(client, zoo, env={"PROCCTL_SOCKET": None, "PROCCTL_PROCESS": None})["env"]
    assert b"PROCCTL_SOCKET" not in seen and b"PROCCTL_PROCESS" not in seen


def test_what_the_service_manager_told_the_server_stays_there(fresh, zoo):
    told = {
        "NOTIFY_SOCKET": "/nonexistent/notify",
        "WATCHDOG_USEC": "1000000",
        "WATCHDOG_PID": "1",
        "LISTEN_PID": "1",
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "x",
        "KEPT": "yes",
    }
    with fresh(environment=told).connect() as client:
        seen = probe(client, zoo)["env"]
    assert seen[b"KEPT"] == b"yes"
    assert not [name for name in seen if name.startswith((b"NOTIFY_", b"WATCHDOG_", b"LISTEN_"))]


def test_cwd(client, zoo, room):
    assert probe(client, zoo, cwd=str(room))["cwd"] == os.fsencode(os.path.realpath(room))
    raw = os.path.join(os.fsencode(room), b"\xff\xfe")
    os.mkdir(raw)
    assert probe(client, zoo, cwd=wire.base64_of(raw))["cwd"] == raw


def test_cwd_defaults_to_the_servers(server, client, zoo):
    seen = probe(client, zoo)
    assert seen["cwd"] == os.readlink(b"/proc/%d/cwd" % server.pid)


@pytest.mark.parametrize("flags", [os.O_RDONLY | os.O_DIRECTORY, os.O_PATH])
def test_cwd_by_descriptor(client, zoo, room, flags):
    descriptor = os.open(room, flags | os.O_CLOEXEC)
    try:
        seen = probe(client, zoo, descriptors=[descriptor], cwd={"fd": 0})
    finally:
        os.close(descriptor)
    assert seen["cwd"] == os.fsencode(os.path.realpath(room))
    assert set(seen["fds"]) == {"0", "1", "2"}


def test_record_says_what_was_asked(client, room):
    record = spawn(client, ["sh", "-c", "true"], cwd=str(room))
    assert record["argv"] == ["sh", "-c", "true"] and record["cwd"] == str(room)
    assert drained(client, record["id"])["argv"] == ["sh", "-c", "true"]


def test_a_large_environment(client, zoo):
    env = {"V%d" % number: "x" * 1000 for number in range(500)}
    seen = probe(client, zoo, env=env)["env"]
    assert all(seen[name.encode()] == b"x" * 1000 for name in env)


def test_env_names_are_checked(client):
    for name in ("A=B", "=", ""):
        assert failure(spawn, client, ["true"], env={name: None}).code == -32602


def test_parent_is_the_server(server, client, zoo):
    assert probe(client, zoo)["ppid"] == server.pid
    assert procfs.alive(server.pid)
