# SPDX-License-Identifier: Apache-2.0
"""A process's captured streams, its stdin and its terminal as file objects for asyncio.

What waits is a coroutine: ``await file.readline()``, ``async for line in file``, ``await file.flush()``. The rest is as
of the files of ``io``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, AsyncIterator, Optional

from .._streams import AHEAD, BUFFER, LARGEST, bytes_of, has_terminal, moved
from ..errors import AlreadyExited, NoSuchProcess, StreamClosed

if TYPE_CHECKING:
    from .process import Process


class StreamFile:
    """What they all have."""

    def __init__(self, process: Process, stream: str) -> None:
        self._process = process
        self._stream = stream
        self._closed = False
        self.name = f"<{stream} of process {process.id}>"

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def readable(self) -> bool:
        """Whether it can be read."""
        return False

    def writable(self) -> bool:
        """Whether it can be written."""
        return False

    def seekable(self) -> bool:
        """Whether ``seek`` works."""
        return False

    def isatty(self) -> bool:
        """Whether it is a terminal's."""
        return self._stream == "terminal"

    async def close(self) -> None:
        """No more of it."""
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise ValueError("I/O operation on closed file")


class OutputReader(StreamFile, AsyncIterator[bytes]):
    """Captured output, buffered; its positions are the stream's offsets. ``read1`` returns what there is, ``read``
    waits for as much as was asked for; both wait for output until the stream has ended.

    A read that runs into a gap raises OutputLost and stays where it began, so what is before the gap can still be had:
    ``read(error.offset - file.tell())``; and then ``seek(error.offset + error.length)``. One that is cancelled stays
    there too.
    """

    mode = "rb"

    def __init__(self, process: Process, stream: str, offset: int = 0) -> None:
        super().__init__(process, stream)
        # The offset of the first byte that was not returned yet, and the bytes read ahead from there on.
        self._offset = offset
        self._ahead = bytearray()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True, though what the ring has moved past cannot be read any more."""
        return True

    async def read(self, size: Optional[int] = -1) -> bytes:
        """So many bytes, or all until the end of the stream."""
        if size is None or size < 0:
            while await self._fill(LARGEST):
                pass
            return self._take(len(self._ahead))
        while len(self._ahead) < size and await self._fill(max(AHEAD, size - len(self._ahead))):
            pass
        return self._take(size)

    async def read1(self, size: int = -1) -> bytes:
        """What there is, at most so many bytes; nothing only at the end of the stream."""
        if not self._ahead and size:
            await self._fill(AHEAD)
        return self._take(len(self._ahead) if size < 0 else size)

    async def readinto(self, buffer: Any) -> int:
        """Fill the buffer, less only at the end of the stream."""
        with memoryview(buffer) as view, view.cast("B") as room:
            data = await self.read(len(room))
            room[: len(data)] = data
            return len(data)

    async def readline(self, size: Optional[int] = -1) -> bytes:
        """A line; the last one may have no newline."""
        limit = None if size is None or size < 0 else size
        searched = 0
        while True:
            end = self._ahead.find(b"\n", searched, limit)
            searched = len(self._ahead)
            if end >= 0:
                return self._take(end + 1)
            if (limit is not None and searched >= limit) or not await self._fill(AHEAD):
                return self._take(searched if limit is None else limit)

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset; from SEEK_END on, that is from the end as it is now."""
        self._check()
        record = await self._process.refresh() if whence == os.SEEK_END else None
        position = moved(offset, whence, self._offset, record, self._stream)
        if self._offset <= position <= self._offset + len(self._ahead):
            del self._ahead[: position - self._offset]
        else:
            self._ahead.clear()
        self._offset = position
        return position

    def tell(self) -> int:
        """The offset of the next byte."""
        self._check()
        return self._offset

    async def _fill(self, limit: int) -> bool:
        """Read ahead at least one byte more; False at the end."""
        self._check()
        while True:
            start = self._offset + len(self._ahead)
            chunk = await self._process._read_on(self._stream, start, limit)
            data = bytes_of(chunk)
            if start != self._offset + len(self._ahead):
                continue  # Another task has moved it meanwhile.
            self._ahead += data
            if data or chunk.end:
                return bool(data)

    def _take(self, size: int) -> bytes:
        self._check()
        data = bytes(memoryview(self._ahead)[:size])
        # A bytearray gives way at its front without moving what is behind.
        del self._ahead[: len(data)]
        self._offset += len(data)
        return data

    def __aiter__(self) -> "OutputReader":
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def __aenter__(self) -> "OutputReader":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


class InputWriter(StreamFile):
    """The stdin of a process, or the keyboard of its terminal. Gathers what is written until it is flushed or has
    become 64 KiB.

    Closing it ends the input of a pipe (a terminal stays as it is). Being dropped does not: another handle may write
    on; nor does it flush, which takes time. After ConnectionLost nobody knows what was taken of the last piece, so
    nothing is sent twice.
    """

    mode = "wb"

    def __init__(self, process: Process) -> None:
        super().__init__(process, "terminal" if has_terminal(process.record) else "stdin")
        self._gathered = bytearray()

    def writable(self) -> bool:
        """True."""
        return True

    async def write(self, data: Any) -> int:
        """Take bytes; returns how many. Waits, when there are many, as long as the program is behind with reading.
        Raises StreamClosed, a BrokenPipeError, when it reads no more.
        """
        self._check()
        with memoryview(data) as view:
            self._gathered += view
            size = view.nbytes
        if len(self._gathered) >= BUFFER:
            await self.flush()
        return size

    async def flush(self) -> None:
        """Send what was gathered."""
        self._check()
        while self._gathered:
            piece = bytes(memoryview(self._gathered)[:BUFFER])
            # Before it is sent: given up in the middle it must not be sent again.
            del self._gathered[: len(piece)]
            await self._process.write(piece)

    drain = flush
    """As ``asyncio.StreamWriter`` calls it."""

    async def close(self) -> None:
        """Flush, and end the input behind what was written."""
        if self._closed:
            return
        try:
            await self.flush()
        finally:
            self._closed = True
            if not self.isatty():
                try:
                    await self._process.write(eof=True)
                except (StreamClosed, AlreadyExited, NoSuchProcess):
                    pass  # That is what was wanted.

    async def __aenter__(self) -> "InputWriter":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


class TerminalFile(InputWriter, OutputReader):
    """A terminal: what it shows can be read, what is written is typed (and sent when flushed)."""

    mode = "rb+"

    def __init__(self, process: Process) -> None:
        OutputReader.__init__(self, process, "terminal")
        self._gathered = bytearray()

    def seekable(self) -> bool:
        """False, as of any terminal."""
        return False

    async def __aenter__(self) -> "TerminalFile":
        return self
