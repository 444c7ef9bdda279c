"""The schema of a delimited file from a sample of its rows.

A type is only taken where the text survives it: ``00501`` stays text, so does a number so large
that a float does not hold it exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from .delimited_nulls import Marked, marked_columns
from .delimited_read import convert_options, failure
from .delimited_text import LARGEST_ROW, DelimitedFile, Dialect, Layout, keeps_ascii, read_start, whole_rows

_SPOTS = 8
_LONGEST = 10_000
"""Bytes of a value that may be anything but text."""
_INTEGER = r"^\s*-?(0|[1-9][0-9]*)\s*$"
_LEADING_ZERO = r"^\s*[-+]?0[0-9]"
_LARGE = r"^\s*[-+]?[0-9]{16,}"
_MICROSECONDS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:]{8}(\.[0-9]{1,6})?%s$"
_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_FRACTION_OF_DAY = r"^([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,6})?$"
_NANOSECONDS = r"\.[0-9]{7,}"


def infer_schema(of: DelimitedFile, layout: Layout, sample_bytes: int) -> tuple[pa.Schema, Sequence[Marked]]:
    """Types that hold every sampled value, and the columns that are text only for want of a null_value.

    Raises DataError where the first rows cannot be read.
    """
    dialect, names = of.dialect, layout.names
    first = _first_rows(of, layout.data_start, sample_bytes)
    try:
        texts = [_parse(first, names, dialect, dict.fromkeys(names, pa.string()))]
    except pa.ArrowInvalid as error:
        raise failure(error, of, layout.data_start, names) from None
    samples = [first]
    for spot in _spots(of, layout.data_start, sample_bytes):
        try:
            texts.append(_parse(spot, names, dialect, dict.fromkeys(names, pa.string())))
        except pa.ArrowInvalid:
            # Not cut where rows start, as a quoted value goes on over the cut: nothing is learnt here.
            continue
        samples.append(spot)
    text = pa.concat_tables(texts)
    if not text.num_rows:
        return pa.schema([(name, pa.string()) for name in names]), ()
    # Arrow tries seven types and writes the value into an error each time, which takes seconds for 60 MB.
    long = {name: pa.string() for name, column in zip(names, text.columns, strict=True) if _is_long(column)}
    typed = _parse(b"".join(samples), names, dialect, long)
    fields = [(name, _refine(typed.field(i).type, text.column(i))) for i, name in enumerate(names)]
    schema = pa.schema(fields)
    # Only the first rows are whole from the start of the file, so that they can be counted.
    return schema, list(marked_columns(schema, text, texts[0].num_rows))


def _first_rows(of: DelimitedFile, start: int, size: int) -> bytes:
    """Whole rows from the first on, as UTF-8; at least one where there is one."""
    while True:
        data = read_start(of, size, start)
        end = len(data) if len(data) < size else whole_rows(data, of.dialect)
        if end or not data or size > LARGEST_ROW:
            return _utf8(_ended(data[:end]), of.dialect)
        size *= 4


def _spots(of: DelimitedFile, start: int, sample_bytes: int) -> list[bytes]:
    """Rows from places spread over a larger file, where those can be found without reading all of it."""
    dialect, size, length = of.dialect, of.size, sample_bytes // _SPOTS
    dear = dialect.gzip or dialect.escape or dialect.foreign or getattr(of.file, "sequential", False)
    if dear or not keeps_ascii(dialect.encoding) or size - start < 4 * sample_bytes:
        return []
    spots = []
    step = (size - start - length) // _SPOTS
    for number in range(1, _SPOTS + 1):
        # The last one goes to the very end: half a value there would look like a value.
        at = start + number * step if number < _SPOTS else size - length
        data = read_start(of, length, at)
        begin = data.find(b"\n") + 1
        end = len(data) if number == _SPOTS else begin + whole_rows(data[begin:], dialect)
        if begin < end:
            spots.append(_utf8(_ended(data[begin:end]), dialect))
    return spots


def _ended(rows: bytes) -> bytes:
    return rows if not rows or rows.endswith((b"\n", b"\r")) else rows + b"\n"


def _utf8(rows: bytes, dialect: Dialect) -> bytes:
    same = dialect.byte_codec in ("utf-8", "ascii") and not dialect.lenient
    return rows if same else rows.decode(dialect.byte_codec, "replace").encode()


def _is_long(column: pa.ChunkedArray) -> bool:
    return (pc.max(pc.binary_length(column)).as_py() or 0) > _LONGEST


def _parse(rows: bytes, names: list[str], dialect: Dialect, kinds: dict[str, pa.DataType]) -> pa.Table:
    """One table in one block. ``kinds`` are the types of columns; those of the others are inferred."""
    options = convert_options(dialect.nulls, kinds)
    if len(kinds) < len(names):
        # Else 0, 1 and true in one column make a bool of what may be a number.
        options.true_values = ["true", "True", "TRUE"]
        options.false_values = ["false", "False", "FALSE"]
    if not rows:
        return pa.Table.from_batches([], pa.schema([(name, pa.string()) for name in names]))
    rows = dialect.for_arrow(rows)
    return pacsv.read_csv(
        pa.BufferReader(rows),
        read_options=pacsv.ReadOptions(use_threads=False, column_names=names, block_size=len(rows) + 1),
        parse_options=dialect.parse_options(len(names)),
        convert_options=options,
    )


def _refine(kind: pa.DataType, text: pa.ChunkedArray) -> pa.DataType:
    """The type that is kept of what Arrow inferred, given the values as they are written."""
    types = pa.types
    if types.is_int64(kind):
        return kind if _all(text, _INTEGER) else pa.string()
    if types.is_float64(kind):
        lossy = _any(text, _LEADING_ZERO) or _any(text, _LARGE)
        return pa.string() if lossy else kind
    if types.is_timestamp(kind):
        # A sample without fractions of a second says nothing about the rest of the file.
        return pa.timestamp("ns" if _any(text, _NANOSECONDS) else "us", kind.tz)
    if types.is_time(kind):
        return pa.time64("us")
    if types.is_boolean(kind) or types.is_date(kind):
        return kind
    return _text_kind(text) if types.is_string(kind) else pa.string()


def _text_kind(text: pa.ChunkedArray) -> pa.DataType:
    """The type of what Arrow infers to be text: it knows no time with a fraction and no moment far away."""
    if _all(text, _FRACTION_OF_DAY):
        return pa.time64("us")
    return _far_moments(text) or pa.string()


def _far_moments(text: pa.ChunkedArray) -> pa.DataType | None:
    """The type of moments with a fraction, in years that Arrow's nanoseconds do not reach; else None."""
    for zone, kind in (("", pa.timestamp("us")), (_ZONE, pa.timestamp("us", "UTC"))):
        if _all(text, _MICROSECONDS % zone):
            try:
                pc.cast(text, kind)
            except pa.ArrowInvalid:
                return None
            return kind
    return None


def _any(text: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _all(text: pa.ChunkedArray, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(text, pattern)).as_py() is not False
