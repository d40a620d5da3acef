# SPDX-License-Identifier: Apache-2.0
"""What a program would inherit from this process if it were its child, read without changing anything."""

from __future__ import annotations

import os
import signal
import warnings
from typing import Any, Dict, FrozenSet

from ._values import environment_to_wire


def _status(key: str) -> str:
    """A line of /proc/self/status (proc(5)). Raises OSError when there is no /proc, LookupError when the kernel has no
    such line.
    """
    with open("/proc/self/status", encoding="utf-8", errors="replace") as status:
        for line in status:
            if line.startswith(key + ":"):
                return line[len(key) + 1 :].strip()
    raise LookupError(key)


def umask() -> int:
    """This process's umask. Setting it to find it out would let other threads make files open to all for a moment;
    /proc tells it.
    """
    try:
        return int(_status("Umask"), 8)
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
        mask = int(_status("SigIgn"), 16)
    except (OSError, LookupError):
        return frozenset(int(number) for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN)
    # Not 32 and 33, which the C library keeps for its threads.
    return frozenset(int(number) for number in signal.valid_signals() if mask >> (int(number) - 1) & 1)


def environment() -> Dict[str, Any]:
    """This process's environment as it goes over the wire. A variable that cannot be sent is left out with a
    warning.
    """
    try:
        return environment_to_wire(os.environb)
    except ValueError:
        pass
    wire: Dict[str, Any] = {}
    for key, value in os.environb.items():
        try:
            wire.update(environment_to_wire({key: value}))
        except ValueError as error:
            warnings.warn(f"left out of the program's environment: {error}", RuntimeWarning, stacklevel=3)
    return wire
