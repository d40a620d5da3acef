# SPDX-License-Identifier: Apache-2.0
"""Values to the wire and back. Pure: no server."""

from __future__ import annotations

import base64
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procctl import _values
from procctl._selectors import processes_to_wire
from procctl.options import Lease, Output, Signals, Stop

kernel_bytes = st.binary(max_size=200).filter(lambda data: b"\0" not in data)


@given(kernel_bytes)
def test_bytes_come_back_as_they_went(data: bytes) -> None:
    wire = _values.to_wire(data)
    assert _values.from_wire(wire) == data
    assert os.fsencode(_values.to_text(wire)) == data


@given(kernel_bytes)
def test_text_of_bytes_means_these_bytes(data: bytes) -> None:
    assert _values.to_wire(os.fsdecode(data)) == _values.to_wire(data)


@given(kernel_bytes)
def test_what_goes_out_is_always_encodable(data: bytes) -> None:
    wire = _values.to_wire(os.fsdecode(data))
    text = wire if isinstance(wire, str) else wire["base64"]
    text.encode("utf-8", "strict")
    assert isinstance(wire, str) == _is_utf8(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_paths_are_bytes_too() -> None:
    assert _values.to_wire(Path("/tmp/ä")) == "/tmp/ä"
    assert _values.to_wire(b"\xff") == {"base64": base64.b64encode(b"\xff").decode()}


@pytest.mark.parametrize("value", ["a\0b", b"a\0b"])
def test_a_nul_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="null byte in argv"):
        _values.to_wire(value, "argv[0]")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 3, ["a"]])
def test_no_bytes_are_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        _values.to_wire(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "seconds, expected", [(0, 0), (1, 1000), (0.07, 70), (0.0001, 1), (2.5, 2500), (1e-9, 0), (0.0011, 2)]
)
def test_seconds_become_milliseconds_rounded_up(seconds: float, expected: int) -> None:
    assert _values.milliseconds(seconds) == expected


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_seconds_that_are_no_duration(seconds: float) -> None:
    with pytest.raises(ValueError):
        _values.milliseconds(seconds)


@given(st.integers(0, 10**9))
def test_whole_milliseconds_stay_what_they_are(number: int) -> None:
    assert _values.milliseconds(number / 1000) == number


def test_signals() -> None:
    assert _values.signal_to_wire(signal.SIGTERM) == 15
    assert type(_values.signal_to_wire(signal.SIGTERM)) is int
    assert _values.signal_to_wire("SIGRTMIN+3") == "SIGRTMIN+3"
    with pytest.raises(TypeError):
        _values.signal_to_wire(True)


def test_environments() -> None:
    assert _values.environment_to_wire({"A": "1", b"B": b"\xff", "C": None}) == {
        "A": "1",
        "B": {"base64": "/w=="},
        "C": None,
    }
    # A name that is not UTF-8 can be no member's: then it is a list of pairs.
    assert _values.environment_to_wire({"A": "1", b"\xff": None}) == [["A", "1"], [{"base64": "/w=="}, None]]
    for name in ("", "A=B", b"\xff="):
        with pytest.raises(ValueError, match="environment variable"):
            _values.environment_to_wire({name: "x"})


@pytest.mark.parametrize(
    "value, error",
    [
        (1 << 63, OverflowError),
        (-(1 << 63) - 1, OverflowError),
        (1.5, TypeError),
        ({1: 2}, TypeError),
        ({"a\0": 1}, ValueError),
        ([object()], TypeError),
    ],
)
def test_what_the_server_could_not_parse_is_refused(value: object, error: type) -> None:
    with pytest.raises(error):
        _values.check({"params": [value]})


def test_deep_nesting_is_refused_before_python_gives_up() -> None:
    value: object = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        _values.check(value)


def test_selectors() -> None:
    assert processes_to_wire(3) == 3
    assert processes_to_wire("all") == "all"
    assert processes_to_wire(x for x in (1, "web")) == [1, "web"]
    assert processes_to_wire({"job": "x"}) == {"labels": {"job": "x"}}
    for wrong in (True, 1.5, [None], None):
        with pytest.raises(TypeError):
            processes_to_wire(wrong)  # type: ignore[arg-type]


def test_options() -> None:
    assert Stop(signal.SIGINT, 0.5).to_wire() == {"signal": 2, "grace_ms": 500}
    assert Lease(3).to_wire() == {"lease_ms": 3000}
    assert Output(100).to_wire() == {"limit": 100}
    assert Signals(ignored=("HUP",), blocked=(signal.SIGINT,)).to_wire() == {"ignored": ["HUP"], "blocked": [2]}
