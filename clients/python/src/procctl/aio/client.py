# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: one method for each of the server's. All durations are seconds."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

from .. import _connect
from .._descriptors import Descriptors
from .._path import resolve
from .._selectors import Ref, Selector, process_to_wire, processes_to_wire
from .._spawn import add_environment, argv_to_wire, cwd_to_wire, file_to_wire, lifetime_to_wire, present, spawn_params
from .._values import BytesLike, SignalLike, data_to_wire, milliseconds, signal_to_wire
from ..client import SLACK, Data
from ..errors import ConnectionLost, ProcctlError
from ..options import Argv, Env, Files, Lifetime, Signals, SpawnOptions, Stop
from ..record import Chunk, Info, KillResult, Record, WaitResult, WriteResult
from ..subscription import subscribe_params
from ._transport import Transport
from .process import Process
from .subscription import Subscription

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Client:
    """A connection to the server, for the tasks of one loop; see ``connect``. A context manager with ``async``: leaving
    it closes the connection, which ends processes of lifetime "connection" and no others.
    """

    instance: str
    _transport: Transport

    def __init__(self, path: Optional[BytesLike] = None, autostart: bool = True, timeout: float = 5.0) -> None:
        self._path = resolve(path)
        self._autostart = autostart
        self._timeout = timeout
        self._closed = False

    @property
    def path(self) -> str:
        """The server's socket."""
        return os.fsdecode(self._path)

    # Starting

    async def spawn(self, argv: Argv, **options: Unpack[SpawnOptions]) -> Process:
        """Start a program with this process's cwd, environment and umask, unless the options (SpawnOptions) say
        otherwise.

        Raises SpawnError, which is also the OSError that ``os.execvp`` would raise.
        """
        with Descriptors() as descriptors:
            params = spawn_params(descriptors, argv, options)
            return Process(self, Record.from_wire(await self.call("spawn", params, fds=descriptors.numbers)))

    async def exec_replace(
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
        return Record.from_wire(await self.call("exec-replace", present(params)))

    # Waiting and ending

    async def wait(
        self, processes: Selector, *, mode: str = "all", until: str = "exited", timeout: Optional[float] = None
    ) -> WaitResult:
        """Wait for processes: "all", "any" or "first-failure"; until "exited", or "drained" (their captured streams
        have ended too).
        """
        params: Dict[str, Any] = {"processes": processes_to_wire(processes), "mode": mode, "until": until}
        return WaitResult.from_wire(await self._timed("wait", params, timeout))

    async def kill(
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
        return [KillResult.from_wire(entry) for entry in (await self._timed("kill", params, timeout))["processes"]]

    async def release(self, processes: Selector) -> List[int]:
        """Forget processes that have ended; returns their ids."""
        return list((await self.call("release", {"processes": processes_to_wire(processes)}))["released"])

    # Looking and changing

    async def list(
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
        return [Record.from_wire(record) for record in (await self.call("list", present(params)))["processes"]]

    async def get(self, process: Ref, *, members: bool = False, holders: bool = False) -> Record:
        """A process's record; if asked also the living ``members`` of its tree, and who holds its streams open
        (``holders``).
        """
        params = {"process": process_to_wire(process), "members": members or None, "holders": holders or None}
        return Record.from_wire(await self.call("get", present(params)))

    async def process(self, process: Ref) -> Process:
        """A handle of a process that exists already."""
        return Process(self, await self.get(process))

    async def read(
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
        return Chunk.from_wire(await self._timed("read", params, timeout))

    async def write(self, process: Ref, data: Union[None, str, Data] = None, eof: bool = False) -> WriteResult:
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
        return WriteResult.from_wire(await self.call("write", params))

    async def resize(self, process: Ref, rows: int, cols: int) -> os.terminal_size:
        """Give a process's terminal another size; the programs in its foreground are told (SIGWINCH)."""
        size = await self.call("resize", {"process": process_to_wire(process), "rows": rows, "cols": cols})
        return os.terminal_size((size["cols"], size["rows"]))

    async def subscribe(
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
        return await Subscription.begin(self._another, params)

    async def unsubscribe(self, subscription: Union[int, Subscription]) -> None:
        """End a subscription; what it had been told by then can still be taken. (A number is that of one made by
        ``call`` on this very connection.)
        """
        if isinstance(subscription, Subscription):
            await subscription.unsubscribe()
        else:
            await self.call("unsubscribe", {"subscription": subscription})

    async def update(
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
        return Record.from_wire(await self.call("update", present(params)))

    # The server

    async def ping(self) -> str:
        """The server's instance, as a sign of life."""
        return str((await self.call("ping"))["instance"])

    async def info(self) -> Info:
        """Version, limits, and what this kernel and container allow."""
        info: Info = await self.call("info")
        return info

    async def shutdown(self) -> int:
        """End the server; returns how many processes are being stopped for it, each by its stop rule."""
        return int((await self.call("shutdown"))["stopping"])

    async def discover(self) -> Dict[str, Any]:
        """The server's description of itself: an OpenRPC document."""
        return dict(await self.call("rpc.discover"))

    async def call(
        self, method: str, params: Optional[Any] = None, *, fds: Sequence[int] = (), timeout: Optional[float] = None
    ) -> Any:
        """Any method with its params as they are on the wire; ``fds`` are the descriptors they name by index."""
        if self._closed:
            raise ConnectionLost("the client is closed")
        return await self._transport.request(method, params, fds, timeout)

    async def reconnect(self) -> None:
        """After ConnectionLost: connect again, if the same server is still there. Raises ConnectionLost if not."""
        lost = self._transport.lost
        if lost is None:
            return
        try:
            transport, instance = await self._another(False)
        except (ProcctlError, OSError) as error:
            raise ConnectionLost(f"{lost}; {error}") from error
        if instance != self.instance or self._transport.lost is None:
            transport.close()
        if instance != self.instance:
            raise ConnectionLost(f"{lost}; another server has taken its place")
        if self._transport.lost is not None:
            self._transport = transport

    async def close(self) -> None:
        """Close the connection. Requests that other tasks wait for end with ConnectionLost."""
        self._closed = True
        self._transport.close()

    async def _timed(self, method: str, params: Dict[str, Any], timeout: Optional[float]) -> Any:
        """A request the server ends by itself after a time: this client gives up only when the server does not."""
        if timeout is not None:
            params["timeout_ms"] = milliseconds(timeout)
        return await self.call(method, params, timeout=None if timeout is None else timeout + SLACK)

    async def _another(self, autostart: bool) -> "tuple[Transport, str]":
        if self._closed:
            raise ConnectionLost("the client is closed")
        deadline = time.monotonic() + self._timeout
        try:
            connection = _connect.connected(self._path)
        except OSError:
            # That knows what each error means, and starts a server if there is to be one, which holds up the loop for
            # as long as it takes.
            _connect.open_transport(self._path, autostart and self._autostart, self._timeout)[0].close()
            connection = _connect.connected(self._path)
        transport = Transport(connection)
        try:
            answer = await transport.request("ping", timeout=max(0.1, deadline - time.monotonic()))
            return transport, str(answer["instance"])
        except BaseException:
            transport.close()
            raise

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


async def connect(path: Optional[BytesLike] = None, autostart: bool = True, timeout: float = 5.0) -> Client:
    """Connect to the server, as of ``procctl.connect``."""
    client = Client(path, autostart, timeout)
    client._transport, client.instance = await client._another(True)
    return client
