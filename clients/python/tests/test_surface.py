# SPDX-License-Identifier: Apache-2.0
"""What threads have, asyncio has: the same members with the same arguments and the same words."""

from __future__ import annotations

import inspect
from typing import Any, Dict, List, Set

import pytest

import procctl
from procctl import aio, files
from procctl.aio import files as aio_files
from procctl.aio import text

AWAITED = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__", "__next__": "__anext__"}


def members(kind: type) -> Dict[str, Any]:
    """Its public members, and those that have a syntax of their own."""
    names = [name for name in dir(kind) if not name.startswith("_")]
    names += [name for name in dir(kind) if name in {*AWAITED, *AWAITED.values()}]
    return {name: inspect.getattr_static(kind, name) for name in names}


def waits(member: Any) -> bool:
    return inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)


def parameters(function: Any) -> List[Any]:
    """All that a caller can tell of them."""
    found = [*inspect.signature(function).parameters.values()]
    return [(each.name, each.kind, each.default) for each in found[1:]]


@pytest.mark.parametrize(
    "there, here, at_once",
    [
        (procctl.Client, aio.Client, set()),
        (procctl.Process, aio.Process, {"open"}),
        (procctl.Subscription, aio.Subscription, set()),
    ],
    ids=["Client", "Process", "Subscription"],
)
def test_the_same_members(there: type, here: type, at_once: Set[str]) -> None:
    expected = members(there)
    found = members(here)
    # Only a constructor cannot wait; ``begin`` and ``connect`` take its place.
    assert {AWAITED.get(name, name) for name in expected} == found.keys() - {"begin"}
    for name, theirs in expected.items():
        if name in AWAITED:
            continue
        ours = found[name]
        assert inspect.getdoc(ours) or inspect.isclass(ours), name
        if isinstance(theirs, property):
            assert isinstance(ours, property) and ours.__doc__ == theirs.__doc__, name
            assert waits(ours.fget) == (name == "state"), name
        elif callable(theirs):
            assert parameters(ours) == parameters(theirs), name
            assert waits(ours) == (name not in at_once), name
            if hasattr(theirs, "__wrapped__"):
                assert ours.__doc__ == theirs.__doc__, name


def test_connect() -> None:
    assert inspect.signature(aio.connect).parameters == inspect.signature(procctl.connect).parameters
    assert parameters(aio.Client.__init__) == parameters(procctl.Client.__init__)


def test_nothing_is_without_words() -> None:
    for kind in (procctl.Client, procctl.Process, procctl.Subscription, aio.Client, aio.Process, aio.Subscription):
        for name, member in members(kind).items():
            if name.startswith("__") or not (callable(member) or isinstance(member, property)):
                continue
            assert inspect.getdoc(member), (kind, name)
            if callable(member):
                assert next(iter(inspect.signature(member).parameters)) in ("self", "process"), (kind, name)


READING = ("read", "readline", "seek", "tell", "close", "closed", "readable", "writable", "seekable", "isatty", "name")
WRITING = ("write", "flush", "close", "closed", "readable", "writable", "seekable", "isatty", "name")


@pytest.mark.parametrize(
    "there, here, names",
    [
        (files.OutputReader, aio_files.OutputReader, (*READING, "read1", "readinto", "mode")),
        (files.InputWriter, aio_files.InputWriter, (*WRITING, "mode")),
        (files.TerminalFile, aio_files.TerminalFile, ("read", "readline", "read1", "readinto", *WRITING[:-1])),
        (files.io.TextIOWrapper, text.OutputText, (*READING, "buffer", "encoding", "errors")),
        (files.InputText, text.InputText, (*WRITING, "buffer", "encoding", "errors")),
    ],
    ids=["reader", "writer", "terminal", "text from", "text to"],
)
def test_the_files_have_the_names_of_those_of_io(there: type, here: Any, names: Any) -> None:
    for name in names:
        assert hasattr(there, name), name
        assert hasattr(here, name) or name in ("name", "buffer", "encoding", "errors"), name
    waiting = {"read", "read1", "readline", "readinto", "seek", "write", "flush", "drain", "close"}
    for name in waiting & {*names}:
        assert waits(getattr(here, name)), name
