# SPDX-License-Identifier: Apache-2.0
"""Python values to wire values and back.

Bytes of the kernel (argv, environment, paths, output) need not be UTF-8, JSON has to be: such values travel as a string
when they are UTF-8 and as ``{"base64": "…"}`` when they are not. Durations are whole milliseconds on the wire and
seconds in Python.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import signal as signals
from typing import Any, Dict, List, Mapping, Tuple, Union

BytesLike = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
"""What may stand for bytes of the kernel: text is encoded as ``os.fsencode`` does, so ``os.environ`` and ``sys.argv``
come out as they went in."""

WireBytes = Union[str, Dict[str, str]]
SignalLike = Union[int, str]

_INT64 = 1 << 63


def to_wire(value: BytesLike, what: str = "value") -> WireBytes:
    """Bytes of the kernel as they go over the wire.

    Raises ValueError for a NUL, which no argument, variable or path can hold (execve(2)), and TypeError for what is no
    text, bytes or path.
    """
    if type(value) is str and value.isascii() and "\0" not in value:
        # The same bytes in every encoding a file system can have, and by far the most there are.
        return value
    try:
        data = os.fsencode(value)
    except TypeError:
        raise TypeError(f"{what} must be str, bytes or os.PathLike, not {type(value).__name__}") from None
    if b"\0" in data:
        raise ValueError(f"embedded null byte in {what}")
    return data_to_wire(data)


def data_to_wire(data: bytes) -> WireBytes:
    """Any bytes as a string, or as base64 when they are not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def from_wire(value: WireBytes) -> bytes:
    """The bytes behind a wire value."""
    if isinstance(value, str):
        return value.encode("utf-8")
    return _decoded(value["base64"])


def data_from_wire(members: Mapping[str, Any]) -> bytes:
    """The bytes of an answer that has them as ``text`` or as ``base64``; none when it has neither."""
    if "base64" in members:
        return _decoded(members["base64"])
    return str(members.get("text", "")).encode("utf-8")


def _decoded(text: str) -> bytes:
    """The bytes of base64. A stray character is an error; b64decode(validate=True) finds it with a regular expression
    before Python 3.11, ten times slower, this way its absence in the result does.
    """
    data = binascii.a2b_base64(text)
    if len(data) != len(text) // 4 * 3 - text[-2:].count("=") or len(text) % 4:
        raise ValueError("not base64")
    return data


def to_text(value: WireBytes) -> str:
    """The bytes behind a wire value as Python's own text for them (``os.fsdecode``: surrogates stand for what is not
    UTF-8).
    """
    return os.fsdecode(from_wire(value))


def milliseconds(seconds: float, what: str = "timeout") -> int:
    """Seconds as whole milliseconds, rounded up so that nothing ends too early."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"{what} must be a number of seconds, not {type(seconds).__name__}")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{what} must be a finite number of seconds, 0 or more, not {seconds}")
    # Rounded to the microsecond first: 0.07 s is 70 ms, though 0.07 * 1000 is a little more.
    return math.ceil(round(seconds * 1000, 3))


def signal_to_wire(value: SignalLike) -> Union[int, str]:
    """A signal by number (``signal.SIGTERM`` included) or by name ("TERM", "SIGTERM", "SIGRTMIN+3")."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"a signal is a number or a name, not {type(value).__name__}")
    return value if isinstance(value, str) else int(value)


def signal_name(number: int) -> str:
    """The name the server would use for a signal: "SIGTERM", "SIGRTMIN+3"."""
    if signals.SIGRTMIN < number <= signals.SIGRTMAX:
        return f"SIGRTMIN+{number - signals.SIGRTMIN}"
    try:
        return signals.Signals(number).name
    except ValueError:
        return str(number)


def environment_to_wire(env: Mapping[Any, Any]) -> Any:
    """An environment, or changes to one (None unsets): an object, or pairs when a name is not UTF-8, which no object
    can have for a name. Raises ValueError for a name that no environment can hold.
    """
    pairs: List[Tuple[Any, Any]] = []
    texts = True
    for key, value in env.items():
        name = to_wire(key, "an environment variable's name")
        texts = texts and isinstance(name, str)
        if not name or ("=" in name if isinstance(name, str) else b"=" in os.fsencode(key)):
            raise ValueError(f"illegal environment variable name: {key!r}")
        pairs.append((name, None if value is None else to_wire(value, "an environment variable")))
    return Checked(pairs) if texts else [[name, value] for name, value in pairs]


class Checked(Dict[str, Any]):
    """An object that is made of wire values: ``check`` need not go through it."""


def check(value: Any, depth: int = 0) -> None:
    """Raise for what the server's JSON cannot hold: numbers beyond int64 or not whole, keys that are no text or hold a
    NUL, deep nesting.

    A message the server cannot parse has no id, so nobody could be told what became of it; hence nothing unparsable is
    ever sent. Lone surrogates are refused when the message is encoded.
    """
    if value is None or isinstance(value, (str, bool, Checked)):
        return
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise OverflowError(f"{value} does not fit into 64 bits")
    elif depth > 500:
        raise ValueError("nested too deeply")
    elif isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise TypeError(f"member names are text, not {type(key).__name__}")
            if "\0" in key:
                raise ValueError("embedded null character in a member's name")
            if type(member) is not str:  # As most are: a call less.
                check(member, depth + 1)
    elif isinstance(value, (list, tuple)):
        for member in value:
            if type(member) is not str:
                check(member, depth + 1)
    else:
        raise TypeError(f"cannot be sent as JSON: {type(value).__name__}")
