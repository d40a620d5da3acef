# SPDX-License-Identifier: Apache-2.0
"""What happens to processes, as it happens, for ``async for``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, AsyncIterator, Mapping, Optional

from .. import _fork
from .._steps import run_async
from .._tracker import Tracker
from ..errors import ConnectionLost, ProcctlError, SubscriptionEnded, TimedOut
from ..events import Event
from ._transport import Transport

if TYPE_CHECKING:
    from .client import Client


class Subscription(Tracker, AsyncIterator[Event]):
    """As ``procctl.Subscription``: an iterator, and a context manager, with ``async``."""

    _client: Client
    _transport: Transport
    _reading: Optional[asyncio.Lock] = None
    instance: str

    @classmethod
    async def begin(cls, client: Client, params: Mapping[str, Any]) -> "Subscription":
        """Subscribe on a connection of its own."""
        self = cls(params)
        self._client = client
        self._transport, self.instance = await client._open(listen=True)
        try:
            await run_async(self._beginning(), self._transport.perform)
        except BaseException:
            self._transport.close()
            raise
        _fork.watch(self)
        return self

    async def next(self, timeout: Optional[float] = None) -> Event:
        """The next event. Raises TimedOut when none comes within ``timeout`` seconds, StopAsyncIteration at the end,
        SubscriptionEnded when the server has ended it, ConnectionLost when the server is gone.
        """
        if timeout is None:
            event = await self._next()
        else:
            try:
                event = await asyncio.wait_for(self._next(), timeout)
            except asyncio.TimeoutError as error:
                if isinstance(error, ProcctlError):
                    raise
                raise TimedOut("timed out while waiting for an event") from None
        if event is None:
            self._transport.close()
            raise StopAsyncIteration
        return event

    async def resume(self) -> None:
        """Subscribe again, after SubscriptionEnded, at the offsets that were reached. Of a program in block mode
        nothing is lost, as it waits when its ring is full; of another, what is gone by now is told as a Gap.
        """
        async with self._lock():
            self._transport.close()
            await self._resume()

    async def unsubscribe(self) -> None:
        """End it at the server. What had been told by then can still be taken, then the iteration is over."""
        if not self._over and not self._closed:
            await self._transport.request("unsubscribe", {"subscription": self.id})
            self._over = True
        self._transport.close()

    async def close(self) -> None:
        """End it at once; a task that waits for an event meets the end of the iteration."""
        self._closed = True
        self._transport.close()

    async def _next(self) -> Optional[Event]:
        async with self._lock():
            while not self._is_done():
                try:
                    event = self._take(await self._transport.receive())
                except ConnectionLost:
                    if self._closed or self._over:
                        break
                    await self._resume()
                    continue
                except SubscriptionEnded:
                    self._transport.close()
                    raise
                if event is not None:
                    return event
        return None

    async def _resume(self) -> None:
        """On another connection to the same server, subscribe again from where we are. Raises ConnectionLost if that is
        not to be had.
        """
        transport = await self._client._again(self._transport.lost, self.instance, listen=True)
        try:
            await run_async(self._resuming(), transport.perform)
        except BaseException:
            transport.close()
            raise
        self._transport = transport
        if self._closed:
            transport.close()

    def _lock(self) -> asyncio.Lock:
        # Made where it is needed: up to Python 3.9 a lock belongs to the loop it was made in.
        if self._reading is None:
            self._reading = asyncio.Lock()
        return self._reading

    def _after_fork(self) -> None:
        """A task that waited for an event is not in the child, nor is its loop."""
        self._reading = None

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        return await self.next()

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
