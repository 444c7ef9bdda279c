"""The data of the data-driven checks: types, names and paths, and what counts as lossless."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class TypeCase:
    """Values of one type. ``core`` types may not be refused."""

    name: str
    type: pa.DataType
    values: tuple[Any, ...]
    core: bool = False

    def table(self) -> pa.Table:
        """An ``id`` that orders the rows and the values, one of them null."""
        values = pa.array([*self.values, None], self.type)
        return pa.table({"id": pa.array(range(len(values)), pa.int64()), "value": values})


_UTC = dt.timezone.utc  # noqa: UP017 - the alias reads worse in the table below
_MOMENTS = (
    dt.datetime(1970, 1, 1),
    dt.datetime(2024, 2, 29, 23, 59, 59, 123456),
    dt.datetime(1582, 10, 15, 1, 2, 3),
    dt.datetime(9999, 12, 31, 23, 59, 59),
)
_DAYS = (dt.date(1970, 1, 1), dt.date(1, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31))
_TEXTS = ("plain", "", " padded ", "NULL", "null", "x" * 70_000, "quote\"d 'x'", "a,b;c\td", "line\r\nbreak")
_SCRIPTS = ("żółć", "漢字", "e\u0301", "😀👩‍👩‍👧", "עברית", "\u200b", "\ufeffbom")

TYPE_CASES = (
    TypeCase("int8", pa.int8(), (-(2**7), -1, 0, 2**7 - 1)),
    TypeCase("int16", pa.int16(), (-(2**15), 0, 2**15 - 1)),
    TypeCase("int32", pa.int32(), (-(2**31), 0, 2**31 - 1)),
    TypeCase("int64", pa.int64(), (-(2**63), -(2**53) - 1, -1, 0, 1, 2**53 + 1, 2**63 - 1), core=True),
    TypeCase("uint8", pa.uint8(), (0, 2**8 - 1)),
    TypeCase("uint16", pa.uint16(), (0, 2**16 - 1)),
    TypeCase("uint32", pa.uint32(), (0, 2**32 - 1)),
    TypeCase("uint64", pa.uint64(), (0, 2**63 - 1, 2**63, 2**64 - 1)),
    TypeCase("float32", pa.float32(), (0.0, 1.5, -2.25, 3.4028234663852886e38, 1e-45)),
    TypeCase("float64", pa.float64(), (0.0, 0.1, -1e300, 5e-324, 1.7976931348623157e308, 1 / 3), core=True),
    TypeCase("float_nan", pa.float64(), (math.nan, 1.0)),
    TypeCase("float_inf", pa.float64(), (math.inf, -math.inf, 1.0)),
    TypeCase("float_minus_zero", pa.float64(), (-0.0, 1.5)),
    TypeCase("string", pa.string(), _TEXTS, core=True),
    TypeCase("string_unicode", pa.string(), _SCRIPTS, core=True),
    TypeCase("string_digits", pa.string(), ("007", "1e5", "1.50", "text"), core=True),
    TypeCase("string_nul", pa.string(), ("a\0b", "x")),
    TypeCase("string_nulls", pa.string(), (None, None)),
    TypeCase("large_string", pa.large_string(), ("a", "", "żółć")),
    TypeCase("dictionary", pa.dictionary(pa.int32(), pa.string()), ("a", "b", "a")),
    TypeCase("binary", pa.binary(), (b"\x00\xff\x80", b"", b"text", bytes(range(256)))),
    TypeCase("binary_fixed", pa.binary(4), (b"\x00\xff\x80\n", b"abcd")),
    TypeCase("bool", pa.bool_(), (True, False)),
    TypeCase("date32", pa.date32(), _DAYS),
    TypeCase("date64", pa.date64(), _DAYS),
    TypeCase("timestamp_s", pa.timestamp("s"), tuple(m.replace(microsecond=0) for m in _MOMENTS)),
    TypeCase("timestamp_ms", pa.timestamp("ms"), (-1, 0, 1_709_251_199_123)),
    TypeCase("timestamp_us", pa.timestamp("us"), _MOMENTS),
    TypeCase("timestamp_ns", pa.timestamp("ns"), (1, -1, 1_709_251_199_123_456_789)),
    TypeCase("timestamp_utc", pa.timestamp("us", "UTC"), tuple(m.replace(tzinfo=_UTC) for m in _MOMENTS)),
    TypeCase("timestamp_zone", pa.timestamp("us", "Europe/Paris"), (0, 1_709_251_199_123_456)),
    TypeCase("time_s", pa.time32("s"), (0, 86_399)),
    TypeCase("time_us", pa.time64("us"), (0, 86_399_999_999)),
    TypeCase("duration", pa.duration("us"), (-1, 0, 10**12)),
    TypeCase("decimal", pa.decimal128(12, 2), (Decimal("-1234567890.12"), Decimal("0.00"), Decimal("0.10"))),
    TypeCase("decimal_wide", pa.decimal128(38, 10), (Decimal("1234567890123456789012345678.0123456789"),)),
    TypeCase("list", pa.list_(pa.int64()), ([1, 2], [], [None])),
    TypeCase("struct", pa.struct([("a", pa.int64()), ("b", pa.string())]), ({"a": 1, "b": "x"},)),
    TypeCase("null", pa.null(), (None, None)),
)
TYPE_NAMES = [case.name for case in TYPE_CASES]

COLUMN_NAMES = {
    "double_quote": 'a"b',
    "single_quote": "a'b",
    "backtick": "a`b",
    "brackets": "a]b[c",
    "comment": "a;--b",
    "space": "a b",
    "padded": " a ",
    "keyword": "select",
    "rowid": "rowid",
    "dot": "a.b",
    "comma": "a,b",
    "tab": "a\tb",
    "newline": "a\nb",
    "marker": "?",
    "named_marker": ":id",
    "percent": "%s %(x)s",
    "backslash": "a\\b",
    "accent": "ünï",
    "emoji": "😀",
    "digits": "123",
    "long": "c" * 120,
    "empty": "",
    "case_pair": "ID",
    "duplicate": "id",
}

TABLE_NAMES = {
    "double_quote": 'a"b',
    "single_quote": "a'b",
    "brackets": "a]b[c",
    "comment": "a; drop table a; --",
    "space": "a b",
    "keyword": "select",
    "dot": "a.b",
    "percent": "100%41",
    "accent": "ünï",
    "emoji": "😀",
    "parent": "../outside",
    "dots": "..",
    "long": "t" * 100,
    "too_long": "t" * 5000,
}

GOOD_PATHS = {
    "plain": "a.bin",
    "nested": "a/b/c/d/e.bin",
    "spaces": "a b/ c .bin",
    "accent": "dir/żółć.bin",
    "cjk": "漢字/データ.bin",
    "emoji": "😀.bin",
    "punctuation": "a#b?c%41&d+e=f;g'h[1]{2}!(x)$~.bin",
    "leading_dots": "dir/..a/b...c",
    "long_name": "n" * 180 + ".bin",
    "deep": "/".join(["d"] * 30) + "/x",
    "dash": "-rf",
}

HOSTILE_PATHS = {
    "parent": "../outside",
    "parent_inside": "a/../../outside",
    "only_parent": "..",
    "absolute": "/outside",
    "nul": "a\0b",
    "newline": "a\nb",
    "escape": "a\x1b[31mb",
}


def lossless(written: pa.ChunkedArray, read: pa.ChunkedArray) -> str:
    """Compare what came back with what was written; returns the difference in words, "" for none.

    The type may be another one as long as a safe cast gives the same values: a database without
    dates may keep them as text.
    """
    try:
        found = _values(_converted(read, written.type))
    except (pa.ArrowException, ValueError) as error:
        return f"{written.type} came back as {read.type}, which does not convert back: {error}"
    wanted = _values(written)
    wrong = [(w, f) for w, f in zip(wanted, found, strict=False) if w != f]
    if wrong:
        return f"{written.type} came back as {read.type}: {wrong[0][0]!s:.200} became {wrong[0][1]!s:.200}"
    return "" if len(wanted) == len(found) else f"{len(wanted)} values became {len(found)}"


def _converted(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A safe cast, with the two that Arrow lacks: text to a time of day, anything null to null."""
    if pa.types.is_time(kind) and pa.types.is_string(column.type):
        times = [text and dt.time.fromisoformat(text) for text in column.to_pylist()]
        return pa.chunked_array([pa.array(times, kind)])
    if pa.types.is_null(kind) and column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))])
    return column.cast(kind)


def _values(column: pa.ChunkedArray) -> list[str]:
    """Values that compare as they should: NaN equals NaN, -0.0 is not 0.0, nanoseconds count."""
    kind = column.type
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        column = column.cast(width)
    return [repr(value) for value in column.to_pylist()]
