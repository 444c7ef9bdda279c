"""Arrays of every Arrow type, and types that hold the same values, for the digest's tests."""

from __future__ import annotations

import decimal
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa

Array = pa.Array
D = decimal.Decimal

INTS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
TEXTS = ["", "a", "ab", "é" * 4, "12345678", "123456789", "x" * 63, "x" * 64, "x" * 65, "yz" * 200, "q" * 512]
LONG_TEXTS = [*TEXTS, "q" * 513, "r" * 2000]
BIN = [t.encode() for t in LONG_TEXTS]
MOMENT = datetime(2024, 2, 29, 12, 30, 15)
SAMPLES: dict[str, Array] = {
    "null": pa.nulls(3),
    "bool": pa.array([True, None, False, True]),
    **{str(k): pa.array([0, 1, None, 2 ** (k.bit_width - 1) - 1], k) for k in INTS},
    "negative": pa.array([-1, None, -(2**63), 2**63 - 1]),
    "unsigned": pa.array([2**64 - 1, 0], pa.uint64()),
    "half": pa.array(np.array([0.5, -0.0, np.nan, np.inf], np.float16)),
    "float": pa.array([1.5, -0.0, None, float("nan"), 1e38], pa.float32()),
    "double": pa.array([1.5, -0.0, 0.0, None, float("nan"), -float("inf"), 1e308]),
    "decimal32": pa.array([D("1.50"), None, D("-0.01")], pa.decimal32(5, 2)),
    "decimal64": pa.array([D("1.50"), None, D("-0.01")], pa.decimal64(15, 2)),
    "decimal128": pa.array([D("1.50"), None, D("-0.01"), D(10) ** 30, -(D(10) ** 30)], pa.decimal128(38, 2)),
    "decimal256": pa.array([D("1.50"), None, D("-0.01"), D(10) ** 70, -(D(10) ** 40)], pa.decimal256(76, 2)),
    "date32": pa.array([date(1, 1, 1), None, date(9999, 12, 31)]),
    "date64": pa.array([date(1, 1, 1), None, date(2024, 2, 29)], pa.date64()),
    **{f"timestamp {u}": pa.array([MOMENT, None], pa.timestamp(u)) for u in ("s", "ms", "us", "ns")},
    "zoned": pa.array([MOMENT, None], pa.timestamp("us", "Europe/Berlin")),
    "time32": pa.array([time(1, 2, 3), None], pa.time32("ms")),
    "time64": pa.array([time(1, 2, 3, 4), None], pa.time64("us")),
    "duration": pa.array([timedelta(1, 2), None, -timedelta(3)], pa.duration("us")),
    "interval": pa.array([pa.MonthDayNano([1, -2, 3]), None]),
    "string": pa.array([*LONG_TEXTS, None]),
    "large string": pa.array([*TEXTS, None], pa.large_string()),
    "string view": pa.array([*LONG_TEXTS, None], pa.string_view()),
    "binary": pa.array([b"\0", b"\0\0", b"", None, b"\xff" * 9], pa.binary()),
    "large binary": pa.array([*BIN, None], pa.large_binary()),
    "binary view": pa.array([*BIN, None], pa.binary_view()),
    "one byte": pa.array([b"a", b"b", b"\0"], pa.binary()),
    "fixed 1": pa.array([b"a", None, b"b"], pa.binary(1)),
    "fixed 20": pa.array([b"a" * 20, None, b"b" * 20], pa.binary(20)),
    "fixed 0": pa.array([b"", None], pa.binary(0)),
    "dictionary": pa.array(["x", None, "yy", "x"]).dictionary_encode(),
    "dictionary uint8": pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.uint8()), ["p", None]),
    "dictionary uint64": pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.uint64()), [7, 8]),
    "dictionary empty": pa.DictionaryArray.from_arrays(
        pa.array([None, None], pa.int8()), pa.array([], pa.utf8())
    ),
    "run end": pa.RunEndEncodedArray.from_arrays(pa.array([2, 5], pa.int32()), pa.array(["a", None])),
    "list": pa.array([[1, None], [], None, [2, 3, 4]], pa.list_(pa.int32())),
    "large list": pa.array([["a"], [], None, ["b", None]], pa.large_list(pa.string())),
    "list view": pa.array([[1], [], None, [2, 3]], pa.list_view(pa.int16())),
    "large list view": pa.array([[1], [], None, [2, 3]], pa.large_list_view(pa.int16())),
    "list view out of order": pa.ListViewArray.from_arrays(
        pa.array([3, 0, 1], pa.int32()), pa.array([1, 2, 3], pa.int32()), pa.array([7, 8, None, 9])
    ),
    "fixed list": pa.array([[1, 2], None, [3, None]], pa.list_(pa.int8(), 2)),
    "fixed list 0": pa.array([[], None, []], pa.list_(pa.int8(), 0)),
    "list of list": pa.array([[[1], None], [[]], None], pa.list_(pa.list_(pa.int8()))),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": ""}]),
    "empty struct": pa.array([{}, None], pa.struct([])),
    "map": pa.array([[("a", 1)], None, [], [("b", 2), ("c", None)]], pa.map_(pa.string(), pa.int8())),
    "sparse": pa.UnionArray.from_sparse(
        pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, None]), pa.array(["a", "b", "c"])]
    ),
    "dense": pa.UnionArray.from_dense(
        pa.array([5, 3, 5], pa.int8()),
        pa.array([0, 0, 1], pa.int32()),
        [pa.array([1, None]), pa.array(["a"])],
        ["i", "s"],
        [5, 3],
    ),
    "uuid": pa.array([b"0" * 16, None], pa.binary(16)).cast(pa.uuid()),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1, None], pa.int8())),
}


SAME = {
    "ints": ([1, None, -5], [pa.int8(), pa.int16(), pa.int32(), pa.int64()]),
    "unsigned": ([1, None, 200], [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.int64()]),
    "floats": ([1.5, None, 0.1], [pa.float32(), pa.float64()]),
    "strings": (
        ["a", None, "é" * 30],
        [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    ),
    "bytes": ([b"abc", None, b"xyz"], [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)]),
    "decimals": (
        [D("1.25"), None, D("-3.10")],
        [
            pa.decimal32(7, 2),
            pa.decimal64(15, 2),
            pa.decimal128(15, 2),
            pa.decimal128(38, 2),
            pa.decimal256(50, 2),
        ],
    ),
    "times": ([time(1, 2, 3), None], [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]),
    "durations": ([timedelta(3), None], [pa.duration("s"), pa.duration("ns")]),
    "instants": (
        [datetime(2024, 2, 29), None],
        [
            pa.timestamp("s"),
            pa.timestamp("ms"),
            pa.timestamp("us"),
            pa.timestamp("ns"),
            pa.timestamp("us", "UTC"),
            pa.date64(),
        ],
    ),
    "lists": (
        [[1, 2], None, [3, 4]],
        [pa.list_(pa.int8()), pa.large_list(pa.int64()), pa.list_(pa.int8(), 2), pa.list_view(pa.int32())],
    ),
    "maps": ([[("a", 1)], None], [pa.map_(pa.string(), pa.int8()), pa.map_(pa.large_string(), pa.int64())]),
}
