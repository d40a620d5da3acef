# SPDX-License-Identifier: Apache-2.0
"""Stops that come at odd moments: before the start is known, and while the process is held."""

import signal

import pytest
import wire
from subscriptions import names, subscribe, told
from support import get, kill, spawn, wait_one


@pytest.mark.parametrize("turn", range(20))
def test_a_program_that_stops_itself_at_once_is_seen_stopped(client, turn):
    record = spawn(client, ["sh", "-c", "kill -STOP $$; exit 5"])
    wire.wait_until(lambda: get(client, record["id"])["state"] == "stopped", what="the stop to be seen")
    kill(client, record["id"], signal="CONT")
    assert wait_one(client, record["id"])["exit"] == {"code": 5}


def test_going_on_and_stopping_again_are_both_told(client, connect):
    """However close they are: of a stop that follows at once the kernel tells the stop alone."""
    record = spawn(client, ["sleep", "1000"])
    listener = connect()
    subscribe(listener, record["id"], events=["stopped", "continued", "exited"])
    kill(client, record["id"], signal="STOP", scope="process")
    assert names(told(listener, "stopped")) == ["stopped"]
    for turn in range(20):
        for number in ("CONT", "STOP"):
            client.start("kill", {"processes": [record["id"]], "signal": number, "scope": "process"})
        assert names(told(listener, "stopped")) == ["continued", "stopped"], turn
    kill(client, record["id"], signal="KILL")
    assert names(told(listener, "exited")) in (["exited"], ["continued", "exited"])


def test_a_held_process_that_is_stopped_starts_stopped(client):
    record = spawn(client, ["sh", "-c", "exit 6"], hold=True)
    kill(client, record["id"], signal=int(signal.SIGSTOP), scope="process")
    wire.wait_until(lambda: open("/proc/%d/stat" % record["pid"]).read().split(") ")[1][0] == "T", what="the stop")
    assert get(client, record["id"])["state"] == "held"
    kill(client, record["id"], signal="CONT", scope="process")
    client.request("exec-replace", {"process": record["id"]})
    assert wait_one(client, record["id"])["exit"] == {"code": 6}


def test_what_captures_nothing_is_drained_at_its_exit(client):
    record = spawn(client, ["sh", "-c", "sleep 0.05"], stdout="null", stderr="null")
    done = wait_one(client, record["id"])
    assert done["drained_at"] == done["exited_at"] and done["exited_at"] is not None
