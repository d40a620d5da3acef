# SPDX-License-Identifier: Apache-2.0
"""What the server is made of: no Foundation, no Dispatch, one thread, silence at rest."""

import re
import subprocess
import time

import procfs
import serverproc
import wire
from support import kill, ready


def needed():
    """Names of the libraries the binary asks for itself (elf(5), DT_NEEDED)."""
    output = subprocess.run(["readelf", "-d", serverproc.binary()], check=True, capture_output=True, text=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output)


def test_neither_foundation_nor_dispatch():
    libraries = needed()
    with open(serverproc.binary(), "rb") as file:
        # A static program asks for no library at all: what is in it counts.
        assert b"FoundationEssentials" not in file.read()
    assert not [name for name in libraries if re.search("foundation|dispatch|icu", name, re.IGNORECASE)], libraries


def mapped(pid):
    with open("/proc/%d/maps" % pid) as file:
        return {line.split()[-1] for line in file if "/" in line}


def test_foundation_is_not_even_mapped(server):
    assert not [name for name in mapped(server.pid) if "Foundation" in name or "icu" in name]


def test_one_thread_at_rest(server, client, zoo):
    assert procfs.threads(server.pid) == 1
    record = ready(client, [zoo("waits")])
    held = client.request("spawn", {"argv": ["true"], "hold": True})
    wire.wait_until(lambda: procfs.threads(server.pid) == 1, what="a spawner thread, if any, to end")
    kill(client, [record["id"], held["id"]], signal="KILL", wait=True)


def switches(pid):
    return int(procfs.status(pid, "voluntary_ctxt_switches"))


def quiet_for(pid, seconds):
    """Whether the server slept through a window: each wake-up ends in another voluntary switch."""
    before, end = switches(pid), time.monotonic() + seconds
    wire.wait_until(lambda: time.monotonic() > end or switches(pid) != before)
    return switches(pid) == before


def test_no_wake_ups_at_rest(fresh, zoo):
    server = fresh()
    wire.wait_until(lambda: quiet_for(server.pid, 2), what="two seconds without a wake-up")
    with server.connect() as client:
        record = ready(client, [zoo("waits")], timeout_ms=3600000, lifetime={"lease_ms": 3600000})
        client.start("wait", {"processes": record["id"]})
        client.request("ping")
        wire.wait_until(
            lambda: quiet_for(server.pid, 2), what="quiet with a connection, a process, timers and a waiter"
        )


def test_memory_does_not_grow_with_what_has_gone(fresh, zoo):
    """Hundreds of processes and megabytes of output later the server is not megabytes larger."""
    server = fresh()

    def work():
        with server.connect() as client:
            for _ in range(100):
                answers = client.batch([("spawn", {"argv": [zoo("floods"), "100000"]})] * 5)
                ids = [answer["result"]["id"] for answer in answers]
                client.request("wait", {"processes": ids, "until": "drained"})
                client.request("release", {"processes": ids})

    def resident():
        return int(procfs.status(server.pid, "VmRSS").split()[0])

    work()
    before = resident()
    work()
    work()
    assert resident() - before < 4096, "KiB"


def test_descriptors_are_close_on_exec(server, client, zoo):
    """Every descriptor of the server: a program it never meant to have it cannot get it."""
    ready(client, [zoo("waits")])
    for number in procfs.descriptors(server.pid):
        if number > 2:
            with open("/proc/%d/fdinfo/%d" % (server.pid, number)) as file:
                flags = int(dict(line.split(":", 1) for line in file)["flags"], 8)
            assert flags & 0o2000000, (number, procfs.descriptors(server.pid)[number])
