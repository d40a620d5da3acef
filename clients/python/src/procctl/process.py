# SPDX-License-Identifier: Apache-2.0
"""A handle of one process, with the names ``subprocess.Popen`` has where it does the same."""

from __future__ import annotations

import os
import signal as signals
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Mapping, Optional, Sequence, TypeVar, Union

from . import files
from ._values import BytesLike, SignalLike
from .errors import NoSuchProcess, TimedOut
from .options import Argv, Env, Files, Lifetime, Signals, Stop
from .record import Chunk, Exit, KillResult, Record, WriteResult
from .subscription import Subscription

if TYPE_CHECKING:
    from .client import Client, Data

T = TypeVar("T")


class Process:
    """A process under the server's care. The handle is not the process: dropping it ends nothing.

    ``record`` is what was heard of the process last; ``refresh`` asks.
    """

    def __init__(self, client: Client, record: Record) -> None:
        self._client = client
        self.record = record
        self._files: Dict[str, Any] = {}

    @property
    def id(self) -> int:
        """The server's name for it, never reused."""
        # After a fork the client may have met another server, where the same number would mean another process.
        if self.record.instance != self._client.instance:
            raise NoSuchProcess(
                f"process {self.record.id} belongs to another server",
                1,
                {"kind": "no_such_process", "process": self.record.id, "reason": "instance"},
            )
        return self.record.id

    @property
    def client(self) -> Client:
        """The client it is asked about through."""
        return self._client

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

    @property
    def state(self) -> str:
        """Asks: "held", "running", "stopped" or "exited"."""
        return self.refresh().state

    # Its streams as files

    @property
    def stdin(self) -> Optional[files.InputWriter]:
        """Its input, buffered: flush what is to be read at once, close it to end it. None if it is neither "pipe" nor
        the terminal.
        """
        return self._file("stdin", "accepted", lambda: files.InputWriter(self._input(), files.BUFFER))

    @property
    def stdout(self) -> Optional[files.OutputReader]:
        """Its captured output from the first byte on, or None. Always the same file; ``open`` makes others."""
        return self._file("stdout", "end", lambda: self._reader("stdout"))

    @property
    def stderr(self) -> Optional[files.OutputReader]:
        """Its captured error output, or None if it is not captured or goes to stdout."""
        return self._file("stderr", "end", lambda: self._reader("stderr"))

    @property
    def terminal(self) -> Optional[files.TerminalFile]:
        """Its terminal to read from and write to, or None if it has none."""
        return self._file(
            "terminal",
            "end",
            lambda: files.TerminalFile(files.OutputFile(self, "terminal"), self._input(), files.BUFFER),
        )

    def open(
        self,
        stream: str = "stdout",
        mode: str = "r",
        offset: int = 0,
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        newline: Optional[str] = None,
    ) -> files.Opened:
        """A file object of its own for "stdout", "stderr", "terminal" or "stdin": text in UTF-8 or another
        ``encoding``, or bytes with "b" in the ``mode``.
        """
        return files.open_stream(self, stream, mode, offset, encoding, errors, newline)

    def _file(self, name: str, mark: str, make: Callable[[], T]) -> Optional[T]:
        streams: Any = self.record.streams
        if mark not in (streams[name] or ()):
            return None
        if name not in self._files:
            self._files[name] = make()
        made: T = self._files[name]
        return made

    def _reader(self, stream: str) -> files.OutputReader:
        return files.OutputReader(files.OutputFile(self, stream), files.BUFFER)

    def _input(self) -> files.InputFile:
        return files.InputFile(self, self.record.streams["terminal"] is not None)

    def refresh(self, *, members: bool = False, holders: bool = False) -> Record:
        """Ask for the record; if wanted with the living members of its tree, and with who holds its streams open."""
        self.record = self._client.get(self.id, members=members, holders=holders)
        return self.record

    def poll(self) -> Optional[int]:
        """Ask without waiting: the returncode, or None as long as it lives."""
        return self.returncode if self.exit else self.refresh().returncode

    def wait(self, timeout: Optional[float] = None, *, until: str = "exited") -> Exit:
        """Wait for its end, or until its captured streams have ended too ("drained"). Raises TimedOut; it can be called
        again.
        """
        # What is final need not be asked again; it is known even when the server has forgotten the process.
        if self.record.exit and until == "exited":
            return self.record.exit
        result = self._client.wait(self.id, until=until, timeout=timeout)
        if not result.done:
            raise TimedOut(
                f"process {self.id} has not {until} after {timeout} s",
                data={"kind": "timed_out", "process": self.record.id},
            )
        self.record = result.done[0]
        return self.record.exit or Exit()

    def send_signal(self, signal: SignalLike, *, scope: str = "tree") -> KillResult:
        """Send a signal to its "tree", "group", or the "process" alone. With nobody left that is no error: see
        ``already_exited``.
        """
        return self._client.kill(self.id, signal, scope=scope)[0]

    def terminate(self) -> KillResult:
        """Send SIGTERM to its tree."""
        return self.send_signal(signals.SIGTERM)

    def kill(
        self,
        signal: SignalLike = signals.SIGKILL,
        *,
        scope: str = "tree",
        escalate_after: Union[float, str, None] = None,
        wait: bool = False,
        timeout: Optional[float] = None,
    ) -> KillResult:
        """Send SIGKILL, or another signal; the rest as of ``Client.kill``."""
        return self._client.kill(
            self.id, signal, scope=scope, escalate_after=escalate_after, wait=wait, timeout=timeout
        )[0]

    def stop(self, grace: Optional[float] = None, timeout: Optional[float] = None) -> KillResult:
        """Send the signal of its stop rule, after ``grace`` seconds (left out: the rule's own) SIGKILL, and wait until its
        tree is empty or ``timeout`` (the grace and 30 s) has passed.
        """
        escalation: Union[float, str] = "stop" if grace is None else grace
        return self._client.kill(self.id, escalate_after=escalation, wait=True, timeout=timeout)[0]

    def exec_replace(
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
        self.record = self._client.exec_replace(
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

    def read(
        self,
        stream: str = "stdout",
        offset: int = 0,
        limit: int = 65536,
        timeout: float = 0.0,
        *,
        arrivals: bool = False,
    ) -> Chunk:
        """Captured output from a byte on, as of ``Client.read``."""
        return self._client.read(self.id, stream, offset, limit, timeout, arrivals=arrivals)

    def write(self, data: "Union[None, str, Data]" = None, eof: bool = False) -> WriteResult:
        """Send bytes to its stdin or terminal, as of ``Client.write``."""
        return self._client.write(self.id, data, eof)

    def resize(self, rows: int, cols: int) -> os.terminal_size:
        """Give its terminal another size, as of ``Client.resize``."""
        return self._client.resize(self.id, rows, cols)

    def events(
        self,
        events: Optional[Sequence[str]] = None,
        from_: Optional[Mapping[str, int]] = None,
        lossless: bool = False,
        streams: Optional[Sequence[str]] = None,
    ) -> Subscription:
        """What happens to it from now on, to its end, as of ``Client.subscribe``."""
        return self._client.subscribe(self.id, events, from_, lossless, streams)

    def chunks(self, stream: str = "stdout", offset: int = 0, limit: int = 1 << 20) -> Iterator[Chunk]:
        """Captured output from a byte on, as it comes, until the stream has ended. A gap is a chunk with ``lost`` bytes
        and no data.
        """
        while True:
            chunk = files.read_on(self, stream, offset, limit)
            if chunk.data or chunk.lost:
                yield chunk
            if chunk.end:
                return
            offset = chunk.next_offset

    def output(
        self, stream: str = "stdout", offset: int = 0, *, on_gap: Optional[Callable[[Chunk], object]] = None
    ) -> Iterator[bytes]:
        """The bytes of ``chunks``. Where some are gone, ``on_gap`` is called; without it OutputLost is raised."""
        for chunk in self.chunks(stream, offset):
            if not chunk.lost:
                yield chunk.data
            elif on_gap is not None:
                on_gap(chunk)
            else:
                raise files.lost(chunk)

    def update(
        self,
        *,
        name: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        lifetime: Optional[Lifetime] = None,
        timeout: Union[None, float, str] = None,
        stop: Optional[Stop] = None,
    ) -> Record:
        """Change what is given, as of ``Client.update``."""
        self.record = self._client.update(
            self.id, name=name, labels=labels, lifetime=lifetime, timeout=timeout, stop=stop
        )
        return self.record

    def release(self) -> None:
        """Have the server forget it, once it has ended."""
        self._client.release(self.id)

    def __repr__(self) -> str:
        how = self.record.state if self.exit is None else f"exited {self.returncode}"
        return f"<procctl.Process {self.record.id} pid={self.pid} {how} {' '.join(self.record.argv)!r}>"
