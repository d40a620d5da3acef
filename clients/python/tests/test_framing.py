# SPDX-License-Identifier: Apache-2.0
"""Messages and lines. Pure: no server."""

from __future__ import annotations

import json
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procctl._framing import LineBuffer, decode, encode

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(values)
def test_a_message_is_one_line(params: object) -> None:
    line = encode("m", {"p": params}, 7)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert decode(line) == [{"jsonrpc": "2.0", "id": 7, "method": "m", "params": {"p": params}}]


def test_a_notification_has_no_id_and_no_params_are_none() -> None:
    assert json.loads(encode("m", None, None)) == {"jsonrpc": "2.0", "method": "m"}


@pytest.mark.parametrize("text", ["\ud800", "a\udcff"])
def test_lone_surrogates_are_never_sent(text: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        encode("m", [text], 1)


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line and line.strip() == line)), st.data())
def test_lines_come_out_whole_however_they_arrive(lines: List[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    buffer, found = LineBuffer(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)]):
        found += buffer.feed(stream[start:end])
    assert found == lines
    assert len(buffer) == 0 and buffer.rest() == b""


def test_blank_lines_and_carriage_returns_are_nothing() -> None:
    assert LineBuffer().feed(b"\n\r\n  \n{}\r\n[") == [b"{}"]


@pytest.mark.parametrize("line", [b"3", b"nonsense", b"[3]", b'"text"', b"\xff"])
def test_what_is_no_message_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)


def test_a_batch_is_its_members() -> None:
    assert decode(b'[{"id":1},{"id":2}]') == [{"id": 1}, {"id": 2}]
