# SPDX-License-Identifier: Apache-2.0
"""Every exit arrives as itself: code or signal, core flag, what it used, and why it ended."""

import os
import resource
import signal

import pytest
import wire
from support import drained, kill, output_of, ready, spawn, wait, wait_one

STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
FATAL = [number for number in range(1, 65) if number not in STOPPING | HARMLESS]
RTMIN = 34  # glibc's
ALIASES = {
    16: {"SIGSTKFLT"},
    6: {"SIGABRT", "SIGIOT"},
    29: {"SIGIO", "SIGPOLL"},
    64: {"SIGRTMAX", "SIGRTMIN+30"},
    34: {"SIGRTMIN"},
}


def names_of(number):
    if number in ALIASES:
        return ALIASES[number]
    if number in (32, 33):
        return {"SIG%d" % number}
    return {"SIGRTMIN+%d" % (number - RTMIN)} if number > RTMIN else {signal.Signals(number).name}


def test_all_256_codes(client, zoo):
    answers = client.batch([("spawn", {"argv": [zoo("exits"), str(code)]}) for code in range(256)])
    records = wait(client, *[answer["result"]["id"] for answer in answers])
    assert [record["exit"] for record in records] == [{"code": code} for code in range(256)]
    assert {record["reason"] for record in records} == {"exited"}


def test_an_exit_in_no_time(client, zoo):
    """The program may be gone before its spawn is answered; the answer still comes first and the exit is not lost."""
    for code in range(100):
        record = spawn(client, [zoo("exits"), str(code)])
        assert wait_one(client, record["id"])["exit"] == {"code": code}


@pytest.mark.parametrize("number", FATAL)
def test_every_fatal_signal(client, zoo, number):
    record = drained(client, spawn(client, [zoo("dies_by"), str(number)], rlimits={"core": {"soft": 0}})["id"])
    assert record["exit"]["signal"] == number and record["exit"]["signal_name"] in names_of(number)
    assert set(record["exit"]) == {"signal", "signal_name", "core"}
    assert record["reason"] == "signalled", "a signal we did not send"


@pytest.mark.parametrize("number", sorted(HARMLESS))
def test_signals_that_do_not_kill(client, zoo, number):
    assert drained(client, spawn(client, [zoo("dies_by"), str(int(number))])["id"])["exit"] == {"code": 99}


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGTERM, signal.SIGKILL])
def test_the_core_flag_is_the_kernels(client, zoo, room, number):
    """Whether a core is written depends on the machine: the same program started from here is the measure."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        os.chdir(room)
        os.execv(zoo("dies_by"), ["dies_by", str(int(number))])
    status = os.waitpid(pid, 0)[1]
    limit = "unlimited" if hard == resource.RLIM_INFINITY else hard
    record = spawn(client, [zoo("dies_by"), str(int(number))], cwd=str(room), rlimits={"core": {"soft": limit}})
    assert drained(client, record["id"])["exit"]["core"] is os.WCOREDUMP(status)
    assert os.WTERMSIG(status) == number


def test_why(client, zoo):
    assert drained(client, spawn(client, ["true"])["id"])["reason"] == "exited"
    record = ready(client, [zoo("waits")])
    os.kill(record["pid"], signal.SIGTERM)
    assert drained(client, record["id"])["reason"] == "signalled"
    record = ready(client, [zoo("waits")])
    kill(client, record["id"])
    assert drained(client, record["id"])["reason"] == "killed"
    record = ready(client, [zoo("ignores_term")], timeout_ms=100, stop={"grace_ms": 100})
    done = drained(client, record["id"])
    assert done["reason"] == "deadline" and done["exit"]["signal"] == 9


def test_a_code_after_a_signal_is_still_a_code(client, zoo):
    record = ready(client, [zoo("handles_term"), "17"])
    kill(client, record["id"])
    assert drained(client, record["id"])["exit"] == {"code": 17}


def check_usage(usage):
    assert set(usage) == {"user_us", "system_us", "max_rss_kib", "faults", "switches", "blocks"}
    assert set(usage["faults"]) == {"minor", "major"} and set(usage["blocks"]) == {"input", "output"}
    assert set(usage["switches"]) == {"voluntary", "involuntary"}
    numbers = [usage[name] for name in ("user_us", "system_us", "max_rss_kib")]
    numbers += [number for name in ("faults", "switches", "blocks") for number in usage[name].values()]
    assert all(type(number) is int and number >= 0 for number in numbers), usage


def test_usage(client):
    record = spawn(client, ["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"])
    assert record["usage"] is None or record["state"] == "exited"
    usage = drained(client, record["id"])["usage"]
    check_usage(usage)
    assert usage["user_us"] > 0 and usage["max_rss_kib"] > 0 and usage["faults"]["minor"] > 0


def test_usage_counts_the_program_and_its_children(client):
    """getrusage(2) by wait4: waited-for descendants are in it."""
    record = spawn(client, ["sh", "-c", "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; exit 0"])
    assert drained(client, record["id"])["usage"]["user_us"] > 0


def test_instants(client):
    record = spawn(client, ["true"])
    done = drained(client, record["id"])
    assert done["started_at"] <= done["exited_at"] <= done["drained_at"]
    assert 10**12 < done["started_at"] < 10**14, "Unix milliseconds"


def test_state_and_pid_after_the_exit(client):
    record = spawn(client, ["true"])
    done = drained(client, record["id"])
    assert done["state"] == "exited" and done["pid"] == record["pid"] and done["id"] == record["id"]
    assert client.request("get", {"process": record["id"]}) == done


def test_an_exit_is_reported_once_it_happened_without_anybody_waiting(client, zoo):
    record = spawn(client, [zoo("exits"), "33"])
    found = wire.wait_until(lambda: [r for r in client.request("list", {"state": "exited"})["processes"]])
    assert [r["exit"] for r in found if r["id"] == record["id"]] == [{"code": 33}]


def test_many_exits_at_once(client, zoo):
    """SIGCHLD coalesces: one signal kills a crowd, each exit is known."""
    ids = [answer["result"]["id"] for answer in client.batch([("spawn", {"argv": [zoo("waits")]})] * 100)]
    kill(client, ids, signal="KILL")
    assert {record["exit"]["signal"] for record in wait(client, *ids)} == {9}


def test_an_orphan_is_not_mistaken_for_a_process_of_ours(client, zoo):
    """The leader leaves; what it left behind, ours to reap, changes no record."""
    record, output = output_of(client, [zoo("escapes"), "ld"])
    assert record["exit"] == {"code": 0}
    escaped = int(output)
    os.kill(escaped, signal.SIGKILL)
    wire.wait_until(lambda: not os.path.exists("/proc/%d" % escaped), what="the orphan to be reaped")
    assert client.request("get", {"process": record["id"]})["exit"] == {"code": 0}
