"""Reading a piece of a JSON lines file, and the schema from a sample of its lines."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.json as pajson

from crossdock import DataError

from .jsonlines_text import (
    LARGEST_ROW,
    JsonFile,
    Range,
    Shape,
    open_text,
    parse,
    read_failure,
    read_up_to,
    sample_failure,
)
from .jsonlines_types import readable

BLOCK = 1 << 20
_SPOTS = 8
_BLANK = b" \t\r\n\xef\xbb\xbf"
_LONG_ROW = "straddling object"
_LARGE_NUMBER = re.compile(rb"[0-9]{16}")
_SAFE = 10**15
"""Below this a float is as exact as people expect of one."""

Batches: TypeAlias = Generator[pa.RecordBatch, None, None]


def infer_schema(of: JsonFile, types: dict[str, pa.DataType], sample_bytes: int) -> pa.Schema:
    """Types that hold every sampled value; ``types`` replaces some and adds columns that the sample lacks."""
    sample = b"".join(_sample(of, sample_bytes))
    found = _parsed_schema(of, sample, types)
    if _LARGE_NUMBER.search(sample) and any(_has_double(field.type) for field in found):
        rows = [json.loads(line, parse_float=Decimal) for line in sample.splitlines() if line.strip()]
        found = pa.schema([f.with_type(_exact(f.type, [r.get(f.name) for r in rows])) for f in found])
    fields = {field.name: _plain(field.type) for field in found} | types
    if not fields and sample.strip(_BLANK):
        raise DataError(f"{of.path} has no row that names a column")
    return pa.schema(list(fields.items()))


def _sample(of: JsonFile, size: int) -> Iterator[bytes]:
    """Whole lines from the start and, in a larger file, from places spread over it."""
    wanted = size
    while True:
        with open_text(of) as stream:
            data = read_up_to(stream, wanted)
        end = len(data) if len(data) < wanted else data.rfind(b"\n") + 1
        if end or wanted > LARGEST_ROW:
            break
        wanted *= 4
    yield data[:end] + b"\n"
    if of.sequential or of.size < 4 * wanted:
        return
    length = size // _SPOTS
    for number in range(1, _SPOTS + 1):
        start = (of.size - length) * number // _SPOTS
        with open_text(of, start, start + length) as stream:
            data = read_up_to(stream, length)
        begin, end = data.find(b"\n") + 1, data.rfind(b"\n") + 1
        if 0 < begin < end:
            yield data[begin:end]


def _parsed_schema(of: JsonFile, sample: bytes, types: dict[str, pa.DataType]) -> pa.Schema:
    if not sample.strip(_BLANK):
        return pa.schema([])
    known = pa.schema([(name, readable(kind)) for name, kind in types.items()])
    try:
        options = pajson.ParseOptions(explicit_schema=known, unexpected_field_behavior="infer")
        return parse(sample, options).schema
    except pa.ArrowInvalid as error:
        raise sample_failure(error, of, len(sample)) from None


def _has_double(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _has_double(kind.value_type)
    if pa.types.is_struct(kind):
        return any(_has_double(field.type) for field in kind)
    return bool(pa.types.is_float64(kind))


def _exact(kind: pa.DataType, values: Iterable[Any]) -> pa.DataType:
    """A decimal in place of a double that does not hold the large numbers it was taken for."""
    present = [value for value in values if value is not None]
    if pa.types.is_list(kind):
        return pa.list_(_exact(kind.value_type, [item for value in present for item in value]))
    if pa.types.is_struct(kind):
        return pa.struct([(f.name, _exact(f.type, [value.get(f.name) for value in present])) for f in kind])
    if not pa.types.is_float64(kind):
        return kind
    numbers = [Decimal(value) for value in present]
    if not any(abs(number) >= _SAFE and Decimal(float(number)) != number for number in numbers):
        return kind
    scale = max(-int(number.as_tuple().exponent) for number in numbers)
    digits = max(scale, 0) + max(number.adjusted() for number in numbers) + 1
    return pa.decimal128(38, max(scale, 0)) if digits <= 38 else kind


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type that is kept of what Arrow inferred: text that looks like a time is text."""
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    return pa.string() if pa.types.is_timestamp(kind) or pa.types.is_null(kind) else kind


def read_batches(of: JsonFile, span: Range, schema: pa.Schema, ignore_unexpected: bool) -> Batches:
    """The rows of a range as batches of ``schema``.

    A line that is longer than the block is read again with a larger one, up to LARGEST_ROW.
    """
    block, done = BLOCK, 0
    shape = Shape(schema, ignore_unexpected)
    while True:
        skip = done
        try:
            with closing(_stream(of, span, shape, block)) as batches:
                for batch in batches:
                    if batch.num_rows > skip:
                        shaped = shape.shaped(batch.slice(skip))
                        done += shaped.num_rows
                        yield shaped
                    skip = max(skip - batch.num_rows, 0)
            return
        except pa.ArrowInvalid as error:
            if "Empty JSON stream" in str(error):
                return
            if _LONG_ROW not in str(error) or block >= LARGEST_ROW:
                raise read_failure(error, of, span, done, shape) from None
            block *= 4


def _stream(of: JsonFile, span: Range, shape: Shape, block: int) -> Batches:
    with open_text(of, *span) as stream:
        options = pajson.ReadOptions(use_threads=False, block_size=block)
        yield from pajson.open_json(stream, read_options=options, parse_options=shape.parse_options)
