# SPDX-License-Identifier: Apache-2.0
"""What happens to processes, as it happens, for ``async for``."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Awaitable, Callable, Mapping, Optional, Tuple

from ..errors import ConnectionLost, NoSuchProcess, ProcctlError, TimedOut
from ..events import Event
from ..subscription import Tracker
from ._transport import Transport

Opener = Callable[[bool], Awaitable[Tuple[Transport, str]]]
"""Opens a connection; whether a server may be started for it."""


class Subscription(Tracker, AsyncIterator[Event]):
    """As ``procctl.Subscription``: an iterator, and a context manager, with ``async``."""

    _opener: Opener
    _reading: asyncio.Lock
    _transport: Transport
    instance: str

    @classmethod
    async def begin(cls, opener: Opener, params: Mapping[str, Any]) -> "Subscription":
        """Subscribe on a connection of its own."""
        self = cls(params)
        self._opener = opener
        self._reading = asyncio.Lock()
        self._transport, self.instance = await opener(True)
        try:
            if self._needs_ends():
                self._note_ends(await self._transport.request("list", {"processes": params["processes"]}))
            self._begin(await self._transport.request("subscribe", self._params, listen=True))
        except BaseException:
            self._transport.close()
            raise
        return self

    async def next(self, timeout: Optional[float] = None) -> Event:
        """The next event. Raises TimedOut, StopAsyncIteration, SubscriptionEnded, ConnectionLost."""
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

    async def unsubscribe(self) -> None:
        """End it at the server. What had been told by then can still be taken, then the iteration is over."""
        if not self._over and not self._closed:
            await self._transport.request("unsubscribe", {"subscription": self.id})
            self._over = True
        self._transport.close()

    async def close(self) -> None:
        """End it at once."""
        self._closed = True
        self._transport.close()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    async def _next(self) -> Optional[Event]:
        async with self._reading:
            while not self._closed and (self._live or self._open):
                try:
                    message = await self._transport.receive()
                except ConnectionLost:
                    if self._closed or self._over:
                        return None
                    await self._resume()
                    continue
                event = self._take(message)
                if event is not None:
                    return event
        return None

    async def _resume(self) -> None:
        lost = self._transport.lost or "the connection to the server was lost"
        try:
            transport, instance = await self._opener(False)
        except (ProcctlError, OSError) as error:
            raise ConnectionLost(f"{lost}; {error}") from error
        try:
            if instance != self.instance:
                raise ConnectionLost(f"{lost}; another server has taken its place")
            for process in sorted(self._open):
                try:
                    answer = await transport.request("subscribe", self._params_of(process), listen=True)
                    self.id = answer["subscription"]
                except NoSuchProcess:
                    if not self._live:
                        raise
                    self._forget(process)
            if self._live:
                self.id = (await transport.request("subscribe", self._params_of_others(), listen=True))["subscription"]
        except BaseException:
            transport.close()
            raise
        self._transport = transport
        if self._closed:
            transport.close()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        return await self.next()

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
