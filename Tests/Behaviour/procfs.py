# SPDX-License-Identifier: Apache-2.0
"""What the kernel says about processes (proc(5)), for the audits: the server's own word is not proof."""

import os


def stat(pid):
    """{state, ppid, pgid, session} of a process, None when there is none."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return {"state": fields[0].decode(), "ppid": int(fields[1]), "pgid": int(fields[2]), "session": int(fields[3])}


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def alive(pid):
    """Whether the process exists and is no zombie."""
    found = stat(pid)
    return found is not None and found["state"] not in "ZX"


def children(pid):
    """Pids of the children of a process, zombies included."""
    found = []
    for candidate in pids():
        entry = stat(candidate)
        if entry and entry["ppid"] == pid:
            found.append(candidate)
    return found


def descriptors(pid):
    """{number: target} of the open descriptors of a process."""
    found = {}
    directory = "/proc/%d/fd" % pid
    for name in os.listdir(directory):
        try:
            found[int(name)] = os.readlink(os.path.join(directory, name))
        except FileNotFoundError:
            pass
    return found


def status(pid, field):
    """One line of /proc/PID/status."""
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            name, _, value = line.partition(":")
            if name == field:
                return value.strip()
    raise KeyError(field)


def left_alone(pid):
    """Whether a process sleeps and nobody traces it, or has ended. One that the kernel kills because its tracer ended
    (PTRACE_O_EXITKILL) is awake until it is gone, and has no tracer any more."""
    try:
        return not alive(pid) or (status(pid, "TracerPid") == "0" and status(pid, "State").startswith("S"))
    except (FileNotFoundError, ProcessLookupError):
        return True


def threads(pid):
    return int(status(pid, "Threads"))


def marked(mark):
    """Pids of living processes with `mark` in their environment: what a test server started, wherever it went."""
    found = []
    for pid in pids():
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                if mark.encode() in file.read() and alive(pid):
                    found.append(pid)
        except OSError:
            pass
    return found
