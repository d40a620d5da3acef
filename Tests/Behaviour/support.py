# SPDX-License-Identifier: Apache-2.0
"""Words the tests share: run a program, read what it wrote, hold a file so that its opening blocks."""

import base64
import contextlib
import errno
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal

import procfs
import wire

ROOT = os.geteuid() == 0
NOBODY = 65534  # a uid and gid that nobody on the machine needs
FUSE = os.access("/dev/fuse", os.R_OK | os.W_OK)


def spawn(client, argv, descriptors=(), **params):
    """spawn by name; returns the record."""
    return client.request("spawn", dict(params, argv=list(argv)), descriptors)


def get(client, process, **params):
    return client.request("get", dict(params, process=process))


def wait(client, *processes, **params):
    """wait for processes; returns their records in the order asked."""
    answer = client.request("wait", dict(params, processes=list(processes)))
    assert not answer["pending"] and not answer["timed_out"], answer
    by_key = {}
    for record in answer["done"]:
        by_key[record["id"]] = record
        by_key[record["name"]] = record
    return [by_key[process] for process in processes]


def wait_one(client, process, **params):
    return wait(client, process, **params)[0]


def drained(client, process):
    """The record once the process has exited and its output has ended."""
    return wait_one(client, process, until="drained")


def read_all(client, process, stream="stdout", limit=1 << 20):
    """Every byte of a stream that is or will be at its end; a gap fails the test."""
    data = bytearray()
    while True:
        answer = client.request(
            "read",
            {"process": process, "stream": stream, "offset": len(data), "limit": limit, "timeout_ms": 20000},
        )
        assert "gap" not in answer, answer
        assert answer["offset"] == len(data) and answer["stream"] == stream, answer
        data += wire.chunk_of(answer)
        assert answer["next_offset"] == len(data), answer
        if answer["end"]:
            return bytes(data)


def read_until(client, process, wanted, stream="stdout"):
    """Read from the start until `wanted` was seen; returns all bytes so far."""
    data = bytearray()
    while wanted not in data:
        answer = client.request(
            "read", {"process": process, "stream": stream, "offset": len(data), "timeout_ms": 20000}
        )
        data += wire.chunk_of(answer)
        assert not (answer["end"] and wanted not in data), bytes(data)
    return bytes(data)


def ready(client, argv, descriptors=(), **params):
    """spawn a program that says "ready" in its first line, and wait for that; returns the record."""
    record = spawn(client, argv, descriptors, **params)
    read_until(client, record["id"], b"ready\n")
    return record


def output_of(client, argv, descriptors=(), **params):
    """Run a program to its end; returns (record, stdout)."""
    record = spawn(client, argv, descriptors, **params)
    return drained(client, record["id"]), read_all(client, record["id"])


def unfold(text):
    """The JSON of the probe, its base64 members as bytes."""
    seen = json.loads(text.decode("ascii"))
    seen["cwd"] = base64.b64decode(seen["cwd"])
    seen["argv"] = [base64.b64decode(item) for item in seen["argv"]]
    pairs = [base64.b64decode(item).partition(b"=") for item in seen["environ"]]
    seen["env"] = {name: value for name, _, value in pairs}
    assert len(seen["env"]) == len(pairs), "a name twice in the environment: %r" % pairs
    return seen


def probe(client, zoo, arguments=(), descriptors=(), **params):
    """Run the probe with these spawn parameters; returns what it saw."""
    params.setdefault("argv", [zoo("probe"), *arguments])
    params.setdefault("file", zoo("probe"))
    argv = params.pop("argv")
    record, seen = output_of(client, argv, descriptors, **params)
    assert record["exit"] == {"code": 0}, record
    return unfold(seen)


def kill(client, processes, **params):
    return client.request("kill", dict(params, processes=processes))["processes"]


def mask_of(*numbers):
    """The value of a /proc/PID/status signal mask that holds these signals."""
    return sum(1 << (number - 1) for number in numbers)


def failure(call, *arguments, **keywords):
    """The RpcError that a call must end with."""
    try:
        result = call(*arguments, **keywords)
    except wire.RpcError as error:
        return error
    raise AssertionError("answered instead of failing: %r" % (result,))


def start_failure(client, argv, stage, errno_name, path=None, descriptors=(), **params):
    """spawn must fail with spawn_failed at `stage` (or one of them); returns the error."""
    error = failure(spawn, client, argv, descriptors, **params)
    assert error.code == 3 and error.data["kind"] == "spawn_failed", error
    assert error.data["stage"] in ((stage,) if isinstance(stage, str) else stage), error
    assert error.data["errno_name"] == errno_name, error
    assert error.data["errno"] == getattr(errno, errno_name), error
    if path is not None:
        assert error.data["path"] == path, error
    return error


def can(action):
    """Whether this user may do something that would change the process: tried in a child of ours."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def install(source, directory, name, mode=0o755):
    """Copy a program to DIRECTORY/NAME; returns the path as str."""
    target = pathlib.Path(directory) / name
    shutil.copyfile(source, target)
    target.chmod(mode)
    return str(target)


def script(directory, name, text, mode=0o755):
    target = pathlib.Path(directory) / name
    target.write_text(text)
    target.chmod(mode)
    return str(target)


@contextlib.contextmanager
def leased(path):
    """While this holds, opening (and executing) the file blocks: a write lease not given back (fcntl(2), F_SETLEASE).

    The kernel breaks it after /proc/sys/fs/lease-break-time (45 s), later than any test needs.
    """
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # told at the break; its default action would end us
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield
    finally:
        os.close(descriptor)
        signal.signal(signal.SIGIO, before)


@contextlib.contextmanager
def pipe():
    """(read end, write end), closed at the end unless already closed and set to None by `shut`."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


def read_to_end(descriptor):
    """All bytes until end of file; fails instead of hanging when the end does not come."""
    data = bytearray()
    while True:
        assert select.select([descriptor], [], [], wire.PATIENCE)[0], "no end of file after %r" % bytes(data)
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            return bytes(data)
        data += piece


def gone(pid):
    """Wait until the kernel knows no living process of that pid."""
    wire.wait_until(lambda: not procfs.alive(pid), what="process %d to be gone" % pid)
