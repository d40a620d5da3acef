# SPDX-License-Identifier: Apache-2.0
"""The connections a loop watches for the ends of programs: one reader for each, however many programs share it."""

from __future__ import annotations

import asyncio
import os
from typing import Dict
from weakref import WeakKeyDictionary, ref

from .._transport import Transport


class Watch:
    """A loop's reader of a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Transport) -> None:
        self.programs = 0
        """How many count on it."""
        # Weak: what is kept by loop must not keep the loop.
        self._loop = ref(loop)
        self._transport = transport
        # A copy: whoever sees the connection end closes the socket itself, and its number may mean another file then.
        self._descriptor = os.dup(transport.fileno())
        loop.add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        self._transport.catch_up()
        if self._transport.lost is not None:
            # All who count on it have been told.
            self.close()

    def close(self) -> None:
        """Watch no more."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            loop = self._loop()
            if loop is not None and not loop.is_closed():
                loop.remove_reader(descriptor)
            os.close(descriptor)

    def __del__(self) -> None:
        """The loop was dropped with programs alive."""
        self.close()


_watches: "WeakKeyDictionary[asyncio.AbstractEventLoop, Dict[Transport, Watch]]" = WeakKeyDictionary()


def begin(loop: asyncio.AbstractEventLoop, transport: Transport) -> None:
    """Watch a connection for one program more."""
    watches = _watches.setdefault(loop, {})
    watch = watches.get(transport)
    if watch is None:
        watch = watches[transport] = Watch(loop, transport)
    watch.programs += 1


def end(loop: asyncio.AbstractEventLoop, transport: Transport) -> None:
    """For one less."""
    watches = _watches.get(loop, {})
    watch = watches.get(transport)
    if watch is not None:
        watch.programs -= 1
        if not watch.programs:
            del watches[transport]
            watch.close()
