"""What is taken for a value by its form is one for Arrow's parser, and what is taken for none is none."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock_connectors.formats.delimited_skip import _Reading
from crossdock_connectors.formats.delimited_values import forms, sorted_out

KINDS = [
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
    pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(6, 2),
    pa.decimal128(38, 0), pa.decimal128(3, 3), pa.date32(),
    pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", "UTC"),
]  # fmt: skip
PARTS = [
    "", "-", "+", "0", "1", "9", "99", "255", "0000000", "9223372036854775807", "18446744073709551616", ".",
    "e5", "E-400", "0x", "fF", "nan", "-nan(1)", "Infinity", "true", "False", "TRUE", "tRUE", "2024-02-28",
    "2024-02-30", "1899-12-31", "2024-1-1", " ", "T", "23:59:59", "24:00:00", "12:30", "12", "1230",
    ".123456789", "Z",
    "+02:00", "\t", "\n", "\xa0", "\u0661", "n/a", "x", '"', ",", "1,000", "$",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_texts_of_many_forms(kind: pa.DataType) -> None:
    reading, field = _Reading(None, pa.schema([]), None), pa.field("v", kind)  # type: ignore[arg-type]
    texts = sorted({"".join(each) for each in itertools.product(PARTS, repeat=2)})
    _checked(reading, field, texts)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(KINDS), st.lists(st.sampled_from(PARTS), min_size=3, max_size=5))
def test_texts_of_more_parts(kind: pa.DataType, parts: list[str]) -> None:
    reading, field = _Reading(None, pa.schema([]), None), pa.field("v", kind)  # type: ignore[arg-type]
    _checked(reading, field, ["".join(parts)])


def _checked(reading: _Reading, field: pa.Field, texts: list[str]) -> None:
    known = forms(field.type)
    assert known is not None
    open_ones, none = sorted_out(pa.array(texts), known)
    whether = list(zip(texts, open_ones.to_pylist(), none.to_pylist(), strict=True))
    values = [text.encode() for text, is_open, is_none in whether if not is_open and not is_none]
    assert reading._said(pa.array(values, pa.binary()), field) is None
    refused = [text for text, _, is_none in whether if is_none]
    for text in refused[:: max(1, len(refused) // 150)]:
        assert reading._said(pa.array([text.encode()], pa.binary()), field), repr(text)
