# SPDX-License-Identifier: Apache-2.0
"""A process's captured streams, its stdin and its terminal as file objects of ``io``.

A reading one asks for what comes behind the offset it has reached, so it needs nothing to be kept open: it outlives its
connection, may be moved to any offset, and there may be any number of them for the same stream.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Callable, List, Optional, TypeVar, Union

from ._streams import AHEAD, BUFFER, LARGEST, bytes_of, check_opening, has_terminal, moved
from .errors import AlreadyExited, NoSuchProcess, OutputLost, StreamClosed

if TYPE_CHECKING:
    from .process import Process

T = TypeVar("T")


class OutputFile(io.RawIOBase):
    """Captured output, unbuffered. Its positions are the stream's offsets.

    Reading waits for output until the stream has ended. Where some is gone it raises OutputLost and stays where it is:
    ``seek(error.offset + error.length)`` goes on behind the gap.
    """

    def __init__(self, process: Process, stream: str, offset: int = 0) -> None:
        super().__init__()
        self._process = process
        self._stream = stream
        self._offset = offset
        self.mode = "rb"
        self.name = f"<{stream} of process {process.id}>"

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True, though what the ring has moved past cannot be read any more."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what there is, at least one byte; 0 at the end of the stream."""
        with memoryview(buffer) as view, view.cast("B") as room:
            data = self._next(len(room)) if len(room) else b""
            room[: len(data)] = data
            return len(data)

    def readall(self) -> bytes:
        """All until the end of the stream."""
        parts: List[bytes] = []
        while True:
            data = self._next(LARGEST)
            if not data:
                return b"".join(parts)
            parts.append(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset; from SEEK_END on, that is from the end as it is now."""
        self._check()
        record = self._process.refresh() if whence == os.SEEK_END else None
        self._offset = moved(offset, whence, self._offset, record, self._stream)
        return self._offset

    def tell(self) -> int:
        """The offset of the next byte. (The buffered file asks before every line.)"""
        self._check()
        return self._offset

    def _next(self, limit: int) -> bytes:
        self._check()
        while True:
            chunk = self._process._read_on(self._stream, self._offset, limit)
            data = bytes_of(chunk)
            self._offset = chunk.next_offset
            if data or chunk.end:
                return data

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def __del__(self) -> None:
        """Nothing: there is nothing to be given back."""


class InputFile(io.RawIOBase):
    """The stdin of a process, or the keyboard of its terminal, unbuffered.

    Closing it ends the input of a pipe (a terminal stays as it is). Being dropped does not: another handle may write
    on. After ConnectionLost nobody knows what was taken of the last piece, so nothing is sent twice.
    """

    def __init__(self, process: Process, terminal: bool) -> None:
        super().__init__()
        self._process = process
        self._terminal = terminal
        self.mode = "wb"
        self.name = f"<{'terminal' if terminal else 'stdin'} of process {process.id}>"

    def writable(self) -> bool:
        """True."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal's."""
        return self._terminal

    def write(self, data: Any) -> int:
        """Send a first piece; returns its length. Waits as long as the program is behind with reading. Raises
        StreamClosed, a BrokenPipeError, when it reads no more.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file")
        with memoryview(data) as view, view.cast("B") as whole:
            piece = bytes(whole[:BUFFER])
        if piece:
            self._process.write(piece)
        return len(piece)

    def close(self) -> None:
        """End the input behind what was written."""
        if self.closed:
            return
        super().close()
        if not self._terminal:
            try:
                self._process.write(eof=True)
            except (StreamClosed, AlreadyExited, NoSuchProcess):
                pass  # That is what was wanted.

    def __del__(self) -> None:
        """Nothing: the input goes on without this handle."""


class OutputReader(io.BufferedReader):
    """Captured output, buffered. ``read1`` returns what there is, ``read`` waits for as much as was asked for.

    A read that runs into a gap raises OutputLost and returns to where it began, so what is before the gap can still be
    had: ``read(error.offset - file.tell())``; and then ``seek(error.offset + error.length)``.
    """

    def read(self, size: Optional[int] = -1, /) -> bytes:
        """So many bytes, or all until the end of the stream."""
        return self._whole(super().read, -1 if size is None else size)

    def readline(self, size: Optional[int] = -1, /) -> bytes:
        """A line; the last one may have no newline."""
        return self._whole(super().readline, -1 if size is None else size)

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer, less only at the end of the stream."""
        return self._whole(super().readinto, buffer)

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def _whole(self, read: Callable[[Any], T], how: Any) -> T:
        start = self.tell()
        try:
            return read(how)
        except OutputLost:
            self.seek(start)
            raise


class _Kept:
    """When it is dropped, a file object is flushed as others are, but not closed, which would end the input."""

    closed: Any
    flush: Any

    def __del__(self) -> None:
        try:
            if not self.closed:
                self.flush()
        except Exception:  # noqa: BLE001 - nobody is there to hear of it
            pass


class InputWriter(_Kept, io.BufferedWriter):
    """Gathers what is written until it is flushed or has become 64 KiB."""


class InputText(_Kept, io.TextIOWrapper):
    """Text for the input, sent with each newline."""


class TerminalFile(_Kept, io.BufferedRWPair):
    """A terminal: what it shows can be read, what is written is typed (and sent when flushed)."""


Opened = Union[OutputReader, InputWriter, io.TextIOWrapper]


def reader(process: Process, stream: str, offset: int = 0) -> OutputReader:
    """A captured stream from an offset on."""
    return OutputReader(OutputFile(process, stream, offset), AHEAD)


def writer(process: Process) -> InputWriter:
    """The input of a process."""
    return InputWriter(InputFile(process, has_terminal(process.record)), BUFFER)


def terminal(process: Process) -> TerminalFile:
    """The terminal of a process, both ways."""
    return TerminalFile(OutputFile(process, "terminal"), InputFile(process, True), BUFFER)


def open_stream(
    process: Process,
    stream: str = "stdout",
    mode: str = "r",
    offset: int = 0,
    encoding: Optional[str] = None,
    errors: Optional[str] = None,
    newline: Optional[str] = None,
) -> Opened:
    """A file object of its own for "stdout", "stderr", "terminal" or "stdin": text in UTF-8 or another ``encoding``, or
    bytes with "b" in the ``mode``.
    """
    check_opening(process.record, stream, mode, encoding, errors, newline)
    if mode[0] == "r":
        output = reader(process, stream, offset)
        return output if "b" in mode else io.TextIOWrapper(output, encoding or "utf-8", errors, newline)
    to = writer(process)
    return to if "b" in mode else InputText(to, encoding or "utf-8", errors, newline, line_buffering=True)
