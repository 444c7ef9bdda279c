"""Formats that are each wrong about one thing in their files: variations of the template's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from threading import get_ident
from typing import Any

import broken_formats
import pyarrow as pa

from crossdock import (
    ByteSink,
    Capabilities,
    DataError,
    FormatWriter,
    ObjectInfo,
    Piece,
    PlanHint,
    SchemaMismatchError,
)
from crossdock.template.format import SPEC, SampleFormat, SampleWriter

_COUNT = count()
Batches = Iterator[pa.RecordBatch]


found_by = partial(broken_formats.found_by, also=None)


# -- read -----------------------------------------------------------------------------------------


@found_by("test_plan_is_repeatable")
class RestlessFormat(SampleFormat):
    """Plans differently each time."""

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        for piece in super().plan(file, info, hint, target_bytes):
            yield replace(piece, weight=next(_COUNT))


@found_by("test_schema_is_repeatable")
class TurningFormat(SampleFormat):
    """Names its columns in another order each time."""

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        fields = list(super().schema(file, info))
        turn = next(_COUNT) % len(fields)
        return pa.schema([*fields[turn:], *fields[:turn]])


@found_by("test_piece_is_read_in_another_process")
class RememberingFormat(SampleFormat):
    """Keeps in memory, not in the token, what a piece is."""

    def __init__(self) -> None:
        super().__init__()
        self.planned: list[bytes] = []

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        for piece in super().plan(file, info, hint, target_bytes):
            self.planned.append(piece.token)
            yield replace(piece, token=b"%d" % (len(self.planned) - 1))

    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> AbstractContextManager[Batches]:
        return super().read(file, info, self.planned[int(token)], schema)


@found_by("test_read_left_early")
class JealousFormat(SampleFormat):
    """Complains when it is not read to its end."""

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Batches]:
        ended = False

        def watched(batches: Batches) -> Batches:
            nonlocal ended
            yield from batches
            ended = True

        with super().read(file, info, token, schema) as batches:
            yield watched(batches)
        if not ended:
            raise DataError(f"{info.path} was left")


@found_by("test_several_threads")
class OwnedFormat(SampleFormat):
    """Works in the thread that has opened it."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = get_ident()

    def reader(self, file: io.RawIOBase) -> Any:
        if self.thread != get_ident():
            raise RuntimeError("made in another thread")
        return super().reader(file)


@found_by("test_no_rows")
class FullFormat(SampleFormat):
    """Takes a file without rows for a damaged one."""

    def reader(self, file: io.RawIOBase) -> Any:
        opened = super().reader(file)
        if not opened.num_record_batches:
            raise pa.ArrowInvalid("there are no rows")
        return opened


@found_by("test_empty_file", "test_garbage")
class RawFormat(SampleFormat):
    """Raises what its library raises."""

    @contextmanager
    def opened(self, file: io.RawIOBase, info: ObjectInfo) -> Iterator[Any]:
        yield self.reader(file)


@found_by("test_error_names_the_file")
class NamelessFormat(SampleFormat):
    """Does not say which file is damaged."""

    @contextmanager
    def opened(self, file: io.RawIOBase, info: ObjectInfo) -> Iterator[Any]:
        with super().opened(file, replace(info, path="a file")) as reader:
            yield reader


@found_by("test_notes")
class TalkativeFormat(SampleFormat):
    """Gives one note, as a text."""

    def notes(self) -> str:
        return "all is well"


# -- write ----------------------------------------------------------------------------------------


class OddlyWritten(SampleFormat):
    """Correct but for its writers."""

    kind: type[SampleWriter]

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        return self.kind(out, schema, None)


@found_by("test_types", spec=replace(SPEC, capabilities=Capabilities(stages=True)))
class PickyFormat(SampleFormat):
    """Declares that tables can be staged in it, and takes no decimals."""

    def check(self, schema: pa.Schema) -> None:
        if any(pa.types.is_decimal(field.type) for field in schema):
            raise SchemaMismatchError("there are no decimals")


class FillingWriter(SampleWriter):
    def write(self, batch: pa.RecordBatch) -> None:
        filled = [c.fill_null("") if pa.types.is_string(c.type) else c for c in batch.columns]
        super().write(pa.RecordBatch.from_arrays(filled, schema=batch.schema))


@found_by("test_round_trip")
class FillingFormat(OddlyWritten):
    """Knows no text that is null."""

    kind = FillingWriter


class PluralWriter(SampleWriter):
    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows > 1:
            super().write(batch)


@found_by("test_batches_may_be_of_any_size")
class PluralFormat(OddlyWritten):
    """Takes a batch of one row for none."""

    kind = PluralWriter


class EndingWriter(SampleWriter):
    def abort(self) -> None:
        self.finish()


@found_by("test_abort")
class EndingFormat(OddlyWritten):
    """Writes its footer when it is given up."""

    kind = EndingWriter


class LowerWriter(SampleWriter):
    def __init__(self, out: ByteSink, schema: pa.Schema, compression: str | None) -> None:
        self.names = [name.lower() for name in schema.names]
        kept = [field.with_name(name) for field, name in zip(schema, self.names, strict=True)]
        super().__init__(out, pa.schema(kept), compression)

    def write(self, batch: pa.RecordBatch) -> None:
        super().write(batch.rename_columns(self.names))


@found_by("test_column_names")
class LowerFormat(OddlyWritten):
    """Writes names of columns in lower case."""

    kind = LowerWriter


class MuteWriter(SampleWriter):
    def write(self, batch: pa.RecordBatch) -> None:
        pass


@found_by("test_parts_are_repeatable")
class OnceFormat(SampleFormat):
    """Writes the rows of the first part only."""

    written = False

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        kind = MuteWriter if self.written else SampleWriter
        self.written = True
        return kind(out, schema, None)
