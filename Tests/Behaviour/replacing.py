# SPDX-License-Identifier: Apache-2.0
"""exec-replace of a running process: ask for it, and see that it failed without a trace."""

from support import drained, get, read_all, unfold
from support import failure as failing


def replace(client, process, *argv, descriptors=(), **params):
    """exec-replace by another program; returns the record."""
    if argv:
        params["argv"] = list(argv)
    return client.request("exec-replace", dict(params, process=process), descriptors)


def refused(client, process, kind, reason, *argv, **params):
    """exec-replace that must not be tried: the error's kind and reason; the process is as it was."""
    before = get(client, process)
    error = failing(replace, client, process, *(argv or ["true"]), **params)
    assert (error.data["kind"], error.data["reason"]) == (kind, reason), error
    assert error.data["process"] == before["id"] and error.message, error
    same_program(before, get(client, process))
    return error


def unfit(client, process, errno_name, *argv, stage="exec", path=None, **params):
    """exec-replace that must fail with exec_failed; the process is as it was."""
    before = get(client, process)
    error = failing(replace, client, process, *argv, **params)
    assert error.code == 4 and error.data["kind"] == "exec_failed", error
    assert (error.data["stage"], error.data["errno_name"]) == (stage, errno_name), error
    assert error.data["process"] == before["id"] and "reason" not in error.data, error
    assert error.data.get("path") == (argv[0] if path is None and stage == "exec" else path), error
    same_program(before, get(client, process))
    return error


def same_program(before, after):
    """Both records speak of the same program in the same process."""
    for member in ("id", "pid", "argv", "cwd", "generation", "replaced_at", "started_at", "session", "exit"):
        assert before[member] == after[member], (member, before[member], after[member])


def probed(client, record, stream="stdout"):
    """What the probe saw that has replaced a program of this record, once it has ended."""
    assert drained(client, record["id"])["exit"] == {"code": 0}
    text = read_all(client, record["id"], stream)
    return unfold(text[text.index(b'{"pid"') :])
