# SPDX-License-Identifier: Apache-2.0
"""What a program would inherit from this process if it were its child, read without changing anything."""

from __future__ import annotations

import os
import resource
import signal
from typing import Any, Dict, FrozenSet, List, Tuple

from ._values import environment_to_wire


def _status(*keys: str) -> List[str]:
    """Lines of /proc/self/status (proc(5)). Raises OSError when there is no /proc, LookupError when the kernel has no
    such line.
    """
    descriptor = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    try:
        # It fits: a name has at most 64 bytes, and what grows with the machine (Cpus_allowed) comes behind these.
        text = b"\n" + os.read(descriptor, 8192)
    finally:
        os.close(descriptor)
    found: List[str] = []
    for key in keys:
        _, there, rest = text.partition(f"\n{key}:".encode())
        if not there:
            raise LookupError(key)
        found.append(rest[: rest.index(b"\n")].strip().decode())
    return found


def _members(mask: int) -> FrozenSet[int]:
    """The signals of a mask. Not 32 and 33, which the C library keeps for its threads."""
    return frozenset(number for number in range(1, 65) if mask >> (number - 1) & 1 and number not in (32, 33))


def umask() -> int:
    """This process's umask. Setting it to find it out would let other threads make files open to all for a moment;
    /proc tells it.
    """
    try:
        return int(_status("Umask")[0], 8)
    except (
        OSError,
        LookupError,
    ):  # Before Linux 4.7, or no /proc: the classic way, with the strictest mask for the moment.
        mask = os.umask(0o777)
        os.umask(mask)
        return mask


def ignored_signals() -> FrozenSet[int]:
    """The signals this process ignores, SIGPIPE and SIGXFSZ among them as a rule: Python itself ignores those."""
    try:
        return _members(int(_status("SigIgn")[0], 16))
    except (OSError, LookupError):
        return frozenset(int(number) for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN)


def inherited() -> Tuple[int, FrozenSet[int]]:
    """The umask and the ignored signals, both by one look."""
    try:
        found = _status("Umask", "SigIgn")
    except (OSError, LookupError):
        return umask(), ignored_signals()
    return int(found[0], 8), _members(int(found[1], 16))


def own_limits() -> Dict[str, Tuple[int, int]]:
    """This process's resource limits, for the option ``rlimits``: a program has the server's otherwise."""
    names = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"]
    return {name[len("RLIMIT_") :].lower(): resource.getrlimit(getattr(resource, name)) for name in names}


def variables(leave_out: bytes = b"") -> Dict[bytes, bytes]:
    """This process's environment without one variable, and without entries that have no name ("=value"): they came from
    whoever called execve, and no getenv finds them.
    """
    return {name: value for name, value in os.environb.items() if name not in (b"", leave_out)}


def environment() -> Any:
    """This process's environment as it goes over the wire, to be read only: from one start to the next it is the same
    as a rule, and is not made anew then.
    """
    global _last
    # The mapping of bytes behind os.environ. A copy that is equal to it costs a fiftieth of what converting it does.
    data = getattr(os.environ, "_data", None)
    known, wire = _last
    if data is None or data != known:
        wire = environment_to_wire(variables())
        _last = (None if data is None else dict(data), wire)
    return wire


_last: Tuple[Any, Any] = (None, None)
