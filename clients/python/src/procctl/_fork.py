# SPDX-License-Identifier: Apache-2.0
"""What has to be put right in a forked child: there is only the thread that forked, and the parent's connections are
the parent's.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that does not survive a fork as it is."""

    def _after_fork(self) -> None:
        """Called in the child, before anything else runs there."""
        ...


_all: "weakref.WeakSet[Forked]" = weakref.WeakSet()


def watch(thing: Forked) -> None:
    """Have ``_after_fork`` called in every child as long as there is this thing."""
    _all.add(thing)


def _after_fork_in_child() -> None:
    for thing in [*_all]:
        thing._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
