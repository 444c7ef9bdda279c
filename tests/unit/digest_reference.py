"""The table digest once more, from its definition: value by value in plain Python, from Arrow scalars."""

from __future__ import annotations

import decimal
import math
import struct
from typing import Any

import pyarrow as pa
import pyarrow.types as pt
import xxhash

M = 2**64
DIGITS = decimal.Context(prec=100)


def splitmix(state: int) -> int:
    z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % M
    z = (z ^ z >> 27) * 0x94D049BB133111EB % M
    return z ^ z >> 31


def key(stream: int, index: int) -> int:
    return splitmix((splitmix(stream) + (index + 1) * 0x9E3779B97F4A7C15) % M) | 1


NULL = key(0, 0)
STRUCT, POSITION, ELEMENT, MIX, LENGTH, UNION = (key(0x11, i) for i in range(6))
UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def step(value: int, lane: int, by: int) -> int:
    value = (value ^ lane) * by % M
    return value ^ value >> 32


def digest(batches: list[pa.RecordBatch]) -> tuple[int, int, int]:
    rows = first = second = 0
    for batch in batches:
        for at in range(batch.num_rows):
            row = [column[at] for column in batch.columns]
            value = key(0x5EED, 0)
            for index, scalar in enumerate(row):
                value = step(value, number(scalar), key(0xC01, index))
            value = value * key(0x5EED, 1) % M
            value ^= value >> 29
            first += value
            for index, shift in ((2, 32), (3, 29)):
                value = value * key(0x5EED, index) % M
                value ^= value >> shift
            second += value
            rows += 1
    return rows, first % M, second % M


def number(scalar: Any) -> int:
    kind = scalar.type
    if isinstance(kind, pa.BaseExtensionType) or pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
        inner = scalar.value
        return NULL if inner is None else number(inner)
    if pt.is_union(kind):
        code = step(scalar.type_code, UNION, MIX)
        return step(code, NULL if scalar.value is None else number(scalar.value), ELEMENT)
    if not scalar.is_valid:
        return NULL
    if pt.is_nested(kind):
        return nested(scalar)
    return flat(scalar)


def flat(scalar: Any) -> int:  # noqa: PLR0911
    kind, value = scalar.type, scalar.as_py() if not pt.is_temporal(scalar.type) else None
    if pt.is_interval(kind):
        months, days, nanos = scalar.as_py()
        return text(struct.pack("<iiq", months, days, nanos))
    if pt.is_date32(kind):
        return scalar.value * 86_400 * 10**9 % M
    if pt.is_temporal(kind):
        return scalar.value * (10**6 if pt.is_date64(kind) else UNITS[kind.unit]) % M
    if pt.is_boolean(kind) or pt.is_integer(kind):
        return int(value) % M
    if pt.is_decimal(kind):
        return wide(int(value.scaleb(kind.scale, DIGITS)))
    if pt.is_floating(kind):
        value = float(value)
        real = math.nan if math.isnan(value) else value if value else 0.0
        return 0x7FF8 << 48 if math.isnan(value) else int.from_bytes(struct.pack("<d", real), "little")
    return text(value.encode() if isinstance(value, str) else value)


def wide(value: int) -> int:
    """The low word, and each further word as far as it is not the sign of the word below it."""
    word = [value >> 64 * i & M - 1 for i in range(4)]
    extra = [word[i] + (word[i - 1] >> 63) for i in range(1, 4)]
    return (word[0] + sum(key(0xDEC, i) * part for i, part in enumerate(extra))) % M


def text(value: bytes) -> int:
    if len(value) > 512:
        return xxhash.xxh3_64_intdigest(value)
    total = len(value) * key(0x1E9, 0)
    for k in range(0, len(value), 8):
        word = value[k : k + 8]
        product = int.from_bytes(word.rjust(8, b"\0"), "little") * key(0xA, k // 8) % M
        total += (product ^ product >> 32) * key(0xB, k // 8)
    return total % M


def nested(scalar: Any) -> int:
    kind = scalar.type
    if pt.is_struct(kind):
        return fields([scalar[i] for i in range(kind.num_fields)])
    total = 0
    for position, element in enumerate(scalar.values):
        lane = fields([element["key"], element["value"]]) if pt.is_map(kind) else number(element)
        total += step(step(POSITION, position, ELEMENT), lane, MIX)
    return (total + len(scalar.values) * LENGTH) % M


def fields(scalars: list[Any]) -> int:
    value = STRUCT
    for index, scalar in enumerate(scalars):
        value = step(value, number(scalar), key(0x57, index))
    return value
