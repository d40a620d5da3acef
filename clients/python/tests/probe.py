# SPDX-License-Identifier: Apache-2.0
"""A program that says what it was started with, as one JSON object on standard output (or in the file named first)."""

import base64
import json
import os
import sys


def _status(key):
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(line.split()[1] for line in status if line.startswith(key + ":"))


def _descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name)
        except FileNotFoundError:
            pass  # The one the directory was read through.
    return found


def _signals(key):
    mask = int(_status(key), 16)
    # Without 32 and 33, which are the C library's own: posix_spawn(3) of glibc leaves them ignored in whatever it
    # starts.
    return [number for number in range(1, 65) if mask >> (number - 1) & 1 and number not in (32, 33)]


with open("/proc/self/cmdline", "rb") as cmdline:
    argv = cmdline.read().split(b"\0")[:-1]
with open("/proc/self/environ", "rb") as environ:
    environment = environ.read().split(b"\0")[:-1]

report = {
    "descriptors": _descriptors(),
    "argv": [base64.b64encode(argument).decode() for argument in argv],
    "environment": [base64.b64encode(variable).decode() for variable in environment],
    "cwd": base64.b64encode(os.getcwdb()).decode(),
    "umask": int(_status("Umask"), 8),
    "blocked": _signals("SigBlk"),
    "ignored": _signals("SigIgn"),
    "pid": os.getpid(),
    "pgid": os.getpgrp(),
    "sid": os.getsid(0),
    "uid": os.getuid(),
    "gid": os.getgid(),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "no_new_privileges": _status("NoNewPrivs") == "1",
}
out = open(sys.argv[1], "w", encoding="ascii") if len(sys.argv) > 1 and sys.argv[1] else sys.stdout
json.dump(report, out)
out.flush()
