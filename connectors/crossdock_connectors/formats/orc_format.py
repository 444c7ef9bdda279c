"""The ORC format: how files are cut by stripes, read in batches, and refused."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.orc as po

from crossdock import DataError, FileFormat, NotSupportedError, Piece, SchemaMismatchError, SourceChangedError

from .block_files import WatchedFile, cut_evenly, first_line
from .column_types import did_you_mean
from .orc_tail import SplicedFile, Tail, parse
from .orc_write import OrcWriter, check_types

if TYPE_CHECKING:
    import io

    from crossdock import ByteSink, FormatWriter, ObjectInfo, PlanHint

    from .orc_config import OrcConfig

_TOKEN_VERSION = 1
_BATCH_ROWS = 16_384
_BATCH_BYTES = 16 << 20
_PROBE_ROWS = 64
_MEMORY = 64 << 20
# What pyarrow raises for a damaged file (OSError: an error of its ORC library), and orc_tail.
_DAMAGE = (pa.ArrowException, OSError, ValueError, IndexError, KeyError, OverflowError)


class OrcFormat(FileFormat):
    """A piece's token is JSON: its version, the first stripe, and the one behind the last."""

    def __init__(self, config: OrcConfig) -> None:
        self._config = config

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        with _damage(info, watched := WatchedFile(file)):
            schema = po.ORCFile(watched).schema.remove_metadata()
        if self._config.columns is None:
            return schema
        return pa.schema([_field(schema, name, info) for name in self._config.columns])

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        tail = _tail(file, info)
        sizes = [stripe.size for stripe in tail.stripes]
        for first, end in cut_evenly(sizes, max(target_bytes, hint.min_split_bytes, 1), hint.max_splits):
            token = json.dumps({"v": _TOKEN_VERSION, "stripes": [first, end]}).encode()
            yield Piece(token, sum(sizes[first:end]), _MEMORY)

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        tail = _tail(file, info)
        piece = json.loads(token)
        if piece.get("v") != _TOKEN_VERSION:
            raise NotSupportedError("this copy was planned by another version of crossdock; start it anew")
        first, end = piece["stripes"]
        if end > len(tail.stripes):
            raise SourceChangedError(f"{info.path} has fewer stripes than when it was planned; copy it anew")
        batches = _batches(file, info, tail, (first, end), schema)
        try:
            yield batches
        finally:
            batches.close()

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        return OrcWriter(out, schema, self._config)

    def check(self, schema: pa.Schema) -> None:
        check_types(schema)


def _tail(file: io.RawIOBase, info: ObjectInfo) -> Tail:
    with _damage(info, watched := WatchedFile(file)):
        size = file.seek(0, 2)
        return parse(po.ORCFile(watched).reader.serialized_file_tail(), size)


def _batches(
    file: io.RawIOBase, info: ObjectInfo, tail: Tail, span: tuple[int, int], schema: pa.Schema
) -> Generator[pa.RecordBatch, None, None]:
    promised = sum(stripe.rows for stripe in tail.stripes[slice(*span)])
    if not promised:
        return
    watched = WatchedFile(SplicedFile(file, tail.start, tail.of(*span)))
    with _damage(info, watched):
        probe = next(_scan(watched, schema, _PROBE_ROWS))
        width = max(1, probe.nbytes // max(1, probe.num_rows))
        source = _scan(watched, schema, max(1, min(_BATCH_ROWS, _BATCH_BYTES // width)))
    while True:
        with _damage(info, watched):
            batch = next(source, None)
        if batch is None:
            break
        promised -= batch.num_rows
        yield _shaped(batch, schema, info)
    if promised:
        raise _damaged(info, f"{promised} rows are missing")


def _scan(file: WatchedFile, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset as ds  # imports pandas, where that is installed

    fragment = ds.OrcFileFormat().make_fragment(file)
    names = None if fragment.physical_schema.names == schema.names else schema.names
    batches: Iterator[pa.RecordBatch] = fragment.to_batches(
        columns=names, batch_size=rows, batch_readahead=0, fragment_readahead=0, use_threads=False
    )
    return iter(batches)


def _shaped(batch: pa.RecordBatch, schema: pa.Schema, info: ObjectInfo) -> pa.RecordBatch:
    try:
        batch.validate(full=True)
        columns = [
            column if column.type == field.type else column.cast(field.type)
            for column, field in zip(batch.columns, schema, strict=True)
        ]
    except pa.ArrowException as error:
        raise DataError(f"{info.path}: {first_line(error)}") from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@contextmanager
def _damage(info: ObjectInfo, file: WatchedFile) -> Iterator[None]:
    """What pyarrow raises for a damaged file as DataError; what the file itself raised, as it was."""
    try:
        yield
    except Exception as error:
        file.reraise()
        if not isinstance(error, _DAMAGE):
            raise
        said = first_line(error)
        if "encrypted" in said:
            raise DataError(f"{info.path} is encrypted, which is not supported; decrypt it first") from error
        if "out of range for nanosecond" in said:
            raise DataError(
                f"{info.path} has a timestamp before 1677 or after 2262, which cannot be read from ORC",
                detail=said,
            ) from error
        raise _damaged(info, said) from error


def _damaged(info: ObjectInfo, detail: str) -> DataError:
    return DataError(
        f"{info.path} cannot be read as ORC, it is damaged, cut short or of another format; "
        "write or fetch it anew",
        detail=detail,
    )


def _field(schema: pa.Schema, name: str, info: ObjectInfo) -> pa.Field:
    index = schema.get_field_index(name)
    if index < 0:
        raise SchemaMismatchError(f"{info.path} has no column {name!r}{did_you_mean(name, schema.names)}")
    return schema.field(index)
