"""Reading a piece of a delimited file, and saying exactly what is wrong where it cannot be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import TypeAlias

import pyarrow as pa
import pyarrow.csv as pacsv

from crossdock import DataError

from .delimited_text import (
    LARGEST_ROW,
    OTHER_ENCODING,
    UNCLOSED,
    DelimitedFile,
    Dialect,
    numbered_rows,
    open_utf8,
    row_values,
    unclosed_line,
)

BLOCK = 1 << 20
"""What Arrow parses at a time; 2 and 4 MiB were measured to be no faster and to need more memory."""
SMALL_BLOCK = 64 << 10
"""The same where only the first rows are wanted: Arrow reads some thirty blocks ahead."""

_RAGGED = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+)")
_VALUE = re.compile(r"In CSV column #(\d+): Row #(\d+): ")
LONG_ROW = "straddling object"

Batches: TypeAlias = Generator[pa.RecordBatch, None, None]


def convert_options(nulls: Sequence[str], types: Mapping[str, pa.DataType]) -> pacsv.ConvertOptions:
    """How text becomes values: a null is written without quotes, what is quoted is a value."""
    return pacsv.ConvertOptions(
        column_types=types,
        null_values=list(nulls),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def read_batches(
    of: DelimitedFile, start: int, end: int | None, schema: pa.Schema, block: int = BLOCK
) -> Batches:
    """The rows of ``[start, end)`` as batches of ``schema``.

    A row that is longer than the block is read again with a larger one, up to LARGEST_ROW.
    """
    if end is not None and start >= end:
        return
    done = 0
    last: pa.RecordBatch | None = None
    while True:
        try:
            with closing(stream(of, (start, end), schema, block)) as batches:
                skip = done
                for batch in batches:
                    last = batch.slice(batch.num_rows - 1) if batch.num_rows else last
                    if batch.num_rows > skip:
                        done += batch.num_rows - skip
                        yield batch.slice(skip) if skip else batch
                    skip = max(skip - batch.num_rows, 0)
            if last is not None and of.dialect.quote:
                refuse_unclosed(of, (start, end), last)
            return
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            if LONG_ROW not in str(error) or block >= LARGEST_ROW:
                raise failure(error, of, start, schema.names) from None
            block *= 4


def stream(
    of: DelimitedFile,
    span: tuple[int, int | None],
    schema: pa.Schema,
    block: int,
    *,
    types: Mapping[str, pa.DataType] | None = None,
    ragged: Callable[[pacsv.InvalidRow], str] | None = None,
) -> Batches:
    """The rows of the span; with ``types``, in those. ``ragged`` decides on rows of other lengths."""
    parse = of.dialect.parse_options(len(schema))
    if ragged is not None:
        parse.invalid_row_handler = ragged
    with open_utf8(of, *span) as text:
        reader = pacsv.open_csv(
            text,
            read_options=pacsv.ReadOptions(use_threads=False, block_size=block, column_names=schema.names),
            parse_options=parse,
            convert_options=convert_options(
                of.dialect.nulls, types or {field.name: readable(field.type) for field in schema}
            ),
        )
        for batch in reader:
            yield batch if types or batch.schema.equals(schema) else batch.cast(schema)


def readable(kind: pa.DataType) -> pa.DataType:
    """The type to have Arrow's parser make where ``kind`` is wanted, which it may not know."""
    types = pa.types
    if types.is_dictionary(kind):
        return readable(kind.value_type)
    if types.is_float16(kind):
        return pa.float32()
    unknown = types.is_string_view(kind) or (types.is_decimal(kind) and not types.is_decimal128(kind))
    return pa.string() if unknown else kind


def refuse_unclosed(of: DelimitedFile, span: tuple[int, int | None], last: pa.RecordBatch) -> None:
    """Raise DataError where a quote that is never closed has made the rest of the file one value.

    Arrow reads that without a word. It can only be where the last value of all holds a newline.
    """
    column = last.column(last.num_columns - 1)
    # Not every moment that Arrow knows is one of Python's.
    value = None if pa.types.is_temporal(column.type) else column[0].as_py()
    if not isinstance(value, str) or not ("\n" in value or "\r" in value):
        return
    line = unclosed_line(of, *span, last.num_columns)
    if line is not None:
        raise DataError(f"{of.path}, line {line}: a value goes on to the end of the file", hint=UNCLOSED)


def column_of(error: pa.ArrowInvalid) -> int | None:
    """The place of the column whose value did not convert, where it was that."""
    match = _VALUE.match(str(error))
    return int(match[1]) if match else None


def failure(error: pa.ArrowInvalid, of: DelimitedFile, start: int, names: list[str]) -> DataError:
    """The DataError for what Arrow said about the rows from ``start``. Reads up to the line in question."""
    # Arrow quotes values whole, and one may be as long as the file.
    said = str(error)
    detail = said[:500]
    if match := _RAGGED.match(said):
        line, _ = _row(of, start, names, int(match[1]))
        found = "1 column" if match[3] == "1" else f"{match[3]} columns"
        message = f"{of.path}, line {line}: {found} where {match[2]} are expected"
        return DataError(message, detail=detail)
    if match := _VALUE.match(said):
        line, row = _row(of, start, names, int(match[2]))
        return _value_error(f"{of.path}, line {line}", said, of.dialect, row, (names, int(match[1])))
    if LONG_ROW in said:
        *_, (line, _) = numbered_rows(of, start, len(names))
        message = f"{of.path}, line {line}: the row is longer than {LARGEST_ROW >> 20} MiB"
        return DataError(message, hint=UNCLOSED, detail=detail)
    return DataError(f"{of.path} cannot be read: {detail}")


def _value_error(
    where: str, said: str, dialect: Dialect, row: bytes, column: tuple[list[str], int]
) -> DataError:
    names, index = column
    where += f", column {names[index]!r}"
    detail = said[:500]
    if "UTF8" in said:
        return DataError(f"{where}: the text is not {dialect.encoding}", hint=OTHER_ENCODING, detail=detail)
    try:
        value = row_values(row, dialect)[index]
    except (pa.ArrowInvalid, IndexError):
        return DataError(f"{where}: the value goes on to the end of the file", hint=UNCLOSED, detail=detail)
    hint = f"-s types={names[index]}:string reads that column as text"
    return DataError(f"{where}: {reason(said, value)}", hint=hint, detail=detail)


def reason(said: str, value: str) -> str:
    shown = repr(value if len(value) <= 60 else value[:57] + "...")
    if match := re.search(r"conversion error to (.*?): invalid value", said, re.DOTALL):
        return f"{shown} is not a value of type {match[1]}"
    return f"{shown} does not fit ({said.rpartition(': ')[2].strip()})"


def _row(of: DelimitedFile, start: int, names: list[str], number: int) -> tuple[int, bytes]:
    rows = numbered_rows(of, start, len(names))
    return next(islice(rows, number - 1, None))


def line_of(of: DelimitedFile, start: int, names: list[str], row: int) -> int:
    """The line of a row, counted from 0, behind ``start``."""
    return next(islice(numbered_rows(of, start, len(names)), row, None))[0]
