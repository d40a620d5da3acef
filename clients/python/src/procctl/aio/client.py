# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: one method for each of the server's. All durations are seconds."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Callable, Coroutine, Dict, Optional, Sequence, Tuple, TypeVar, Union

from .. import _requests, _starts
from .._connect import check_instance, not_again
from .._endpoint import Endpoint
from .._steps import Request, Steps, run_async, shaped
from .._values import BytesLike
from ..errors import ConnectionLost, ProcctlError
from ..record import Record
from ._connect import open_transport
from ._transport import Transport
from .process import Process
from .subscription import Subscription

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")
Answer = Coroutine[Any, Any, T]


def _method(build: "Callable[P, Steps[T]]") -> "Callable[Concatenate[Client, P], Answer[T]]":
    """A method that sends what ``build`` asks, and returns what it makes of the answer."""

    async def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(build(*args, **kwargs))

    return shaped(method, build)


def _handle(build: "Callable[P, Steps[Record]]") -> "Callable[Concatenate[Client, P], Answer[Process]]":
    """One that returns a handle."""

    async def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Process:
        return Process(self, await self._run(build(*args, **kwargs)))

    return shaped(method, build)


def _apart(build: "Callable[P, Steps[socket.socket]]") -> "Callable[Concatenate[Client, P], Answer[socket.socket]]":
    """One that uses up a connection."""

    async def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> socket.socket:
        transport, _ = await self._open()
        try:
            connection = await run_async(build(*args, **kwargs), transport.perform)
        finally:
            transport.close()
        connection.setblocking(False)
        return connection

    return shaped(method, build)


def _subscription(
    build: "Callable[P, Dict[str, Any]]",
) -> "Callable[Concatenate[Client, P], Answer[Subscription]]":
    """One that subscribes."""

    async def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Subscription:
        return await Subscription.begin(self, build(*args, **kwargs))

    return shaped(method, build)


class Client(Endpoint):
    """A connection to the server, for the tasks of one loop; see ``connect``. After a fork the child, which has a loop
    of its own, gets a connection of its own at its first request.

    A context manager with ``async``: leaving it closes the connection, which ends processes of lifetime "connection"
    and no others.
    """

    _transport: Transport

    def __init__(self, path: Optional[BytesLike] = None, autostart: bool = True, timeout: float = 5.0) -> None:
        super().__init__(path, autostart, timeout)

    # What each does stands where its params are built.

    spawn = _handle(_starts.spawn)
    exec_replace = _method(_starts.exec_replace)
    exec_replace_connection = _apart(_starts.exec_replace_connection)
    wait = _method(_requests.wait)
    kill = _method(_requests.kill)
    release = _method(_requests.release)
    list = _method(_requests.list)
    get = _method(_requests.get)
    process = _handle(_requests.process)
    read = _method(_requests.read)
    write = _method(_requests.write)
    resize = _method(_requests.resize)
    subscribe = _subscription(_requests.subscribe)
    update = _method(_requests.update)
    ping = _method(_requests.ping)
    info = _method(_requests.info)
    shutdown = _method(_requests.shutdown)
    discover = _method(_requests.discover)

    async def unsubscribe(self, subscription: Union[int, Subscription]) -> None:
        """End a subscription; what it had been told by then can still be taken. (A number is that of one made by
        ``call`` on this very connection.)
        """
        if isinstance(subscription, Subscription):
            await subscription.unsubscribe()
        else:
            await self.call("unsubscribe", {"subscription": subscription})

    async def call(
        self, method: str, params: Optional[Any] = None, *, fds: Sequence[int] = (), timeout: Optional[float] = None
    ) -> Any:
        """Any method with its params as they are on the wire; ``fds`` are the descriptors they name by index.

        After ``timeout`` seconds the request is cancelled and TimedOut raised; cancelling the task cancels it too.
        """
        return await (await self._live()).request(method, params, fds, timeout)

    async def reconnect(self) -> None:
        """After ConnectionLost: connect again, if the same server is still there. Raises ConnectionLost if not.

        Processes of lifetime "connection" have ended with the connection; all others, their output included, are as
        they were.
        """
        lost = self._transport
        if lost.pid != os.getpid() or lost.lost is None:
            return
        transport = await self._again(lost.lost, self.instance)
        if self._transport is lost:
            self._transport = transport
        else:
            transport.close()  # Another task was faster.

    async def close(self) -> None:
        """Close the connection. Requests that other tasks wait for end with ConnectionLost."""
        self._closed = True
        if self._transport.pid == os.getpid():
            self._transport.close()

    async def _run(self, steps: Steps[T]) -> T:
        return await run_async(steps, self._perform)

    async def _perform(self, request: Request) -> Any:
        try:
            return await self.call(request.method, request.params, fds=request.descriptors, timeout=request.timeout)
        except ConnectionLost:
            if not request.repeatable:
                raise
        await self.reconnect()
        return await self.call(request.method, request.params, fds=request.descriptors, timeout=request.timeout)

    async def _live(self) -> Transport:
        self._check_open()
        parents = self._transport
        if parents.pid != os.getpid():
            transport, instance = await self._open()
            if self._transport is parents:
                self._transport, self.instance = transport, instance
            else:
                transport.close()  # Another task was faster.
        return self._transport

    async def _open(self, listen: bool = False) -> Tuple[Transport, str]:
        """A connection besides this one."""
        self._check_open()
        return await open_transport(self._path, self._autostart, self._timeout, listen)

    async def _again(self, lost: Optional[str], instance: str, listen: bool = False) -> Transport:
        """A connection in place of a lost one, to the same server. None is started for it."""
        self._check_open()
        try:
            transport, found = await open_transport(self._path, False, self._timeout, listen)
        except (ProcctlError, OSError) as error:
            raise not_again(lost, error) from error
        if found != instance:
            transport.close()
        check_instance(lost, instance, found)
        return transport

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


async def connect(path: Optional[BytesLike] = None, autostart: bool = True, timeout: float = 5.0) -> Client:
    """Connect to the server, as of ``procctl.connect``. The loop is not held up while a server is started."""
    client = Client(path, autostart, timeout)
    client._transport, client.instance = await client._open()
    return client
