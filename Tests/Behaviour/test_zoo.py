# SPDX-License-Identifier: Apache-2.0
"""The children misbehave as they should: checked without a server, so that their faults are not taken for its."""

import os
import signal
import subprocess

import procfs
import pytest
import wire
from support import gone, install, leased, unfold


def finish(*argv, **options):
    return subprocess.run([*argv], capture_output=True, timeout=wire.PATIENCE, check=False, **options)


def test_exits(zoo):
    assert [finish(zoo("exits"), str(code)).returncode for code in (0, 1, 255)] == [0, 1, 255]


@pytest.mark.parametrize("number", [1, 9, 11, 15, 32, 33, 34, 64])
def test_dies_by(zoo, number):
    assert finish(zoo("dies_by"), str(number)).returncode == -number


def test_dies_by_what_does_not_kill(zoo):
    assert finish(zoo("dies_by"), str(int(signal.SIGCHLD))).returncode == 99


@pytest.mark.parametrize("length", [0, 1, 8, 4095, 4096, 100001])
def test_floods(zoo, length):
    if length == 0:
        with subprocess.Popen([zoo("floods"), "0"], stdout=subprocess.PIPE) as process:
            assert process.stdout.read(100000)[-8:] == b"%07d\n" % (100000 - 8)
            process.kill()
        return
    output = finish(zoo("floods"), str(length)).stdout
    assert len(output) == length and output[:8] == b"0000000\n"[:length]


@pytest.mark.parametrize("flags", ["l", "lds", "ldsh", "ldt"])
def test_escapes(zoo, flags):
    with subprocess.Popen([zoo("escapes"), flags], stdout=subprocess.PIPE) as process:
        escaped = int(process.stdout.readline())
        assert process.wait(wire.PATIENCE) == 0
        seen = procfs.stat(escaped)
        assert seen["ppid"] != process.pid and (seen["session"] != os.getsid(0)) is ("s" in flags)
        os.kill(escaped, signal.SIGKILL)
        gone(escaped)


def test_half_character(zoo):
    assert finish(zoo("half_character"), "exit").stdout == b"a\xe2\x82"


def test_speaks(zoo):
    assert finish(zoo("speaks"), input=b"abc\nquit\n").stdout == b"hello\n3\n"


def test_stops_itself(zoo):
    with subprocess.Popen([zoo("stops_itself")], stdout=subprocess.PIPE) as process:
        wire.wait_until(lambda: procfs.stat(process.pid)["state"] == "T")
        process.send_signal(signal.SIGCONT)
        assert process.wait(wire.PATIENCE) == 6


def test_probe(zoo, room):
    seen = unfold(finish(zoo("probe"), "\xe9", env={"A": "1"}, cwd=room, start_new_session=True).stdout)
    assert seen["argv"][1:] == [b"\xc3\xa9"] and seen["env"] == {b"A": b"1"}
    assert seen["cwd"] == os.fsencode(os.path.realpath(room)) and seen["session"] == seen["pid"] == seen["pgid"]
    assert seen["uids"] == [os.getuid()] * 3 and len(seen["rlimits"]) == 16


def test_an_open_of_a_leased_file_blocks(zoo, room):
    name = install(zoo("exits"), room, "leased")
    with subprocess.Popen(["sh", "-c", 'exec "$1" 4', "sh", name]) as process:
        assert process.wait(wire.PATIENCE) == 4
    with leased(name):
        with subprocess.Popen(["sh", "-c", 'echo started; exec "$1" 4', "sh", name], stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"started\n"
            wire.wait_until(lambda: procfs.stat(process.pid)["state"] in "SD")
            assert process.poll() is None
            process.kill()


def asks_its_file_server(pid):
    """Whether a process waits for an answer of a FUSE server: by what it sleeps in, where the kernel says so."""
    with open("/proc/%d/wchan" % pid) as file:
        sleeping_in = file.read()
    if sleeping_in in ("", "0"):
        return procfs.stat(pid)["state"] in "DS" and open("/proc/%d/comm" % pid).read() == "cat\n"
    return "request_wait" in sleeping_in or "fuse" in sleeping_in


@pytest.mark.parametrize("answered", [True, False])
def test_hungfs(zoo, room, answered):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        result = finish(zoo("hungfs"), str(room), str(room / "pid"), "--", "true")
        assert result.returncode == 2 and b"hungfs" in result.stderr, "without the device it says so"
        return
    (room / "mount").mkdir()
    command = 'cat "$1/slow" & echo "$!"; wait "$!"; cat "$1/hung"'
    argv = [zoo("hungfs"), str(room / "mount"), str(room / "pid"), "--", "sh", "-c", command, "sh", str(room / "mount")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        cat = int(process.stdout.readline())
        wire.wait_until(lambda: asks_its_file_server(cat))
        pid = int(wire.wait_until(lambda: (room / "pid").exists() and (room / "pid").read_text()))
        if answered:
            os.kill(pid, signal.SIGUSR1)
            assert process.stdout.readline() == b"slow\n"
        os.kill(pid, signal.SIGKILL)
        assert process.wait(wire.PATIENCE) != 0
