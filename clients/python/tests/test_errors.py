# SPDX-License-Identifier: Apache-2.0
"""Errors of the wire as exceptions. Pure: no server."""

from __future__ import annotations

import errno
import os
import pickle
from typing import Type

import pytest
from hypothesis import given
from hypothesis import strategies as st

import procctl
from procctl.errors import from_error


@pytest.mark.parametrize(
    "code, kind, also",
    [
        (-32700, procctl.ProtocolError, Exception),
        (-32600, procctl.ProtocolError, Exception),
        (-32601, procctl.MethodNotFound, procctl.ProtocolError),
        (-32602, procctl.InvalidParams, ValueError),
        (-32603, procctl.ProtocolError, Exception),
        (-32800, procctl.RequestCancelled, Exception),
        (1, procctl.NoSuchProcess, ProcessLookupError),
        (2, procctl.AlreadyExited, Exception),
        (3, procctl.SpawnError, OSError),
        (4, procctl.ExecError, OSError),
        (5, procctl.NotPermitted, PermissionError),
        (6, procctl.WrongState, Exception),
        (7, procctl.NameTaken, Exception),
        (8, procctl.LimitReached, Exception),
        (9, procctl.NotSupported, Exception),
        (10, procctl.StreamClosed, Exception),
        (4711, procctl.ProcctlError, Exception),
    ],
)
def test_every_code_has_its_class(code: int, kind: Type[procctl.ProcctlError], also: Type[Exception]) -> None:
    error = from_error({"code": code, "message": "what happened", "data": {"kind": "the_kind"}})
    assert type(error) is kind
    assert isinstance(error, also) and isinstance(error, procctl.ProcctlError)
    assert (error.code, error.kind, str(error)) == (code, "the_kind", "what happened")


@pytest.mark.parametrize("base, code", [(procctl.SpawnError, 3), (procctl.ExecError, 4)])
@given(number=st.sampled_from(sorted(errno.errorcode)))
def test_a_failed_start_is_the_os_error_of_its_errno(base: Type[procctl.StartError], code: int, number: int) -> None:
    error = from_error(
        {"code": code, "message": "m", "data": {"kind": "k", "errno": number, "stage": "exec", "path": "/x"}}
    )
    assert isinstance(error, base)
    assert isinstance(error, type(OSError(number, "")))
    assert (error.errno, error.strerror, error.filename, error.stage) == (number, os.strerror(number), "/x", "exec")


def test_paths_that_are_no_text() -> None:
    error = from_error({"code": 3, "message": "m", "data": {"errno": 2, "path": {"base64": "L/8="}}})
    assert isinstance(error, FileNotFoundError) and error.filename == os.fsdecode(b"/\xff")


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": "m", "data": {"kind": "spawn_failed", "errno": 2, "stage": "exec", "path": "x"}},
        {"code": 5, "message": "m", "data": {"kind": "not_permitted"}},
        {
            "code": -32602,
            "message": "m",
            "data": {"kind": "invalid_params", "path": "cwdd", "expected": "e", "found": "f"},
        },
    ],
)
def test_errors_survive_pickling(error: "dict[str, object]") -> None:
    before = from_error(error)
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is type(before)
    assert (str(after), after.code, after.data) == (str(before), before.code, before.data)


def test_the_parts_have_names() -> None:
    invalid = from_error(
        {"code": -32602, "message": "m", "data": {"path": "argv[0]", "expected": "bytes", "found": "null"}}
    )
    assert isinstance(invalid, procctl.InvalidParams)
    assert (invalid.path, invalid.expected, invalid.found) == ("argv[0]", "bytes", "null")
    taken = from_error({"code": 7, "message": "m", "data": {"process": 4}})
    assert isinstance(taken, procctl.NameTaken) and taken.process == 4
    limit = from_error({"code": 8, "message": "m", "data": {"limit": "processes", "maximum": 2}})
    assert isinstance(limit, procctl.LimitReached) and (limit.limit, limit.maximum) == ("processes", 2)


@pytest.mark.parametrize("data", [None, "text", [1]])
def test_strange_data_is_kept(data: object) -> None:
    assert from_error({"code": 3, "message": "m", "data": data}).data == {"value": data}


def test_errno_of_those_that_have_one_by_nature() -> None:
    assert procctl.NoSuchProcess("m").errno == errno.ESRCH
    assert procctl.NotPermitted("m").errno == errno.EPERM
