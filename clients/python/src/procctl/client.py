# SPDX-License-Identifier: Apache-2.0
"""The client: one method for each of the server's. All durations are seconds."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence, Tuple, Type, TypeVar, Union

from . import _connect, _fork, _requests, _starts
from ._endpoint import Endpoint
from ._requests import Data as Data
from ._steps import Request, Steps, run, shaped
from ._transport import Transport
from ._values import BytesLike
from .errors import ConnectionLost, ProcctlError
from .process import Process
from .record import Record
from .subscription import Subscription

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")


def _method(build: "Callable[P, Steps[T]]") -> "Callable[Concatenate[Client, P], T]":
    """A method that sends what ``build`` asks, and returns what it makes of the answer."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(build(*args, **kwargs))

    return shaped(method, build)


def _handle(build: "Callable[P, Steps[Record]]") -> "Callable[Concatenate[Client, P], Process]":
    """One that returns a handle."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Process:
        return Process(self, self._run(build(*args, **kwargs)))

    return shaped(method, build)


def _apart(build: "Callable[P, Steps[T]]") -> "Callable[Concatenate[Client, P], T]":
    """One that uses up a connection."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        transport, _ = self._open()
        try:
            return run(build(*args, **kwargs), transport.perform)
        finally:
            transport.close()

    return shaped(method, build)


def _subscription(build: "Callable[P, Dict[str, Any]]") -> "Callable[Concatenate[Client, P], Subscription]":
    """One that subscribes."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Subscription:
        return Subscription(self, build(*args, **kwargs))

    return shaped(method, build)


class Client(Endpoint):
    """A connection to the server. Threads may share it; after a fork the child gets a connection of its own at its
    first request.

    A context manager: leaving it closes the connection, which ends processes of lifetime "connection" and no others.
    """

    def __init__(self, path: Optional[BytesLike] = None, autostart: bool = True, timeout: float = 5.0) -> None:
        super().__init__(path, autostart, timeout)
        self._reconnecting = threading.Lock()
        self._transport, self.instance = self._open()
        _fork.watch(self)

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

    def unsubscribe(self, subscription: Union[int, Subscription]) -> None:
        """End a subscription; what it had been told by then can still be taken. (A number is that of one made by
        ``call`` on this very connection.)
        """
        if isinstance(subscription, Subscription):
            subscription.unsubscribe()
        else:
            self.call("unsubscribe", {"subscription": subscription})

    def call(
        self, method: str, params: Optional[Any] = None, *, fds: Sequence[int] = (), timeout: Optional[float] = None
    ) -> Any:
        """Any method with its params as they are on the wire; ``fds`` are the descriptors they name by index.

        After ``timeout`` seconds the request is cancelled and TimedOut raised; other exceptions that come in meanwhile
        cancel it too.
        """
        transport = self._live()
        if not transport.busy():
            return transport.request(method, params, fds, timeout)
        # A signal handler, while its own thread waits in here: that connection is not to be had before the handler
        # returns.
        transport, _ = self._open()
        try:
            return transport.request(method, params, fds, timeout)
        finally:
            transport.close()

    def reconnect(self) -> None:
        """After ConnectionLost: connect again, if the same server is still there. Raises ConnectionLost if not.

        Processes of lifetime "connection" have ended with the connection; all others, their output included, are as
        they were.
        """
        with self._reconnecting:
            if self._transport.pid == os.getpid() and self._transport.lost is not None:
                self._transport = self._again(self._transport.lost, self.instance)

    def close(self) -> None:
        """Close the connection. Requests that other threads wait for end with ConnectionLost."""
        self._closed = True
        if self._transport.pid == os.getpid():
            self._transport.close()

    def _run(self, steps: Steps[T]) -> T:
        return run(steps, self._perform)

    def _perform(self, request: Request) -> Any:
        try:
            return self.call(request.method, request.params, fds=request.descriptors, timeout=request.timeout)
        except ConnectionLost:
            if not request.repeatable:
                raise
        self.reconnect()
        return self.call(request.method, request.params, fds=request.descriptors, timeout=request.timeout)

    def _live(self) -> Transport:
        self._check_open()
        if self._transport.pid != os.getpid():
            with self._reconnecting:
                if self._transport.pid != os.getpid():
                    self._transport, self.instance = self._open()
        return self._transport

    def _open(self, listen: bool = False) -> Tuple[Transport, str]:
        """A connection besides this one."""
        self._check_open()
        return _connect.open_transport(self._path, self._autostart, self._timeout, listen)

    def _again(self, lost: Optional[str], instance: str, listen: bool = False) -> Transport:
        """A connection in place of a lost one, to the same server. None is started for it."""
        self._check_open()
        try:
            transport, found = _connect.open_transport(self._path, False, self._timeout, listen)
        except (ProcctlError, OSError) as error:
            raise _connect.not_again(lost, error) from error
        if found != instance:
            transport.close()
        _connect.check_instance(lost, instance, found)
        return transport

    def _after_fork(self) -> None:
        """Another thread may have held it at the moment of the fork, and there is no such thread in the child."""
        self._reconnecting = threading.Lock()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def connect(path: Optional[BytesLike] = None, autostart: bool = True, timeout: float = 5.0) -> Client:
    """Connect to the server; start one when none listens, unless ``autostart`` is False or $PROCCTL_NO_AUTOSTART is 1.

    ``path`` is its socket; left out: $PROCCTL_SOCKET, $XDG_RUNTIME_DIR/procctl/socket, /run/procctl/socket for root,
    /tmp/procctl-UID/socket. ``timeout``: how long a server may take to start and answer. Raises ServerNotRunning;
    NotPermitted when the socket's directory or the server belongs to somebody who is neither this user nor root.
    """
    return Client(path, autostart, timeout)
