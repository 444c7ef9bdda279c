"""Checks of a format as a reader: schema, plan, pieces, files that end too early."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from ..errors import DataError, ShortReadError
from ..spi import ConnectorSpec, FileFormat, PlanHint
from .elsewhere import elsewhere
from .format_base import FormatBase, info_of
from .opening import open_format
from .table_base import SCHEMA, rows

_MANY = 4000
_SMALL = 16 << 10
_HINTS = (
    PlanHint(parallel=4),
    PlanHint(parallel=4, cheap_scan=True),
    PlanHint(parallel=2, max_splits=3, cheap_scan=True),
    PlanHint(parallel=4, max_splits=1),
)


def read_piece_there(
    spec: ConnectorSpec, options: dict[str, object], opened: Callable[[bytes], Any], data: bytes, token: bytes
) -> list[pa.RecordBatch]:
    reader = open_format(spec, options)
    with opened(data) as file:
        schema = reader.schema(file, info_of(data))
    with opened(data) as file, reader.read(file, info_of(data), token, schema) as items:
        return list(items)


class FileChecks(FormatBase):
    """What the engine relies on when it plans and reads a file."""

    says_where_it_ends: ClassVar[bool] = True
    """Whether a file that lost its end can be told from a whole one. Not so for lines of text."""

    def test_round_trip(self, format: FileFormat, origin: Path | None) -> None:  # noqa: A002
        data = self.write(format, rows(0, 700))
        found = self.read(format, data, folder=origin)
        assert found.schema.names == SCHEMA.names
        assert found.cast(SCHEMA).equals(rows(0, 700))

    def test_pieces_hold_each_row_once(self, format: FileFormat, origin: Path | None) -> None:  # noqa: A002
        """For every size of piece and limit; in order; each piece with the same schema."""
        data = self.write(format, rows(0, _MANY), batch=500)
        for target in (1, 999, _SMALL, 1 << 30):
            for hint in _HINTS:
                pieces = self.plan(format, data, hint, target, origin)
                assert hint.max_splits is None or len(pieces) <= hint.max_splits
                assert all(piece.weight >= 0 and piece.memory >= 0 for piece in pieces)
                if target == 1 and len(pieces) > 200:
                    continue
                found = self.read(format, data, pieces, origin)
                assert found["id"].to_pylist() == list(range(_MANY)), (
                    f"{len(pieces)} pieces of {target} bytes"
                )

    def test_plan_is_repeatable(self, format: FileFormat) -> None:  # noqa: A002
        data = self.write(format, rows(0, _MANY), batch=500)
        hint = PlanHint(parallel=4)
        first = self.plan(format, data, hint, _SMALL)
        assert self.plan(format, data, hint, _SMALL) == first
        assert self.plan(open_format(self.spec, self.options), data, hint, _SMALL) == first

    def test_schema_is_repeatable(self, format: FileFormat) -> None:  # noqa: A002
        data = self.write(format, rows(0, 300))
        schemas = []
        for each in (format, format, open_format(self.spec, self.options)):
            with self.open(data) as file:
                schemas.append(each.schema(file, info_of(data)))
        assert schemas[0].equals(schemas[1])
        assert schemas[0].equals(schemas[2])

    def test_piece_is_read_in_another_process(self, format: FileFormat) -> None:  # noqa: A002
        data = self.write(format, rows(0, 700))
        piece = self.plan(format, data, PlanHint(parallel=2), 1000)[-1]
        here = self.read(format, data, [piece])
        there = elsewhere(read_piece_there, self.spec, dict(self.options), io.BytesIO, data, piece.token)
        assert pa.Table.from_batches(there, here.schema).equals(here)

    def test_read_left_early(self, format: FileFormat, origin: Path | None) -> None:  # noqa: A002
        data = self.write(format, rows(0, 700))
        piece = self.plan(format, data)[0]
        with self.open(data, origin) as file:
            schema = format.schema(file, info_of(data))
        with self.open(data, origin) as file, format.read(file, info_of(data), piece.token, schema) as items:
            next(items)
        assert self.read(format, data, folder=origin).num_rows == 700

    def test_several_threads(self, format: FileFormat) -> None:  # noqa: A002
        files = [self.write(format, rows(i * 1000, 400)) for i in range(4)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda data: self.read(format, data)["id"].to_pylist(), files * 3))
        assert found == [list(range(i * 1000, i * 1000 + 400)) for i in range(4)] * 3

    def test_large(self, format: FileFormat, origin: Path | None) -> None:  # noqa: A002
        data = self.write(format, rows(0, 60_000), batch=7000)
        found = self.read(format, data, self.plan(format, data, PlanHint(parallel=4), 256 << 10), origin)
        assert found["id"].to_pylist() == list(range(60_000))

    def test_no_rows(self, format: FileFormat, origin: Path | None) -> None:  # noqa: A002
        data = self.write(format, SCHEMA.empty_table())
        found = self.read(format, data, folder=origin)
        assert found.num_rows == 0
        assert found.schema.names in (SCHEMA.names, []), "the columns of an empty file are the written ones"

    def test_empty_file(self, format: FileFormat) -> None:  # noqa: A002
        """A file of no bytes has no rows or is refused; it is never an internal fault."""
        with self.may_raise(DataError):
            assert self.read(format, b"").num_rows == 0

    def test_garbage(self, format: FileFormat) -> None:  # noqa: A002
        for data in (b"\x00\xff\x13\x37" * 500, b"PAR1" + bytes(2000) + b"PAR1", b"\xff" * 3):
            with self.may_raise(DataError):
                self.read(format, data)

    @pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 0.99], ids=["0", "30", "70", "99"])
    def test_file_ends_before_its_size(self, format: FileFormat, kept: float) -> None:  # noqa: A002
        """The store promised more bytes than come: never a short success."""
        whole = self.write(format, rows(0, _MANY), batch=500)
        pieces = self.plan(format, whole, PlanHint(parallel=2), _SMALL)
        short = whole[: int(len(whole) * kept)]
        with self.raises(DataError, ShortReadError):
            self.read(open_format(self.spec, self.options), short, pieces, info=info_of(whole))

    @pytest.mark.parametrize("kept", [0.3, 0.7, 0.99], ids=["30", "70", "99"])
    def test_file_lost_its_end(self, format: FileFormat, kept: float) -> None:  # noqa: A002
        """Truncated where it was made: DataError. Lines of text give the whole lines or DataError."""
        whole = self.write(format, rows(0, _MANY), batch=500)
        short = whole[: int(len(whole) * kept)]
        with self.may_raise(DataError) as refusal:
            found = self.read(format, short)["id"].to_pylist()
        if refusal.error is not None:
            return
        assert not self.says_where_it_ends, f"a truncated file was read as {len(found)} of {_MANY} rows"
        assert found[:-1] == list(range(len(found) - 1)), "rows that were never written"

    def test_error_names_the_file(self, format: FileFormat) -> None:  # noqa: A002
        whole = self.write(format, rows(0, 300))
        short = whole[: len(whole) // 2]
        with self.may_raise(DataError) as refusal:
            self.read(format, short)
        assert refusal.error is None or "object.ext" in str(refusal.error), (
            "the message does not name the path"
        )

    def test_notes(self, format: FileFormat) -> None:  # noqa: A002
        self.read(format, self.write(format, rows(0, 10)))
        notes = format.notes()
        assert not isinstance(notes, str)
        assert all(isinstance(note, str) and note for note in notes)
