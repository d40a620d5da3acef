# SPDX-License-Identifier: Apache-2.0
"""One connection to the server, shared by any number of tasks of one loop."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections import deque
from typing import Any, Deque, Dict, Mapping, Optional, Sequence, Set

from .. import _fork
from .._framing import LineBuffer, addressee, encode, result_of
from .._socket import RECEIVED_AT_ONCE, send_part
from .._steps import Request
from ..errors import ConnectionLost, ProcctlError, TimedOut


class _Pending:
    """A request that has not been answered yet."""

    def __init__(self, size: int, reply: "asyncio.Future[Mapping[str, Any]]") -> None:
        self.size = size
        self.reply = reply


class Transport:
    """A connected socket with requests in flight. ``listen``: notifications are kept for ``receive``."""

    def __init__(self, connection: socket.socket, listen: bool = False) -> None:
        connection.setblocking(False)
        self.pid = os.getpid()
        self.lost: Optional[str] = None
        """Why the connection is no longer usable, if it is not."""
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._ids = itertools.count(1)
        self._sending = asyncio.Lock()
        self._writable: Optional[asyncio.Future[None]] = None
        self._lines = LineBuffer()
        self._pending: Dict[int, _Pending] = {}
        # Notifications in the order they came, and who waits for one.
        self._notes: Optional[Deque[Mapping[str, Any]]] = deque() if listen else None
        self._noted: Optional[asyncio.Future[None]] = None
        self._cancelling: Set[asyncio.Task[None]] = set()
        self._reads = False
        self._read_on()
        _fork.watch(self)

    async def request(
        self,
        method: str,
        params: Optional[Any] = None,
        descriptors: Sequence[int] = (),
        timeout: Optional[float] = None,
    ) -> Any:
        """Send a request, wait for its answer, return the result or raise the error.

        After ``timeout`` seconds, and when the task is cancelled, the request is cancelled at the server.
        """
        exchange = self._exchange(method, params, descriptors)
        if timeout is None:
            return result_of(await exchange)
        try:
            reply = await asyncio.wait_for(exchange, timeout)
        except asyncio.TimeoutError as error:
            if isinstance(error, ProcctlError):
                raise
            raise TimedOut("timed out while waiting for the answer") from None
        return result_of(reply)

    async def perform(self, request: Request) -> Any:
        """The same for a step."""
        return await self.request(request.method, request.params, request.descriptors, request.timeout)

    async def receive(self) -> Mapping[str, Any]:
        """The next notification, one caller at a time. Nothing is read ahead: what is not taken stays with the server.

        Raises ConnectionLost behind the last one.
        """
        while not self._notes:
            self._check()
            self._read_on()
            self._noted = self._loop.create_future()
            await self._noted
        return self._notes.popleft()

    def close(self) -> None:
        """End the connection. Requests of other tasks end with ConnectionLost."""
        self._lose("the connection was closed by this client")

    def _after_fork(self) -> None:
        """Close the child's copy, so that the parent's connection ends when the parent ends it. The parent's loop is
        left alone: its epoll instance is one for both.
        """
        self.lost = "the connection belongs to the parent process"
        self._socket.close()

    async def _exchange(self, method: str, params: Optional[Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        self._check()
        number = next(self._ids)
        line = encode(method, params, number)
        pending = self._pending[number] = _Pending(len(line), self._loop.create_future())
        self._read_on()
        sent = False
        try:
            async with self._sending:
                await self._send(line, descriptors)
            sent = True
            reply = await pending.reply
        except BaseException:
            if self._pending.pop(number, None) is not None and sent and self.lost is None:
                task = self._loop.create_task(self._cancel(number))
                self._cancelling.add(task)
                task.add_done_callback(self._cancelling.discard)
            raise
        if not reply:
            self._check()
        return reply

    # Sending

    async def _send(self, line: bytes, descriptors: Sequence[int]) -> None:
        sent = 0
        try:
            while sent < len(line):
                self._check()
                try:
                    sent = send_part(self._socket, line, sent, descriptors)
                except BlockingIOError:
                    await self._until_writable()
        except (BrokenPipeError, ConnectionResetError):
            return  # What the server said last is still there to be read: the reader meets the end, not the writer.
        except BaseException:
            if 0 < sent < len(line):
                self._lose("the connection was given up in the middle of a message")
            raise

    async def _until_writable(self) -> None:
        self._writable = self._loop.create_future()
        self._loop.add_writer(self._socket, wake, self._writable)
        try:
            await self._writable
        finally:
            self._writable = None
            if self.lost is None:
                self._loop.remove_writer(self._socket)

    async def _cancel(self, number: int) -> None:
        try:
            async with self._sending:
                await self._send(encode("$/cancelRequest", {"id": number}, None), ())
        except (ProcctlError, OSError):
            pass  # Best effort: the answer nobody waits for any more is dropped when it comes.

    # Reading

    def _read_on(self) -> None:
        if not self._reads and self.lost is None:
            self._reads = True
            self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        """Read once and hand out what came."""
        try:
            data = self._socket.recv(RECEIVED_AT_ONCE)
            if not data:
                self._lose("the connection to the server was lost: it ended")
            for message in self._lines.messages(data):
                self._dispatch(message)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"the connection to the server was lost: {error}")
        except ValueError as error:
            self._lose(f"the server sent what is not JSON-RPC: {error}")
        # Untaken notifications are not added to, unless an answer is waited for that comes behind them.
        if self._notes and not self._pending and self.lost is None:
            self._reads = False
            self._loop.remove_reader(self._socket)

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        if "method" in message:
            # Of no use to a connection that has not subscribed.
            if self._notes is not None:
                self._notes.append(message)
                wake(self._noted)
            return
        number = addressee(message, self._pending)
        if number is not None:
            reply = self._pending.pop(number).reply
            if not reply.done():
                reply.set_result(message)

    # Its life

    def _check(self) -> None:
        if self.lost is not None:
            raise ConnectionLost(self.lost)

    def _lose(self, why: str) -> None:
        if self.lost is not None:
            return
        self.lost = why
        if not self._loop.is_closed():
            self._loop.remove_writer(self._socket)
            self._loop.remove_reader(self._socket)
            for pending in self._pending.values():
                if not pending.reply.done():
                    pending.reply.set_result({})
            wake(self._writable)
            wake(self._noted)
        self._pending.clear()
        self._socket.close()


def wake(future: "Optional[asyncio.Future[None]]") -> None:
    """Have who awaits it, if anybody does, go on."""
    if future is not None and not future.done():
        future.set_result(None)
