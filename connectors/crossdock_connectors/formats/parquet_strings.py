"""Strings in the dictionaries that a Parquet file has, from reader to writer: neither decodes or hashes them.

pyarrow reads such a column as a dictionary array faster than as strings, but trusts the file: an index is not
compared with the dictionary, and an entry that is there twice moves the ones behind it. So each batch is
proven before anybody uses it; what is not proven is read as strings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from .block_files import read_varint
from .parquet_thrift import I32, STRUCT, fields

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from .block_files import WatchedFile
    from .parquet_meta import Footer

_HEADER = 64  # that of a dictionary page has no statistics and takes about 15 bytes
_DICTIONARY_PAGE = 2


class Unproven(Exception):
    """A batch has a dictionary that may not be the file's."""


def encoded_names(footer: Footer, schema: pa.Schema) -> list[str]:
    """The columns that are strings in ``schema`` and in the file, which has them as small dictionaries."""
    times = Counter(leaf.path for leaf in footer.leaves)
    found = {leaf.path for leaf in footer.leaves if leaf.encoded and times[leaf.path] == 1}
    found -= footer.plain_strings
    return [column.name for column in schema if column.name in found and _is_same(column, footer.schema)]


def _is_same(column: pa.Field, schema: pa.Schema) -> bool:
    places = schema.get_all_field_indices(column.name)
    return len(places) == 1 and _is_string(column.type) and schema.field(places[0]).type == column.type


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


class Proof:
    """Shows for the batches of some row groups, in their order, that they hold what the file has.

    ``file`` remembers what is read from it until each row group has given its first batch.
    """

    def __init__(
        self, file: WatchedFile, footer: Footer, groups: Sequence[int], names: Sequence[str]
    ) -> None:
        self._file, self._footer, self._names = file, footer, names
        paths = [leaf.path for leaf in footer.leaves]
        self._leaves = [paths.index(name) for name in names]
        self._groups = list(groups)
        self._left = 0
        self._entries: list[int | None] = []
        file.remembered = []

    def check(self, batch: pa.RecordBatch) -> None:
        """Raises Unproven, and has the columns concerned read as strings from now on."""
        while not self._left and self._groups:
            self._next_group()
        self._left -= batch.num_rows
        wrong = [
            name
            for name, entries in zip(self._names, self._entries, strict=True)
            if self._left < 0 or not _holds(batch.column(name), entries)
        ]
        self._footer.plain_strings.update(wrong)
        if wrong:
            raise Unproven(", ".join(wrong))

    def _next_group(self) -> None:
        group = self._groups.pop(0)
        self._left = self._footer.rows[group]
        # pyarrow has given a batch of it, so its column chunks can be asked for (see ``parquet_width``).
        chunks = self._footer.metadata.row_group(group)
        self._entries = [self._dictionary_entries(chunks.column(leaf)) for leaf in self._leaves]
        if not self._groups:
            self._file.remembered = None

    def _dictionary_entries(self, chunk: pq.ColumnChunkMetaData) -> int | None:
        """How many entries the dictionary of a column chunk has, by the header of its first page."""
        start = chunk.data_page_offset
        if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
            start = chunk.dictionary_page_offset
        try:
            return _entries(self._file.recall(start, _HEADER))
        except (IndexError, KeyError, RecursionError):
            return None


def _holds(column: pa.Array, entries: int | None) -> bool:
    if not isinstance(column, pa.DictionaryArray) or len(column.dictionary) != entries:
        return False
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _entries(header: bytes) -> int | None:
    """PageHeader 1 type, 7 dictionary_page_header; DictionaryPageHeader 1 num_values."""
    kind = None
    for of, name, at in fields(header, 0):
        if of == I32 and name == 1:
            kind = read_varint(header, at)[0] >> 1
        elif of == STRUCT and name == 7 and kind == _DICTIONARY_PAGE:
            return next(
                (read_varint(header, inner)[0] >> 1 for _, field, inner in fields(header, at) if field == 1),
                None,
            )
    return None


def plain_bytes(batch: pa.RecordBatch, schema: pa.Schema) -> float:
    """About how large ``batch`` is with values where ``schema`` has no dictionaries."""
    size = float(batch.nbytes)
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray) and column.type not in schema.types:
            size += len(column) * column.dictionary.nbytes / max(1, len(column.dictionary))
    return size


def encoded_schema(schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> pa.Schema:
    """``schema`` with a dictionary type for each string column that is a small dictionary in all ``batches``.

    Those are of one row group. A dictionary goes into the file whole, also what the rows do not refer to.
    """
    columns = list(schema)
    for place, column in enumerate(schema if batches else ()):
        kind = pa.dictionary(pa.int32(), column.type)
        if _is_string(column.type) and all(_is_small(batch.column(place), kind) for batch in batches):
            columns[place] = column.with_type(kind)
    return pa.schema(columns, schema.metadata)


def _is_small(column: pa.Array, kind: pa.DataType) -> bool:
    """Whether the dictionary adds at most a bit per row."""
    return bool(column.type == kind and 8 * column.dictionary.nbytes <= len(column))


def as_table(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """One table of ``schema``: dictionaries where it has them, and values where it does not."""
    arrays = []
    for place, wanted in enumerate(schema):
        column = pa.chunked_array([_as(batch.column(place), wanted.type) for batch in batches])
        # Another dictionary in the same row group would end its dictionary pages.
        arrays.append(column.unify_dictionaries() if pa.types.is_dictionary(wanted.type) else column)
    return pa.Table.from_arrays(arrays, schema=schema)


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    values = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return values.dictionary_encode() if pa.types.is_dictionary(kind) else values
