# SPDX-License-Identifier: Apache-2.0
"""A handle of one process, with the names ``subprocess.Popen`` has where it does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, TypeVar

from . import _handle, _requests, _starts, _streams, files
from ._handle import AnyHandle, Handle, hearing
from ._lines import LineCutter
from ._selectors import Selector
from ._steps import Steps, shaped
from .record import Chunk, Record
from .subscription import Subscription

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    from .client import Client

    P = ParamSpec("P")

T = TypeVar("T")


def _method(build: "Callable[Concatenate[AnyHandle, P], Steps[T]]") -> "Callable[Concatenate[Process, P], T]":
    """A method that sends what ``build`` asks about the process, and returns what it makes of the answer."""

    def method(self: Process, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._client._run(hearing(self, build(self, *args, **kwargs)))

    return shaped(method, build, about=True)


def _subscription(
    build: "Callable[Concatenate[Selector, P], Dict[str, Any]]",
) -> "Callable[Concatenate[Process, P], Subscription]":
    """One that subscribes to it."""

    def method(self: Process, /, *args: P.args, **kwargs: P.kwargs) -> Subscription:
        return Subscription(self._client, build(self.id, *args, **kwargs))

    return shaped(method, build, about=True)


class Process(Handle[files.OutputReader, files.InputWriter, files.TerminalFile]):
    __doc__ = Handle.__doc__

    _client: Client

    def __init__(self, client: Client, record: Record) -> None:
        super().__init__(client, record)

    @property
    def client(self) -> Client:
        """The client it is asked about through."""
        return self._client

    # What each does stands where its params are built.

    state = property(_method(_handle.state))
    refresh = _method(_handle.refresh)
    poll = _method(_handle.poll)
    wait = _method(_handle.wait)
    send_signal = _method(_handle.send_signal)
    terminate = _method(_handle.terminate)
    kill = _method(_handle.kill)
    stop = _method(_handle.stop)
    release = _method(_handle.release)
    exec_replace = _method(_starts.exec_replace)
    read = _method(_requests.read)
    write = _method(_requests.write)
    resize = _method(_requests.resize)
    update = _method(_requests.update)
    events = _subscription(_requests.subscribe)

    open = files.open_stream

    def chunks(self, stream: str = "stdout", offset: int = 0, limit: int = _streams.LARGEST) -> Iterator[Chunk]:
        """Captured output from a byte on, as it comes, until the stream has ended. A gap is a chunk with ``lost`` bytes
        and no data.
        """
        while True:
            chunk = self._read_on(stream, offset, limit)
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
            data = _streams.bytes_of(chunk, on_gap)
            if data:
                yield data

    def lines(self, stream: str = "stdout", offset: int = 0) -> Iterator[bytes]:
        """Its lines as they come; the last one may have no newline. Raises OutputLost where some are gone."""
        lines = LineCutter()
        for data in self.output(stream, offset):
            for line in lines.cut(data):
                yield line + b"\n"
        rest = lines.rest()
        if rest:
            yield rest

    def _read_on(self, stream: str, offset: int, limit: int) -> Chunk:
        return self._client._run(_streams.read_on(self, stream, offset, limit))

    def _reader(self, stream: str) -> files.OutputReader:
        return files.reader(self, stream)

    def _writer(self) -> files.InputWriter:
        return files.writer(self)

    def _both(self) -> files.TerminalFile:
        return files.terminal(self)
