# SPDX-License-Identifier: Apache-2.0
"""A request on its way, as the threads that wait for its answer see it."""

from __future__ import annotations

import threading
from typing import Any, Callable, List, Mapping, Optional


class Pending:
    """A request that has not been answered yet. Any number of threads may wait for it."""

    def __init__(self, number: int, size: int, wake: threading.Condition) -> None:
        self.number = number
        self.size = size
        self.wake = wake
        self.taken: List[int] = []
        """The bytes of it that the kernel has taken."""
        self.done = False
        self.reply: Mapping[str, Any] = {}
        self._told: Optional[Callable[[], object]] = None

    def finish(self, reply: Mapping[str, Any]) -> None:
        """The answer is there, or never will be (empty)."""
        self.reply, self.done = reply, True
        self.wake.notify_all()
        if self._told is not None:
            self._told()

    def tell(self, told: Callable[[], object]) -> None:
        """Have it called when it is finished, in whichever thread, or now."""
        with self.wake:
            self._told = told
            if self.done:
                told()
