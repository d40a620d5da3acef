# SPDX-License-Identifier: Apache-2.0
"""How one names a process, and several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Mapping, Union, cast

if TYPE_CHECKING:
    from ._handle import AnyHandle
    from .record import Record

Ref = Union[int, str, "AnyHandle", "Record"]
"""A process: its id, its name, a handle or a record of it."""

Selector = Union[Ref, Iterable[Ref], Mapping[str, str]]
"""Processes: one, several, those that have all these labels, or ``"all"``."""


def process_to_wire(ref: Ref) -> Union[int, str]:
    """An id or a name."""
    number = ref if isinstance(ref, (int, str)) else getattr(ref, "id", None)
    if isinstance(number, bool) or not isinstance(number, (int, str)):
        raise TypeError(f"a process is named by an id, a name, a Process or a Record, not by {type(ref).__name__}")
    return number


def processes_to_wire(selector: Selector) -> Any:
    """An id, a name, a list of them, or {labels}."""
    if isinstance(selector, Mapping):
        return {"labels": dict(selector)}
    if isinstance(selector, (int, str)) or hasattr(selector, "id"):
        return process_to_wire(cast(Ref, selector))
    if not isinstance(selector, Iterable):
        raise TypeError(
            f"processes are named by ids, names, Process handles or labels, not by {type(selector).__name__}"
        )
    return [process_to_wire(ref) for ref in selector]
