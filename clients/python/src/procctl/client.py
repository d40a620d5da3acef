# SPDX-License-Identifier: Apache-2.0
"""The client: one method for each of the server's. All durations are seconds."""

from __future__ import annotations

import os
import socket
import threading
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Type, Union

from . import _connect, _takeover
from ._descriptors import Descriptors
from ._path import resolve
from ._selectors import Ref, Selector, process_to_wire, processes_to_wire
from ._spawn import add_environment, argv_to_wire, cwd_to_wire, file_to_wire, lifetime_to_wire, present, spawn_params
from ._transport import Transport
from ._values import BytesLike, SignalLike, data_to_wire, milliseconds, signal_to_wire
from .errors import ConnectionLost, ProcctlError
from .options import Argv, Env, Files, Lifetime, Signals, SpawnOptions, Stop
from .process import Process
from .record import Chunk, Info, KillResult, Record, WaitResult, WriteResult
from .subscription import Subscription, subscribe_params

if TYPE_CHECKING:
    from typing_extensions import Unpack

Data = Union[bytes, bytearray, memoryview]

SLACK = 10.0
"""Seconds an answer may come later than the time the server was given, before this client takes the server for hung."""


class Client:
    """A connection to the server. Threads may share it; after a fork the child gets a connection of its own at its
    first request.

    A context manager: leaving it closes the connection, which ends processes of lifetime "connection" and no others.
    """

    def __init__(self, path: Optional[BytesLike] = None, autostart: bool = True, timeout: float = 5.0) -> None:
        self._path = resolve(path)
        self._autostart = autostart
        self._timeout = timeout
        self._closed = False
        self._reconnecting = threading.Lock()
        self._transport, self.instance = self._open()
        _clients.add(self)

    @property
    def path(self) -> str:
        """The server's socket."""
        return os.fsdecode(self._path)

    # Starting

    def spawn(self, argv: Argv, **options: Unpack[SpawnOptions]) -> Process:
        """Start a program with this process's cwd, environment and umask, unless the options (SpawnOptions) say
        otherwise.

        Raises SpawnError, which is also the OSError that ``os.execvp`` would raise.
        """
        with Descriptors() as descriptors:
            params = spawn_params(descriptors, argv, options)
            return Process(self, Record.from_wire(self.call("spawn", params, fds=descriptors.numbers)))

    def exec_replace(
        self,
        process: Ref,
        argv: Optional[Argv] = None,
        *,
        file: Optional[Files] = None,
        env: Optional[Env] = None,
        env_base: Optional[str] = None,
        cwd: Optional[BytesLike] = None,
        signals: Union[None, str, Signals] = None,
        start_timeout: Optional[float] = None,
        from_inside: Optional[bool] = None,
    ) -> Record:
        """Replace the program of a process; the process stays. A held one is started by it (``argv`` left out: the one
        it was created with).

        ``env`` alone is the whole environment, with ``env_base`` ("keep", "inherit", "empty") what changes in that one;
        without both the process keeps what it has. Raises ExecError; the process is then as it was.
        """
        params = {
            "process": process_to_wire(process),
            "argv": None if argv is None else argv_to_wire(argv),
            "file": None if file is None else file_to_wire(file),
            "cwd": None if cwd is None else cwd_to_wire(cwd),
            "signals": signals.to_wire() if isinstance(signals, Signals) else signals,
            "start_timeout_ms": None if start_timeout is None else milliseconds(start_timeout, "start_timeout"),
            "from_inside": from_inside,
        }
        add_environment(params, env, env_base)
        return Record.from_wire(self.call("exec-replace", present(params)))

    def exec_replace_connection(self, argv: Argv, **options: Unpack[SpawnOptions]) -> socket.socket:
        """Have a program take the place of a new connection, and return the socket that is its stdin and stdout."""
        transport, _ = self._open()
        return _takeover.take_over(transport, argv, options, (options.get("start_timeout") or 10.0) + SLACK)

    # Waiting and ending

    def wait(
        self, processes: Selector, *, mode: str = "all", until: str = "exited", timeout: Optional[float] = None
    ) -> WaitResult:
        """Wait for processes: "all", "any" or "first-failure"; until "exited", or "drained" (their captured streams
        have ended too).
        """
        params: Dict[str, Any] = {"processes": processes_to_wire(processes), "mode": mode, "until": until}
        return WaitResult.from_wire(self._timed("wait", params, timeout))

    def kill(
        self,
        processes: Selector,
        signal: Optional[SignalLike] = None,
        *,
        scope: str = "tree",
        escalate_after: Union[float, str, None] = None,
        wait: bool = False,
        timeout: Optional[float] = None,
    ) -> List[KillResult]:
        """Send a signal (left out: that of the process's stop rule) to each process's "tree", "group", or the "process"
        alone.

        ``escalate_after``: seconds after which whoever is left in the tree is killed, or "stop": the grace of each one's
        stop rule. ``wait``: return when the tree is empty, or ``timeout`` (the escalation and 30 s) has passed, with the
        survivors.
        """
        params: Dict[str, Any] = {"processes": processes_to_wire(processes), "scope": scope}
        if signal is not None:
            params["signal"] = signal_to_wire(signal)
        if isinstance(escalate_after, str):
            params["escalate_after_ms"] = escalate_after
        elif escalate_after is not None:
            params["escalate_after_ms"] = milliseconds(escalate_after, "escalate_after")
        if wait:
            params["wait"] = True
        return [KillResult.from_wire(entry) for entry in self._timed("kill", params, timeout)["processes"]]

    def release(self, processes: Selector) -> List[int]:
        """Forget processes that have ended; returns their ids."""
        return list(self.call("release", {"processes": processes_to_wire(processes)})["released"])

    # Looking and changing

    def list(
        self,
        processes: Optional[Selector] = None,
        *,
        state: Union[None, str, Sequence[str]] = None,
        name: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
    ) -> "List[Record]":
        """The records of all processes this user may see, or of those that match."""
        params = {
            "processes": None if processes is None else processes_to_wire(processes),
            "state": state if state is None or isinstance(state, str) else [*state],
            "name": name,
            "labels": None if labels is None else dict(labels),
        }
        return [Record.from_wire(record) for record in self.call("list", present(params))["processes"]]

    def get(self, process: Ref, *, members: bool = False, holders: bool = False) -> Record:
        """A process's record; if asked also the living ``members`` of its tree, and who holds its streams open
        (``holders``).
        """
        params = {"process": process_to_wire(process), "members": members or None, "holders": holders or None}
        return Record.from_wire(self.call("get", present(params)))

    def process(self, process: Ref) -> Process:
        """A handle of a process that exists already."""
        return Process(self, self.get(process))

    def read(
        self,
        process: Ref,
        stream: str = "stdout",
        offset: int = 0,
        limit: int = 65536,
        timeout: float = 0.0,
        *,
        arrivals: bool = False,
    ) -> Chunk:
        """Captured output ("stdout", "stderr", "terminal") from a byte on, at most ``limit`` bytes. With none there yet
        it waits for up to ``timeout`` seconds. ``arrivals``: say also when it came.
        """
        params = {"process": process_to_wire(process), "stream": stream, "offset": offset, "limit": limit}
        if arrivals:
            params["arrivals"] = True
        return Chunk.from_wire(self._timed("read", params, timeout))

    def write(self, process: Ref, data: Union[None, str, Data] = None, eof: bool = False) -> WriteResult:
        """Send bytes (text as UTF-8) to a process's stdin of kind "pipe", or to its terminal; with ``eof`` the input
        ends behind them.

        Returns when all are queued, which is at once unless the program is behind with reading. Raises StreamClosed when
        it reads no more.
        """
        params: Dict[str, Any] = {"process": process_to_wire(process)}
        if data is not None:
            params["data"] = data if isinstance(data, str) else data_to_wire(bytes(data))
        if eof:
            params["eof"] = True
        return WriteResult.from_wire(self.call("write", params))

    def resize(self, process: Ref, rows: int, cols: int) -> os.terminal_size:
        """Give a process's terminal another size; the programs in its foreground are told (SIGWINCH)."""
        size = self.call("resize", {"process": process_to_wire(process), "rows": rows, "cols": cols})
        return os.terminal_size((size["cols"], size["rows"]))

    def subscribe(
        self,
        processes: Selector = "all",
        events: Optional[Sequence[str]] = None,
        from_: Optional[Mapping[str, int]] = None,
        lossless: bool = False,
        streams: Optional[Sequence[str]] = None,
    ) -> Subscription:
        """What happens to processes from now on, as an iterator; also the end of those that have ended already.

        ``events``: only these ("started", "output", "stopped", "continued", "exited", "drained", "replaced").
        ``from_``: the offsets to begin at, by stream; a stream not named begins where it is now, and at 0 in a process
        still to come. ``streams``: output of these only. ``lossless``: programs in block mode wait for this subscriber.
        """
        params = subscribe_params(processes_to_wire(processes), events, from_, lossless, streams)
        return Subscription(self._another, params)

    def unsubscribe(self, subscription: Union[int, Subscription]) -> None:
        """End a subscription; what it had been told by then can still be taken. (A number is that of one made by
        ``call`` on this very connection.)
        """
        if isinstance(subscription, Subscription):
            subscription.unsubscribe()
        else:
            self.call("unsubscribe", {"subscription": subscription})

    def update(
        self,
        process: Ref,
        *,
        name: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        lifetime: Optional[Lifetime] = None,
        timeout: Union[None, float, str] = None,
        stop: Optional[Stop] = None,
    ) -> Record:
        """Change what is given: ``labels`` replaces them all; ``timeout`` is a new deadline in seconds from now, "none"
        removes it.
        """
        params = {
            "process": process_to_wire(process),
            "name": name,
            "labels": None if labels is None else dict(labels),
            "lifetime": lifetime_to_wire(lifetime),
            "timeout_ms": timeout if timeout is None or isinstance(timeout, str) else milliseconds(timeout),
            "stop": None if stop is None else stop.to_wire(),
        }
        return Record.from_wire(self.call("update", present(params)))

    # The server

    def ping(self) -> str:
        """The server's instance, as a sign of life."""
        return str(self.call("ping")["instance"])

    def info(self) -> Info:
        """Version, limits, and what this kernel and container allow."""
        info: Info = self.call("info")
        return info

    def shutdown(self) -> int:
        """End the server; returns how many processes are being stopped for it, each by its stop rule."""
        return int(self.call("shutdown")["stopping"])

    def discover(self) -> Dict[str, Any]:
        """The server's description of itself: an OpenRPC document."""
        return dict(self.call("rpc.discover"))

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
            lost = self._live_lost()
            if lost is None:
                return
            try:
                transport, instance = self._another(False)
            except (ProcctlError, OSError) as error:
                raise ConnectionLost(f"{lost}; {error}") from error
            if instance != self.instance:
                transport.close()
                raise ConnectionLost(f"{lost}; another server has taken its place")
            self._transport = transport

    def close(self) -> None:
        """Close the connection. Requests that other threads wait for end with ConnectionLost."""
        self._closed = True
        if self._transport.pid == os.getpid():
            self._transport.close()

    def _timed(self, method: str, params: Dict[str, Any], timeout: Optional[float]) -> Any:
        """A request the server ends by itself after a time: this client gives up only when the server does not."""
        if timeout is not None:
            params["timeout_ms"] = milliseconds(timeout)
        return self.call(method, params, timeout=None if timeout is None else timeout + SLACK)

    def _live_lost(self) -> Optional[str]:
        """Why the connection of this very process is no longer usable, if it is not."""
        return self._transport.lost if self._transport.pid == os.getpid() else None

    def _live(self) -> Transport:
        if self._closed:
            raise ConnectionLost("the client is closed")
        if self._transport.pid != os.getpid():
            with self._reconnecting:
                if self._transport.pid != os.getpid():
                    self._transport, self.instance = self._open()
        return self._transport

    def _another(self, autostart: bool) -> "tuple[Transport, str]":
        """A connection besides this one, for a subscription. To go on with one, no server is started."""
        if self._closed:
            raise ConnectionLost("the client is closed")
        return _connect.open_transport(self._path, autostart and self._autostart, self._timeout)

    def _open(self) -> "tuple[Transport, str]":
        return _connect.open_transport(self._path, self._autostart, self._timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<procctl.Client {self.path}{' closed' if self._closed else ''}>"


def connect(path: Optional[BytesLike] = None, autostart: bool = True, timeout: float = 5.0) -> Client:
    """Connect to the server; start one when none listens, unless ``autostart`` is False or $PROCCTL_NO_AUTOSTART is 1.

    ``path`` is its socket; left out: $PROCCTL_SOCKET, $XDG_RUNTIME_DIR/procctl/socket, /run/procctl/socket for root,
    /tmp/procctl-UID/socket. ``timeout``: how long a server may take to start and answer. Raises ServerNotRunning;
    NotPermitted when the socket's directory or the server belongs to somebody who is neither this user nor root.
    """
    return Client(path, autostart, timeout)


_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for client in [*_clients]:
        # Another thread may have held it at the moment of the fork, and there is no such thread in the child.
        client._reconnecting = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
