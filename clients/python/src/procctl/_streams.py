# SPDX-License-Identifier: Apache-2.0
"""What file objects of captured streams have in common, whoever waits for the bytes."""

from __future__ import annotations

import io
import os
from typing import Any, Callable, Dict, Mapping, Optional

from . import _requests
from ._selectors import Ref
from ._steps import Request, Steps
from .errors import OutputLost
from .record import Chunk, Record

LONG_POLL = 30.0
"""Seconds for which one request waits for output; a reader that waits longer asks again."""

BUFFER = 1 << 16
"""Bytes a file object gathers before it sends them, unless it is flushed."""

AHEAD = 1 << 18
"""Bytes a file object reads at once: round trips cost more than bytes do."""

LARGEST = 1 << 20
"""Bytes one ``read`` can return."""


def read_on(process: Ref, stream: str, offset: int, limit: int) -> Steps[Chunk]:
    """What there is from a byte on; it may be nothing yet. A lost connection is made anew once if the server is still
    there.
    """
    request = next(_requests.read(process, stream, offset, min(limit, LARGEST), LONG_POLL))
    return Chunk.from_wire((yield Request(request.method, request.params, timeout=request.timeout, repeatable=True)))


def lost(chunk: Chunk) -> OutputLost:
    """The error for a gap."""
    return OutputLost(
        f"{chunk.lost} bytes of {chunk.stream} are gone, from {chunk.offset} on",
        data={"kind": "output_lost", "stream": chunk.stream, "offset": chunk.offset, "length": chunk.lost},
    )


def bytes_of(chunk: Chunk, on_gap: Optional[Callable[[Chunk], object]] = None) -> bytes:
    """Its bytes; of a gap, none. Without ``on_gap``, which is told of them, gaps raise OutputLost."""
    if chunk.lost:
        if on_gap is None:
            raise lost(chunk)
        on_gap(chunk)
    return chunk.data


def moved(offset: int, whence: int, position: int, record: Optional[Record], stream: str) -> int:
    """Where a ``seek`` leads; the record is needed for SEEK_END, which is the end as it is now."""
    if whence == os.SEEK_CUR:
        offset += position
    elif whence == os.SEEK_END and record is not None:
        streams: Any = record.streams
        offset += streams[stream]["end"]
    elif whence != os.SEEK_SET:
        raise ValueError(f"invalid whence: {whence}")
    if offset < 0:
        raise ValueError(f"negative offset: {offset}")
    return offset


def check_opening(
    record: Record, stream: str, mode: str, encoding: Optional[str], errors: Optional[str], newline: Optional[str]
) -> None:
    """Raise what ``open`` raises for a stream that is not to be had in this mode: "r" or "w", with "b" for bytes."""
    if mode not in ("r", "w", "rb", "wb", "rt", "wt"):
        raise ValueError(f"invalid mode: {mode!r}")
    if "b" in mode and (encoding or errors or newline):
        raise ValueError("encoding, errors and newline are for text")
    if newline not in (None, "", "\n", "\r", "\r\n"):
        raise ValueError(f"illegal newline value: {newline!r}")
    streams: Mapping[str, Any] = record.streams
    found: Dict[str, Any] = streams[stream] or {"kind": "none"}
    if mode[0] == "r":
        if stream == "stdin" or "end" not in found:
            raise io.UnsupportedOperation(f"{stream} is not captured: {found['kind']}")
    elif stream not in (("stdin", "terminal") if has_terminal(record) else ("stdin",)) or not takes_input(record):
        raise io.UnsupportedOperation(f"{stream} cannot be written to: {found['kind']}")


def takes_input(record: Record) -> bool:
    """Whether there is a stdin or a keyboard to write to."""
    return "accepted" in record.streams["stdin"]


def has_terminal(record: Record) -> bool:
    """Whether its input is a terminal's."""
    return record.streams["terminal"] is not None
