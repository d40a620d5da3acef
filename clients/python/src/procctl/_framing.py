# SPDX-License-Identifier: Apache-2.0
"""Messages to lines and lines to messages: one JSON text per line (NDJSON), without any input or output."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from ._values import check


def encode(method: str, params: Optional[Any], number: Optional[int]) -> bytes:
    """One JSON-RPC 2.0 request, or a notification when it has no number, as a line.

    Text goes out as UTF-8, so a lone surrogate raises UnicodeEncodeError here instead of failing at the server.
    """
    message: Dict[str, Any] = {"jsonrpc": "2.0"}
    if number is not None:
        message["id"] = number
    message["method"] = method
    if params is not None:
        check(params)
        message["params"] = params
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def decode(line: bytes) -> List[Dict[str, Any]]:
    """The messages in a line: one, or the members of a batch. Raises ValueError for what is neither."""
    message = json.loads(line)
    members = message if isinstance(message, list) else [message]
    if not all(isinstance(member, dict) for member in members):
        raise ValueError("neither a JSON-RPC message nor a batch of them")
    return members


class LineBuffer:
    """Cuts a stream of bytes into lines. What has been searched for a newline once is not searched again."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> List[bytes]:
        """Add bytes; return the lines that are complete now, blank ones left out."""
        self._bytes += data
        lines: List[bytes] = []
        start = 0
        while True:
            end = self._bytes.find(b"\n", max(start, self._searched))
            if end < 0:
                break
            line = bytes(self._bytes[start:end]).strip()
            if line:
                lines.append(line)
            start = end + 1
        if start:
            del self._bytes[:start]
        self._searched = len(self._bytes)
        return lines

    def __len__(self) -> int:
        """How many bytes of an unfinished line are held."""
        return len(self._bytes)
