# SPDX-License-Identifier: Apache-2.0
"""Bytes as they come to lines."""

from __future__ import annotations

from typing import List


class LineCutter:
    """Cuts a stream of bytes into lines. A long line comes in many pieces, and is put together once."""

    def __init__(self) -> None:
        self._rest: List[bytes] = []

    def cut(self, data: bytes) -> List[bytes]:
        """Add bytes; return the lines that are complete now, without their newlines."""
        *lines, rest = data.split(b"\n")
        if lines:
            self._rest.append(lines[0])
            lines[0] = self.rest()
        if rest:
            self._rest.append(rest)
        return lines

    def rest(self) -> bytes:
        """Take what is there of an unfinished line."""
        rest = b"".join(self._rest)
        self._rest.clear()
        return rest

    def __len__(self) -> int:
        """How many bytes of an unfinished line are held."""
        return sum(map(len, self._rest))
