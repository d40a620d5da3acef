# SPDX-License-Identifier: Apache-2.0
"""What happens to processes, as it happens.

Each subscription has a connection of its own: a reader that is slow, or has stopped, holds up nothing but itself, and
what it has not taken yet waits at the server instead of in this process's memory.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Optional, Type

from . import _fork
from ._steps import run
from ._tracker import Tracker
from .errors import ConnectionLost, SubscriptionEnded
from .events import Event

if TYPE_CHECKING:
    from .client import Client


class Subscription(Tracker, Iterator[Event]):
    """An iterator over the events of processes. A context manager: leaving it ends the subscription.

    With ids, names or handles it ends by itself when the last of the processes has ended and all its output was told;
    with labels or "all" it ends when it is closed. Should the connection be lost while the server lives, it goes on at
    the offsets it had reached: no byte is told twice, and what is gone by then is told as a Gap; a state that changed
    and changed back meanwhile is missed.

    ``id`` is its number at the server, ``processes`` the ids it was about at its beginning.
    """

    def __init__(self, client: Client, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self._client = client
        self._reading = threading.Lock()
        self._transport, self.instance = client._open(listen=True)
        try:
            run(self._beginning(), self._transport.perform)
        except BaseException:
            self._transport.close()
            raise
        _fork.watch(self)

    def next(self, timeout: Optional[float] = None) -> Event:
        """The next event. Raises TimedOut when none comes within ``timeout`` seconds, StopIteration at the end,
        SubscriptionEnded when the server has ended it, ConnectionLost when the server is gone.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._reading:
            while not self._is_done():
                try:
                    event = self._take(self._transport.receive(deadline))
                except ConnectionLost:
                    if self._closed or self._over:
                        break
                    self._resume()
                    continue
                except SubscriptionEnded:
                    self._transport.close()
                    raise
                if event is not None:
                    return event
        self._transport.close()
        raise StopIteration

    def resume(self) -> None:
        """Subscribe again, after SubscriptionEnded, at the offsets that were reached. Of a program in block mode
        nothing is lost, as it waits when its ring is full; of another, what is gone by now is told as a Gap.
        """
        with self._reading:
            self._transport.close()
            self._resume()

    def unsubscribe(self) -> None:
        """End it at the server. What had been told by then can still be taken, then the iteration is over."""
        if not self._over and not self._closed:
            self._transport.request("unsubscribe", {"subscription": self.id})
            self._over = True
        self._transport.close()

    def close(self) -> None:
        """End it at once; a thread that waits for an event meets the end of the iteration."""
        self._closed = True
        self._transport.close()

    def _resume(self) -> None:
        """On another connection to the same server, subscribe again from where we are. Raises ConnectionLost if that is
        not to be had.
        """
        transport = self._client._again(self._transport.lost, self.instance, listen=True)
        try:
            run(self._resuming(), transport.perform)
        except BaseException:
            transport.close()
            raise
        self._transport = transport
        if self._closed:
            transport.close()

    def _after_fork(self) -> None:
        """A thread that waited for an event is not in the child."""
        self._reading = threading.Lock()

    def __iter__(self) -> "Subscription":
        return self

    def __next__(self) -> Event:
        return self.next()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
