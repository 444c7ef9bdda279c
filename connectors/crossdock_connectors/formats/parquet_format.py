"""The Parquet format: how files are cut, joined and refused."""

from __future__ import annotations

import difflib
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crossdock import FileFormat, NotSupportedError, Part, Piece, SchemaMismatchError, SourceChangedError

from .block_files import cut_evenly
from .parquet_footer import MAGIC, group_count, join, row_count
from .parquet_meta import Footer, Footers
from .parquet_read import GroupReader
from .parquet_write import Dictionaries, PartWriter, check_types, empty_part

if TYPE_CHECKING:
    import io

    import pyarrow as pa

    from crossdock import ByteSink, FormatWriter, ObjectInfo, PlanHint

    from .parquet_config import ParquetConfig

_TOKEN_VERSION = 1
_MAX_NOTES = 20
_WORTH_A_NOTE = 64 << 20


class ParquetFormat(FileFormat):
    """Reads whole row groups; writes parts whose row groups become one file.

    A piece's token is JSON: its version, the first row group, and the one behind the last; where only its
    first rows will be read, how many.
    """

    joinable = True
    dictionaries = True

    def __init__(self, config: ParquetConfig) -> None:
        self._config = config
        self._footers = Footers()
        self._dictionaries = Dictionaries()
        self._notes: list[str] = []
        self._lock = threading.Lock()

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        """The file's Arrow schema; with ``columns``, those fields and no metadata of the file."""
        import pyarrow as pa

        schema = self._footers.get(file, info).schema
        if self._config.columns is None:
            return schema
        return pa.schema([_field(schema, name, info) for name in self._config.columns])

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        footer = self._footers.get(file, info)
        sizes = footer.sizes
        ranges = cut_evenly(sizes, max(target_bytes, hint.min_split_bytes, 1), hint.max_splits)
        columns = self._config.columns
        reader = GroupReader(file, info, footer, footer.schema.names if columns is None else columns)
        if len(ranges) == 1 < hint.parallel and sum(sizes) >= max(_WORTH_A_NOTE, 2 * target_bytes):
            self._note(f"{info.path} was not cut: its {sum(sizes) >> 20} MiB are one row group")
        for first, end in ranges:
            token = _token(first, end, hint.first_rows)
            yield Piece(token, sum(sizes[first:end]), reader.memory(first, end))

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        """Read one piece; only the columns of ``schema`` are read, cast where their types differ."""
        with self._read(file, info, token, schema, encoded=False) as batches:
            yield batches

    @contextmanager
    def read_encoded(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        with self._read(file, info, token, schema, encoded=True) as batches:
            yield batches

    @contextmanager
    def _read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema, *, encoded: bool
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        footer = self._footers.get(file, info)
        first, end, few = _groups(token, footer, info)
        reader = GroupReader(file, info, footer, schema.names, few)
        batches = reader.batches(first, end, schema, encoded=encoded)
        try:
            yield batches
        finally:
            batches.close()

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        return PartWriter(out, schema, self._config, self._dictionaries)

    def check(self, schema: pa.Schema) -> None:
        check_types(schema, self._config)

    def head(self, schema: pa.Schema) -> bytes:
        return MAGIC

    def tail(self, schema: pa.Schema, parts: Sequence[Part]) -> bytes:
        return join(parts or [Part(0, empty_part(schema, self._config))])

    def part_piece(self, parts: Sequence[Part], index: int) -> bytes:
        # By the file's own footer: that it points to the right places is to be shown, too.
        groups = [group_count(part) for part in parts[: index + 1]]
        return _token(sum(groups[:-1]), sum(groups))

    def part_rows(self, part: Part) -> int:
        return row_count(part)

    def notes(self) -> Sequence[str]:
        with self._lock:
            return tuple(self._notes)

    def _note(self, text: str) -> None:
        with self._lock:
            if text not in self._notes and len(self._notes) < _MAX_NOTES:
                self._notes.append(text)


def _token(first: int, end: int, few: int | None = None) -> bytes:
    more = {} if few is None else {"few": few}
    return json.dumps({"v": _TOKEN_VERSION, "groups": [first, end], **more}).encode()


def _groups(token: bytes, footer: Footer, info: ObjectInfo) -> tuple[int, int, int | None]:
    piece = json.loads(token)
    if piece.get("v") != _TOKEN_VERSION:
        raise NotSupportedError("this copy was planned by another version of crossdock; start it anew")
    first, end = piece["groups"]
    if end > len(footer.rows):
        raise SourceChangedError(f"{info.path} has fewer row groups than when it was planned; copy it anew")
    return first, end, piece.get("few")


def _field(schema: pa.Schema, name: str, info: ObjectInfo) -> pa.Field:
    index = schema.get_field_index(name)
    if index >= 0:
        return schema.field(index)
    if name in schema.names:
        raise SchemaMismatchError(f"{info.path} has more than one column {name!r}")
    near = difflib.get_close_matches(name, schema.names, 1)
    hint = f"did you mean {near[0]}?" if near else ""
    raise SchemaMismatchError(f"{info.path} has no column {name!r}", hint=hint)
