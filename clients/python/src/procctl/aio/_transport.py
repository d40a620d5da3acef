# SPDX-License-Identifier: Apache-2.0
"""One connection to the server, shared by any number of tasks of one loop."""

from __future__ import annotations

import asyncio
import itertools
import socket
from array import array
from collections import deque
from typing import Any, Deque, Dict, Mapping, Optional, Sequence, Set

from .._framing import LineBuffer, decode, encode
from ..errors import ConnectionLost, ProcctlError, TimedOut, from_error

_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Transport:
    """A connected socket with requests in flight, and one task that reads it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.lost: Optional[str] = None
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._ids = itertools.count(1)
        self._sending = asyncio.Lock()
        self._lines = LineBuffer()
        self._pending: Dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._notes: Optional[Deque[Mapping[str, Any]]] = None
        self._noted = asyncio.Event()
        # Not set while notifications wait to be taken: what is not read stays with the server.
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._writable: Optional[asyncio.Future[None]] = None
        self._cancelling: Set[asyncio.Task[None]] = set()
        self._reader = self._loop.create_task(self._read())

    async def request(
        self,
        method: str,
        params: Optional[Any] = None,
        descriptors: Sequence[int] = (),
        timeout: Optional[float] = None,
        listen: bool = False,
    ) -> Any:
        """Send a request, wait for its answer, return the result or raise the error; given up, it is cancelled."""
        self._raise_if_lost()
        number = next(self._ids)
        line = encode(method, params, number)
        answer: asyncio.Future[Mapping[str, Any]] = self._loop.create_future()
        self._pending[number] = answer
        if listen and self._notes is None:
            self._notes = deque()
        self._wanted.set()
        sent = False
        try:
            async with self._sending:
                await self._send(line, descriptors)
            sent = True
            reply = await asyncio.wait_for(answer, timeout)
        except BaseException as error:
            if self._pending.pop(number, None) is not None and sent and self.lost is None:
                task = self._loop.create_task(self._cancel(number))
                self._cancelling.add(task)
                task.add_done_callback(self._cancelling.discard)
            if isinstance(error, asyncio.TimeoutError) and not isinstance(error, ProcctlError):
                raise TimedOut("timed out while waiting for the answer") from None
            raise
        if not reply:
            self._raise_if_lost()
        if "error" in reply:
            raise from_error(reply["error"])
        return reply.get("result")

    async def receive(self) -> Mapping[str, Any]:
        """The next notification. Raises ConnectionLost behind the last one."""
        while not self._notes:
            self._raise_if_lost()
            self._wanted.set()
            self._noted.clear()
            await self._noted.wait()
        return self._notes.popleft()

    def close(self) -> None:
        """End the connection. Requests of other tasks end with ConnectionLost."""
        self._lose("the connection was closed by this client")

    async def _send(self, line: bytes, descriptors: Sequence[int]) -> None:
        sent = 0
        try:
            while sent < len(line):
                self._raise_if_lost()
                try:
                    if sent == 0 and descriptors:
                        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))
                        sent = self._socket.sendmsg([line], [rights], _FLAGS)
                    else:
                        sent += self._socket.send(memoryview(line)[sent:], _FLAGS)
                except BlockingIOError:
                    self._writable = self._loop.create_future()
                    self._loop.add_writer(self._socket, self._wake, self._writable)
                    try:
                        await self._writable
                    finally:
                        if self.lost is None:
                            self._loop.remove_writer(self._socket)
                        self._writable = None
        except (BrokenPipeError, ConnectionResetError):
            return  # The reader meets the end, not the writer.
        except BaseException:
            if 0 < sent < len(line):
                self._lose("the connection was given up in the middle of a message")
            raise

    @staticmethod
    def _wake(future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)

    async def _cancel(self, number: int) -> None:
        try:
            async with self._sending:
                await self._send(encode("$/cancelRequest", {"id": number}, None), ())
        except (ProcctlError, OSError):
            pass  # Best effort: the answer nobody waits for any more is dropped when it comes.

    async def _read(self) -> None:
        try:
            while True:
                await self._wanted.wait()
                data = await self._loop.sock_recv(self._socket, 1 << 16)
                if not data:
                    return self._lose("the connection to the server was lost: it ended")
                for line in self._lines.feed(data):
                    for message in decode(line):
                        self._dispatch(message)
                if self._notes and not self._pending:
                    self._wanted.clear()
        except OSError as error:
            self._lose(f"the connection to the server was lost: {error}")
        except ValueError as error:
            self._lose(f"the server sent what is not JSON-RPC: {error}")

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        if "method" in message:
            if self._notes is not None:
                self._notes.append(message)
                self._noted.set()
            return
        number = message.get("id")
        if number is None and len(self._pending) == 1:
            number = next(iter(self._pending))
        answer = self._pending.pop(number, None) if isinstance(number, int) else None
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _raise_if_lost(self) -> None:
        if self.lost is not None:
            raise ConnectionLost(self.lost)

    def _lose(self, why: str) -> None:
        if self.lost is not None:
            return
        self.lost = why
        if not self._loop.is_closed():
            self._loop.remove_writer(self._socket)
            self._reader.cancel()
            self._loop.remove_reader(self._socket)
            for answer in self._pending.values():
                if not answer.done():
                    answer.set_result({})
            if self._writable is not None:
                self._wake(self._writable)
            self._noted.set()
        self._pending.clear()
        self._socket.close()
