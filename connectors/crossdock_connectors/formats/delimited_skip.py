"""Reading a piece of a delimited file without the rows that do not fit.

Arrow's parser hands over rows with too few or too many values. It ends at a value that does not convert:
the piece is then read again with that column as it is written, which is converted batch by batch.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from crossdock import DataError, RowSkips

from .delimited_read import (
    BLOCK,
    LONG_ROW,
    Batches,
    column_of,
    convert_options,
    failure,
    readable,
    reason,
    refuse_unclosed,
    stream,
)
from .delimited_text import LARGEST_ROW, UNCLOSED, DelimitedFile, unclosed_line
from .delimited_values import forms, sorted_out


@dataclass
class _Reading:
    """``written``: the columns that are read as they are written. ``seen``: the last row that was handed over
    for its number of values, and its text."""

    of: DelimitedFile
    schema: pa.Schema
    skips: RowSkips
    written: set[int] = field(default_factory=set)
    seen: int = 0
    last: str = ""

    def ragged(self, row: pacsv.InvalidRow) -> str:
        if row.number > self.seen:
            self.seen, self.last = row.number, row.text
            found = "1 column" if row.actual_columns == 1 else f"{row.actual_columns} columns"
            self.skips.texts(
                [row.text], [f"{self.of.path}: {found} where {row.expected_columns} are expected"]
            )
        return "skip"

    def types(self) -> dict[str, pa.DataType]:
        return {
            each.name: pa.binary() if at in self.written else readable(each.type)
            for at, each in enumerate(self.schema)
        }

    def fitting(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch in the schema, without the rows that have a value which does not convert."""
        columns, reasons = list(batch.columns), dict[int, str]()
        for at in self.written:
            columns[at], wrong = self._converted(batch.column(at), at)
            reasons |= wrong
        if reasons:
            kept = self.skips.rows(batch, dict(sorted(reasons.items())))
            return self.fitting(kept)
        return pa.RecordBatch.from_arrays(
            [_cast(values, each.type) for values, each in zip(columns, self.schema, strict=True)],
            schema=self.schema,
        )

    def _converted(self, values: pa.Array, at: int) -> tuple[pa.Array, dict[int, str]]:
        """The values in their type; or those that are not, by their places."""
        wanted = self.schema.field(at)
        try:
            return self._convert(values, wanted), {}
        except pa.ArrowInvalid:
            return values, self._wrong(values, wanted)

    def _wrong(self, values: pa.Array, wanted: pa.Field) -> dict[int, str]:
        """Places and reasons of the values that are not in their type.

        The parser stops at each: it is only asked about one, and those whose form leaves it open.
        """
        known = forms(readable(wanted.type))
        try:
            text = values.cast(pa.string())
        except pa.ArrowInvalid:
            known = None
        if known is None:
            return dict(self._halved(values, wanted))
        open_ones, none = sorted_out(text, known)
        found: dict[int, str] = {}
        places = pc.indices_nonzero(none).to_pylist()
        if places:
            if (said := self._said(values[places[0] : places[0] + 1], wanted)) is None:
                return dict(self._halved(values, wanted))
            found = {at: self._reason(wanted, said, text[at].as_py()) for at in places}
        asked = pc.indices_nonzero(open_ones)
        coded = values.take(asked).dictionary_encode()
        wrong = dict(self._halved(coded.dictionary, wanted))
        if wrong:
            of = zip(asked.to_pylist(), coded.indices.to_pylist(), strict=True)
            found |= {at: wrong[code] for at, code in of if code in wrong}
        return dict(sorted(found.items()))

    def _halved(self, values: pa.Array, wanted: pa.Field, first: int = 0) -> Iterator[tuple[int, str]]:
        said = self._said(values, wanted)
        if said is None:
            return
        if len(values) > 1:
            half = len(values) // 2
            yield from self._halved(values[:half], wanted, first)
            yield from self._halved(values[half:], wanted, first + half)
            return
        yield first, self._reason(wanted, said, (values[0].as_py() or b"").decode(errors="replace"))

    def _said(self, values: pa.Array, wanted: pa.Field) -> str | None:
        """What the parser says against some of the values."""
        try:
            self._convert(values, wanted)
        except pa.ArrowInvalid as error:
            return str(error)
        return None

    def _reason(self, wanted: pa.Field, said: str, text: str) -> str:
        return f"{self.of.path}, column {wanted.name!r}: {reason(said, text)}"

    def _convert(self, values: pa.Array, wanted: pa.Field) -> pa.Array:
        """As Arrow's parser would have: it gets them as text once more."""
        text, kind = values.cast(pa.string()), readable(wanted.type)
        if pa.types.is_string(kind) or not len(text):
            return text.cast(kind)
        out = io.BytesIO()
        pacsv.write_csv(pa.table([text], ["v"]), out, pacsv.WriteOptions(include_header=False))
        parsed = pacsv.read_csv(
            pa.BufferReader(out.getbuffer()),
            read_options=pacsv.ReadOptions(use_threads=False, column_names=["v"], block_size=out.tell() + 1),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=convert_options([""], {"v": kind}),
        )
        return parsed.column(0).combine_chunks()

    def end(self, span: tuple[int, int | None]) -> None:
        """Raise DataError where a quote that is never closed has made the rest of the file one row."""
        if "\n" in self.last and self.of.dialect.quote:
            line = unclosed_line(self.of, *span, len(self.schema))
            if line is not None:
                raise DataError(
                    f"{self.of.path}, line {line}: a value goes on to the end of the file", hint=UNCLOSED
                )


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return values if values.type == kind else values.cast(kind)


def read_fitting(
    of: DelimitedFile, start: int, end: int | None, schema: pa.Schema, skips: RowSkips
) -> Batches:
    """As ``read_batches``; rows with too few or too many values, or one that does not convert, go to
    ``skips``."""
    if end is not None and start >= end:
        return
    reading, block, done = _Reading(of, schema, skips), BLOCK, 0
    last: pa.RecordBatch | None = None
    while True:
        try:
            batches = stream(of, (start, end), schema, block, types=reading.types(), ragged=reading.ragged)
            with closing(batches):
                for batch in _behind(batches, done):
                    done += batch.num_rows
                    fit = reading.fitting(batch)
                    last = fit.slice(fit.num_rows - 1) if fit.num_rows else last
                    yield fit
            if last is not None and of.dialect.quote:
                refuse_unclosed(of, (start, end), last)
            reading.end((start, end))
            return
        except pa.ArrowInvalid as error:
            column = column_of(error)
            if "Empty CSV file" in str(error):
                return
            if column is not None and column not in reading.written:
                reading.written.add(column)
            elif LONG_ROW in str(error) and block < LARGEST_ROW:
                block *= 4
            else:
                raise failure(error, of, start, schema.names) from None


def _behind(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The rows behind the first ``rows``."""
    for batch in batches:
        if batch.num_rows > rows:
            yield batch.slice(rows) if rows else batch
        rows = max(rows - batch.num_rows, 0)
