"""Checks of a format as a writer: parts written apart make one file, where the format says so."""

from __future__ import annotations

import pyarrow as pa

from ..spi import FileFormat, Part, PlanHint
from .format_base import FormatBase, PlainStream
from .table_base import SCHEMA, rows


class PartChecks(FormatBase):
    """``joinable`` in both directions, and what a writer may do to its stream."""

    def test_parts_join(self, format: FileFormat) -> None:  # noqa: A002
        """Declared: head, parts in order and tail are one file. Not declared: there is no head or tail."""
        if not format.joinable:
            whole = self.part(format, rows(0, 10))
            assert format.head(SCHEMA) == b"", "a format that is not joinable has no head"
            assert format.tail(SCHEMA, [whole[1]]) == b"", "a format that is not joinable has no tail"
            assert self.read(format, whole[0])["id"].to_pylist() == list(range(10))
            return
        tables = [rows(0, 300), rows(300, 1), rows(301, 250)]
        parts = [self.part(format, table) for table in tables]
        data = self.join(format, SCHEMA, parts)
        assert self.read(format, data).cast(SCHEMA).equals(pa.concat_tables(tables).combine_chunks())
        pieces = self.plan(format, data, PlanHint(parallel=3), 500)
        assert self.read(format, data, pieces)["id"].to_pylist() == list(range(551))

    def test_parts_join_in_the_order_given(self, format: FileFormat) -> None:  # noqa: A002
        """Parts end in any order; a part written first may come last."""
        if format.joinable:
            parts = [self.part(format, rows(start, 100)) for start in (200, 0, 100)]
            data = self.join(format, SCHEMA, [parts[1], parts[2], parts[0]])
            assert self.read(format, data)["id"].to_pylist() == list(range(300))

    def test_parts_without_rows(self, format: FileFormat) -> None:  # noqa: A002
        if format.joinable:
            empty = [self.part(format, SCHEMA.empty_table()) for _ in range(2)]
            data = self.join(format, SCHEMA, [empty[0], self.part(format, rows(0, 5)), empty[1]])
            assert self.read(format, data)["id"].to_pylist() == list(range(5))
            assert self.read(format, self.join(format, SCHEMA, empty)).num_rows == 0

    def test_dictionaries_stand_for_values(self, format: FileFormat) -> None:  # noqa: A002
        """Declared: a writer takes dictionary arrays, in some or all batches, as the values of theirs."""
        if not format.dictionaries:
            return
        schema = pa.schema([("word", pa.string())])
        words = [pa.array(["a", "b", None, "a"] * 100), pa.array(["c", "b"] * 10), pa.array(["a", "d"])]
        coded = [column.dictionary_encode() for column in words]
        for columns in (coded, [words[0], *coded[1:]], [coded[0], *words[1:]]):
            out = PlainStream()
            writer = format.writer(out, schema)
            for column in columns:
                writer.write(pa.record_batch([column], ["word"]))
            token = writer.finish()
            data = self.join(format, schema, [(bytes(out.data), Part(len(out.data), token))])
            assert self.read(format, data)["word"].to_pylist() == pa.chunked_array(words).to_pylist()

    def test_no_parts(self, format: FileFormat) -> None:  # noqa: A002
        """A unit without splits is a file without rows."""
        if format.joinable:
            assert self.read(format, self.join(format, SCHEMA, [])).num_rows == 0

    def test_parts_are_repeatable(self, format: FileFormat) -> None:  # noqa: A002
        """An attempt that is repeated writes a part of the same rows; its length is the stream's."""
        for _ in range(2):
            data, part = self.part(format, rows(0, 400))
            assert part.length == len(data)
            assert self.read(format, self.join(format, SCHEMA, [(data, part)])).num_rows == 400

    def test_batches_may_be_of_any_size(self, format: FileFormat) -> None:  # noqa: A002
        for batch in (1, 7, 100_000):
            data = self.write(format, rows(0, 200), batch=batch)
            assert self.read(format, data)["id"].to_pylist() == list(range(200))
        table = pa.concat_tables([rows(0, 3), rows(3, 0), rows(3, 3)])
        assert self.read(format, self.write(format, table))["id"].to_pylist() == list(range(6))

    def test_abort(self, format: FileFormat) -> None:  # noqa: A002
        """At any moment, without an error; what was written stays cut off."""
        for written in (0, 1, 3):
            out = PlainStream()
            writer = format.writer(out, SCHEMA)
            for batch in rows(0, 300).to_batches(max_chunksize=100)[:written]:
                writer.write(batch)
            before = len(out.data)
            writer.abort()
            assert len(out.data) == before, "abort writes to the stream"
