# SPDX-License-Identifier: Apache-2.0
"""Messages to lines and lines to messages: one JSON text per line (NDJSON), without any input or output."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Mapping, Optional, Protocol

from ._lines import LineCutter
from ._values import check
from .errors import from_error


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
    return _ENCODER.encode(message).encode("utf-8") + b"\n"


# One for all messages: json.dumps makes one for each call that is not like its defaults.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def decode(line: bytes) -> List[Dict[str, Any]]:
    """The messages in a line: one, or the members of a batch. Raises ValueError for what is neither."""
    message = json.loads(line)
    members = message if isinstance(message, list) else [message]
    if not all(isinstance(member, dict) for member in members):
        raise ValueError("neither a JSON-RPC message nor a batch of them")
    return members


def addressee(message: Mapping[str, Any], pending: Mapping[int, Sized]) -> Optional[int]:
    """Which of the pending requests a message answers, if any."""
    number = message.get("id")
    if number is None and pending:
        # The server could not read an id: of the requests in flight only the longest can have been too long for it.
        number = max(pending, key=lambda key: pending[key].size)
    return number if isinstance(number, int) and number in pending else None


def result_of(reply: Mapping[str, Any]) -> Any:
    """What a reply says; raises the error it says."""
    if "error" in reply:
        raise from_error(reply["error"])
    return reply.get("result")


class Sized(Protocol):
    """A request, with the length of its line."""

    size: int


class LineBuffer(LineCutter):
    """Cuts what comes from a server into messages."""

    def feed(self, data: bytes) -> List[bytes]:
        """Add bytes; return the lines that are complete now, blank ones left out."""
        return [stripped for line in self.cut(data) if (stripped := line.strip())]

    def messages(self, data: bytes) -> Iterator[Dict[str, Any]]:
        """Add bytes; the messages that are complete now."""
        for line in self.feed(data):
            yield from decode(line)
