# SPDX-License-Identifier: Apache-2.0
"""A handle of one process, with the names ``subprocess.Popen`` has where it does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, TypeVar

from . import _handle, _requests, _streams, files
from ._handle import Handle, hearing
from ._selectors import Selector
from ._steps import Steps, shaped
from .record import Chunk, Record
from .subscription import Subscription

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    from .client import Client

    P = ParamSpec("P")

T = TypeVar("T")


def _method(build: "Callable[Concatenate[Handle, P], Steps[T]]") -> "Callable[Concatenate[Process, P], T]":
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


class Process(Handle):
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
    exec_replace = _method(_requests.exec_replace)
    read = _method(_requests.read)
    write = _method(_requests.write)
    resize = _method(_requests.resize)
    update = _method(_requests.update)
    events = _subscription(_requests.subscribe)

    # Its streams as files

    @property
    def stdin(self) -> Optional[files.InputWriter]:
        """Its input, buffered: flush what is to be read at once, close it to end it. None if it is neither "pipe" nor
        the terminal.
        """
        return self._input_file(lambda: files.writer(self))

    @property
    def stdout(self) -> Optional[files.OutputReader]:
        """Its captured output from the first byte on, or None. Always the same file; ``open`` makes others."""
        return self._output_file("stdout", lambda: files.reader(self, "stdout"))

    @property
    def stderr(self) -> Optional[files.OutputReader]:
        """Its captured error output, or None if it is not captured or goes to stdout."""
        return self._output_file("stderr", lambda: files.reader(self, "stderr"))

    @property
    def terminal(self) -> Optional[files.TerminalFile]:
        """Its terminal to read from and write to, or None if it has none."""
        return self._output_file("terminal", lambda: files.terminal(self))

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
        return iter(files.reader(self, stream, offset))

    def _read_on(self, stream: str, offset: int, limit: int) -> Chunk:
        return self._client._run(_streams.read_on(self, stream, offset, limit))
