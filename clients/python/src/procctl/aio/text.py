# SPDX-License-Identifier: Apache-2.0
"""Streams as text for asyncio, and what ``open`` makes."""

from __future__ import annotations

import codecs
import io
import os
import re
from typing import TYPE_CHECKING, AsyncIterator, List, Optional, Union

from .._streams import check_opening
from .files import InputWriter, OutputReader, StreamFile

if TYPE_CHECKING:
    from .process import Process

_LINE_ENDS = {None: "\n", "": "\r\n|\r|\n", "\n": "\n", "\r": "\r", "\r\n": "\r\n"}


class OutputText(StreamFile, AsyncIterator[str]):
    """Captured output as text; ``newline`` as of ``io.TextIOWrapper``. ``seek`` takes offsets of the stream, in bytes;
    there is no ``tell``, as what was decoded ahead has none. A gap is met as by ``OutputReader``.
    """

    mode = "r"

    def __init__(self, reader: OutputReader, encoding: str, errors: Optional[str], newline: Optional[str]) -> None:
        super().__init__(reader._process, reader._stream)
        self.buffer = reader
        self.encoding = encoding
        self.errors = errors or "strict"
        self._newline = newline
        self._line_end = re.compile(_LINE_ENDS[newline])
        self._start()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True, though what the ring has moved past cannot be read any more."""
        return True

    async def read(self, size: Optional[int] = -1) -> str:
        """So many characters, or all until the end of the stream."""
        return await self._gather(None, None if size is None or size < 0 else size)

    async def readline(self, size: Optional[int] = -1) -> str:
        """A line; the last one may have no newline."""
        return await self._gather(self._line_end, None if size is None or size < 0 else size)

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset in bytes, which should be that of a character; not from the current one on."""
        self._check()
        if whence == os.SEEK_CUR:
            raise io.UnsupportedOperation("text cannot be moved from where it is")
        position = await self.buffer.seek(offset, whence)
        self._start()
        return position

    def tell(self) -> int:
        """Raises UnsupportedOperation."""
        raise io.UnsupportedOperation("text has no offset")

    async def close(self) -> None:
        """No more of it."""
        await super().close()
        await self.buffer.close()

    def _start(self) -> None:
        decoder = codecs.getincrementaldecoder(self.encoding)(self.errors)
        # It never gives out half of "\r\n".
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=self._newline is None)
        self._text, self._at = "", 0

    async def _gather(self, end: "Optional[re.Pattern[str]]", limit: Optional[int]) -> str:
        """Text up to the end of a line, to a limit, or to the end of the stream."""
        self._check()
        parts: List[str] = []
        missing = limit
        try:
            while missing is None or missing > 0:
                if self._at == len(self._text) and not await self._more():
                    break
                stop = len(self._text) if missing is None else min(len(self._text), self._at + missing)
                found = end.search(self._text, self._at, stop) if end else None
                stop = found.end() if found else stop
                parts.append(self._text[self._at : stop])
                missing = None if missing is None else missing - (stop - self._at)
                self._at = stop
                if found:
                    break
        except BaseException:
            # Nothing was returned, so nothing was read.
            self._text, self._at = "".join(parts) + self._text[self._at :], 0
            raise
        return "".join(parts)

    async def _more(self) -> bool:
        """Decode more; False at the end."""
        while True:
            data = await self.buffer.read1()
            self._text, self._at = self._decoder.decode(data, final=not data), 0
            if self._text or not data:
                return bool(self._text)

    def __aiter__(self) -> "OutputText":
        return self

    async def __anext__(self) -> str:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def __aenter__(self) -> "OutputText":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


class InputText(StreamFile):
    """Text for the input, sent with each newline."""

    mode = "w"

    def __init__(self, writer: InputWriter, encoding: str, errors: Optional[str], newline: Optional[str]) -> None:
        super().__init__(writer._process, writer._stream)
        self.buffer = writer
        self.encoding = encoding
        self.errors = errors or "strict"
        self._newline = newline or "\n"
        self._encoder = codecs.getincrementalencoder(encoding)(self.errors)

    def writable(self) -> bool:
        """True."""
        return True

    async def write(self, text: str) -> int:
        """Take text; returns its length."""
        await self.buffer.write(self._encoder.encode(text.replace("\n", self._newline)))
        if "\n" in text or "\r" in text:
            await self.flush()
        return len(text)

    async def flush(self) -> None:
        """Send what was gathered."""
        await self.buffer.flush()

    drain = flush
    """As ``asyncio.StreamWriter`` calls it."""

    async def close(self) -> None:
        """Flush, and end the input behind what was written."""
        await super().close()
        await self.buffer.close()

    async def __aenter__(self) -> "InputText":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


Opened = Union[OutputReader, InputWriter, OutputText, InputText]


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
        reader = OutputReader(process, stream, offset)
        return reader if "b" in mode else OutputText(reader, encoding or "utf-8", errors, newline)
    writer = InputWriter(process)
    return writer if "b" in mode else InputText(writer, encoding or "utf-8", errors, newline)
