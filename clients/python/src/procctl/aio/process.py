# SPDX-License-Identifier: Apache-2.0
"""A handle of one process, for asyncio."""

from __future__ import annotations

import os
import signal as signals
from typing import TYPE_CHECKING, AsyncIterator, Callable, Mapping, Optional, Sequence, Union

from .. import files
from .._values import BytesLike, SignalLike
from ..errors import ConnectionLost, TimedOut
from ..options import Argv, Env, Files, Lifetime, Signals, Stop
from ..record import Chunk, Exit, KillResult, Record, WriteResult
from .subscription import Subscription

if TYPE_CHECKING:
    from ..client import Data
    from .client import Client


class Process:
    """A process under the server's care; see ``procctl.Process``."""

    def __init__(self, client: Client, record: Record) -> None:
        self._client = client
        self.record = record

    @property
    def id(self) -> int:
        """The server's name for it, never reused."""
        return self.record.id

    @property
    def pid(self) -> Optional[int]:
        """Its pid; use ``id`` to name it, pids are reused."""
        return self.record.pid

    @property
    def name(self) -> Optional[str]:
        """Its name, if it has one."""
        return self.record.name

    @property
    def exit(self) -> Optional[Exit]:
        """How it ended, as far as was heard."""
        return self.record.exit

    @property
    def returncode(self) -> Optional[int]:
        """Its exit code, or minus the signal, as far as was heard."""
        return self.record.returncode

    async def refresh(self, *, members: bool = False, holders: bool = False) -> Record:
        """Ask for the record; if wanted with the living members of its tree, and with who holds its streams open."""
        self.record = await self._client.get(self.id, members=members, holders=holders)
        return self.record

    async def poll(self) -> Optional[int]:
        """Ask without waiting: the returncode, or None as long as it lives."""
        return self.returncode if self.exit else (await self.refresh()).returncode

    async def wait(self, timeout: Optional[float] = None, *, until: str = "exited") -> Exit:
        """Wait for its end, or until its captured streams have ended too ("drained"). Raises TimedOut; it can be called
        again.
        """
        # What is final need not be asked again; it is known even when the server has forgotten the process.
        if self.record.exit and until == "exited":
            return self.record.exit
        result = await self._client.wait(self.id, until=until, timeout=timeout)
        if not result.done:
            raise TimedOut(
                f"process {self.id} has not {until} after {timeout} s",
                data={"kind": "timed_out", "process": self.record.id},
            )
        self.record = result.done[0]
        return self.record.exit or Exit()

    async def send_signal(self, signal: SignalLike, *, scope: str = "tree") -> KillResult:
        """Send a signal to its "tree", "group", or the "process" alone. With nobody left that is no error: see
        ``already_exited``.
        """
        return (await self._client.kill(self.id, signal, scope=scope))[0]

    async def terminate(self) -> KillResult:
        """Send SIGTERM to its tree."""
        return await self.send_signal(signals.SIGTERM)

    async def kill(
        self,
        signal: SignalLike = signals.SIGKILL,
        *,
        scope: str = "tree",
        escalate_after: Union[float, str, None] = None,
        wait: bool = False,
        timeout: Optional[float] = None,
    ) -> KillResult:
        """Send SIGKILL, or another signal; the rest as of ``Client.kill``."""
        return (
            await self._client.kill(
                self.id, signal, scope=scope, escalate_after=escalate_after, wait=wait, timeout=timeout
            )
        )[0]

    async def stop(self, grace: Optional[float] = None, timeout: Optional[float] = None) -> KillResult:
        """Send the signal of its stop rule, after ``grace`` seconds (left out: the rule's own) SIGKILL, and wait until its
        tree is empty or ``timeout`` (the grace and 30 s) has passed.
        """
        escalation: Union[float, str] = "stop" if grace is None else grace
        return (await self._client.kill(self.id, escalate_after=escalation, wait=True, timeout=timeout))[0]

    async def exec_replace(
        self,
        argv: Optional[Argv] = None,
        *,
        file: Optional[Files] = None,
        env: Optional[Env] = None,
        env_base: Optional[str] = None,
        cwd: Optional[BytesLike] = None,
        signals: Union[None, str, Signals] = None,
        start_timeout: Optional[float] = None,
    ) -> Record:
        """Replace its program, as of ``Client.exec_replace``."""
        self.record = await self._client.exec_replace(
            self.id,
            argv,
            file=file,
            env=env,
            env_base=env_base,
            cwd=cwd,
            signals=signals,
            start_timeout=start_timeout,
        )
        return self.record

    async def read(
        self,
        stream: str = "stdout",
        offset: int = 0,
        limit: int = 65536,
        timeout: float = 0.0,
        *,
        arrivals: bool = False,
    ) -> Chunk:
        """Captured output from a byte on, as of ``Client.read``."""
        return await self._client.read(self.id, stream, offset, limit, timeout, arrivals=arrivals)

    async def write(self, data: "Union[None, str, Data]" = None, eof: bool = False) -> WriteResult:
        """Send bytes to its stdin or terminal, as of ``Client.write``."""
        return await self._client.write(self.id, data, eof)

    async def resize(self, rows: int, cols: int) -> os.terminal_size:
        """Give its terminal another size, as of ``Client.resize``."""
        return await self._client.resize(self.id, rows, cols)

    async def events(
        self,
        events: Optional[Sequence[str]] = None,
        from_: Optional[Mapping[str, int]] = None,
        lossless: bool = False,
        streams: Optional[Sequence[str]] = None,
    ) -> Subscription:
        """What happens to it from now on, to its end, as of ``Client.subscribe``."""
        return await self._client.subscribe(self.id, events, from_, lossless, streams)

    async def chunks(self, stream: str = "stdout", offset: int = 0, limit: int = 1 << 20) -> AsyncIterator[Chunk]:
        """Captured output from a byte on, as it comes, until the stream has ended. A gap is a chunk with ``lost`` bytes
        and no data.
        """
        while True:
            try:
                chunk = await self.read(stream, offset, limit, files.LONG_POLL)
            except ConnectionLost:
                await self._client.reconnect()
                chunk = await self.read(stream, offset, limit, files.LONG_POLL)
            if chunk.data or chunk.lost:
                yield chunk
            if chunk.end:
                return
            offset = chunk.next_offset

    async def output(
        self, stream: str = "stdout", offset: int = 0, *, on_gap: Optional[Callable[[Chunk], object]] = None
    ) -> AsyncIterator[bytes]:
        """The bytes of ``chunks``. Where some are gone, ``on_gap`` is called; without it OutputLost is raised."""
        async for chunk in self.chunks(stream, offset):
            if not chunk.lost:
                yield chunk.data
            elif on_gap is not None:
                on_gap(chunk)
            else:
                raise files.lost(chunk)

    async def lines(self, stream: str = "stdout", offset: int = 0) -> AsyncIterator[bytes]:
        """Its lines as they come; the last one may have no newline. Raises OutputLost where some are gone."""
        rest = b""
        async for data in self.output(stream, offset):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line + b"\n"
        if rest:
            yield rest

    async def update(
        self,
        *,
        name: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        lifetime: Optional[Lifetime] = None,
        timeout: Union[None, float, str] = None,
        stop: Optional[Stop] = None,
    ) -> Record:
        """Change what is given, as of ``Client.update``."""
        self.record = await self._client.update(
            self.id, name=name, labels=labels, lifetime=lifetime, timeout=timeout, stop=stop
        )
        return self.record

    async def release(self) -> None:
        """Have the server forget it, once it has ended."""
        await self._client.release(self.id)
