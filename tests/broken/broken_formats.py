"""Formats that are each wrong in one way: variations of the template's."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pyarrow as pa
from only import AnyWrong
from only import found_by as found

from crossdock import ByteSink, ConnectorSpec, FormatWriter, ObjectInfo, Piece, PlanHint, RowSkips
from crossdock.contract import FormatContract
from crossdock.template.format import SPEC, SampleFormat, SampleWriter


class Wrong(FormatContract):
    """The kit on a broken format; not collected itself."""

    __test__ = False
    caught_by: ClassVar[frozenset[str]]
    also: ClassVar[frozenset[str]] = frozenset()


def found_by(
    *checks: str, also: Collection[str] | None = (), spec: ConnectorSpec = SPEC
) -> Callable[[AnyWrong], AnyWrong]:
    return found(
        *checks, contract=Wrong, spec=spec, factory="open_format", opens=lambda kind, *_: kind(), also=also
    )


class StreamWriter(SampleWriter):
    def open(self, out: Any, schema: pa.Schema, options: Any) -> Any:
        return pa.ipc.new_stream(out, schema, options=options)


@found_by("test_file_lost_its_end", "test_file_ends_before_its_size")
class EndlessFormat(SampleFormat):
    """Arrow streams without a footer: whatever breaks off is taken for the end."""

    def reader(self, file: io.RawIOBase) -> Any:
        return pa.ipc.open_stream(file)

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        yield Piece(b"all", info.size)

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        with self.opened(file, info) as reader:
            yield self.batches(reader)

    def batches(self, reader: Any) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                yield reader.read_next_batch()
            except (StopIteration, OSError, pa.ArrowInvalid):
                return

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        return StreamWriter(out, schema, None)


@found_by("test_large", "test_pieces_hold_each_row_once")
class ForgetfulFormat(SampleFormat):
    """Plans one piece less than there are when it cuts the file."""

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        pieces = list(super().plan(file, info, hint, target_bytes))
        yield from pieces[:-1] if len(pieces) > 2 else pieces


@found_by("test_no_parts", "test_parts_join_in_the_order_given", "test_parts_without_rows", "test_parts_join")
class BoastfulFormat(SampleFormat):
    """Declares that parts join, which Arrow files do not."""

    joinable = True


@found_by("test_dictionaries_stand_for_values")
class CodedFormat(SampleFormat):
    """Declares that its writer takes dictionaries for values; it refuses any other schema than its own."""

    dictionaries = True


class LossyWriter(SampleWriter):
    def __init__(self, out: ByteSink, schema: pa.Schema) -> None:
        kept = [pa.field(f.name, pa.float64()) if pa.types.is_decimal(f.type) else f for f in schema]
        super().__init__(out, pa.schema(kept), None)
        self.kept = pa.schema(kept)

    def write(self, batch: pa.RecordBatch) -> None:
        super().write(batch.cast(self.kept, safe=False))


@found_by("test_types")
class LossyFormat(SampleFormat):
    """Keeps decimals as doubles and does not say so."""

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        return LossyWriter(out, schema)


@found_by("test_typed", "test_rows_that_do_not_fit")
class UntypedFormat(SampleFormat):
    """Says that values have no types, and they have."""

    typed = False


@found_by("test_typed")
class GuessingFormat(SampleFormat):
    """Makes numbers of texts that look like some."""

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        return (
            pa.schema([("a", pa.int64())]) if (found := super().schema(file, info)).names == ["a"] else found
        )

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        with super().read(file, info, token, schema) as batches:
            yield (batch.cast(schema) for batch in batches)


@found_by("test_rows_that_fit", "test_rows_that_do_not_fit")
class DroppingFormat(SampleFormat):
    """Loses rows where some may be left out."""

    @contextmanager
    def read_skipping(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema, skips: RowSkips
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        with self.read(file, info, token, schema) as batches:
            yield (batch.slice(1) for batch in batches)
