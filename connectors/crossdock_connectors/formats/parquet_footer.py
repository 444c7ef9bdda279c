"""Parquet footers: taking one apart from its part, and joining many into one.

Several writers each write row groups of one file. Each believes that it writes a whole file; what
``strip`` keeps of its footer is enough for ``join`` to make the footer of all of them.

A footer is the struct FileMetaData in Thrift's compact protocol. The field ids are those of
``parquet.thrift`` in apache/parquet-format:

    FileMetaData    1 version, 2 schema, 3 num_rows, 4 row_groups, 5 key_value_metadata,
                    6 created_by, 7 column_orders
    RowGroup        1 columns, 5 file_offset, 7 ordinal
    ColumnChunk     2 file_offset, 3 meta_data, 4 offset_index_offset, 6 column_index_offset
    ColumnMetaData  9 data_page_offset, 10 index_page_offset, 11 dictionary_page_offset,
                    14 bloom_filter_offset

Only those offsets and ordinals are rewritten; all other bytes (statistics, encodings, fields of later
versions) are copied as slices. A page index cannot be joined so: its offset index holds absolute
offsets outside the footer.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossdock import InternalError, Part

from .block_files import read_varint, varint
from .parquet_thrift import LIST, STOP, list_header, list_of_structs, read_field, skip

MAGIC = b"PAR1"
MAGIC_ENCRYPTED = b"PARE"
_VERSION = 1
_TOKEN = struct.Struct("<BQQIIIIII")  # version, length, rows, groups, spans..., patches
_MAX_ORDINAL = 0x7FFF

# What ``_walk`` looks for: a struct's field id -> a number to patch, or the struct to look into.
_OFFSET, _ORDINAL = "offset", "ordinal"
_Wanted = Mapping[int, "str | _Wanted"]
_COLUMN_META: _Wanted = {9: _OFFSET, 10: _OFFSET, 11: _OFFSET, 14: _OFFSET}
_COLUMN_CHUNK: _Wanted = {2: _OFFSET, 3: _COLUMN_META, 4: _OFFSET, 6: _OFFSET}
_ROW_GROUP: _Wanted = {1: _COLUMN_CHUNK, 5: _OFFSET, 7: _ORDINAL}


def strip(footer: bytes, length: int) -> bytes:
    """The token of a part whose own footer (FileMetaData) is ``footer`` and whose rows take ``length`` bytes.

    Does all the parsing, so that its cost falls on the writers, who run in parallel.
    """
    parts = _take_apart(footer)
    found = _Found()
    position, count = list_header(footer, parts.groups_at)
    groups_start = position
    for _ in range(count):
        position = _walk(footer, position, _ROW_GROUP, found)
    # An ordinal's header stands directly before it and is dropped with it: both are patched as one.
    patches = sorted([at << 1 for at in found.offsets] + [at << 1 | 1 for at in found.ordinals])
    numbers = (parts.rows, count, parts.head_end, groups_start, position, len(footer), len(patches))
    deltas = [b - a for a, b in zip([0, *patches], patches, strict=False)]
    body = struct.pack(f"<{len(deltas)}I", *deltas) + footer
    return _TOKEN.pack(_VERSION, length, *numbers) + zlib.compress(body, 1)


def join(parts: Sequence[Part]) -> bytes:
    """One footer, its length and the magic, for parts that stand in this order behind ``MAGIC``.

    Needs at least one part; parts without rows are fine. Raises InternalError when a token does not
    belong to its part or the parts differ in schema.
    """
    head = suffix = b""
    rows = groups = shift = 0
    body = bytearray()
    for index, part in enumerate(parts):
        token = _Token.load(part)
        footer = token.footer
        own_head, own_suffix = footer[: token.head_end], footer[token.groups_end :]
        if index == 0:
            head, suffix = own_head, own_suffix
        elif own_head != head:
            raise InternalError("the parts of a Parquet file were written with different schemas")
        _append_groups(body, token, shift, groups)
        rows += token.rows
        groups += token.groups
        shift += part.length
    # Field 3 (num_rows, i64) and field 4 (row_groups, list of structs), each one id after the last.
    middle = b"\x16" + varint(rows << 1) + b"\x19" + list_of_structs(groups)
    length = len(head) + len(middle) + len(body) + len(suffix)
    return b"".join((head, middle, body, suffix, struct.pack("<I", length), MAGIC))


def row_count(part: Part) -> int:
    """How many rows the footer of the joined file counts for this part."""
    return _Token.check(part)[2]


def group_count(part: Part) -> int:
    """How many row groups of the joined file are this part's."""
    return _Token.check(part)[3]


@dataclass(frozen=True, slots=True)
class _Token:
    rows: int
    groups: int
    head_end: int
    groups_start: int
    groups_end: int
    patches: Sequence[int]
    footer: bytes

    @staticmethod
    def check(part: Part) -> tuple[int, ...]:
        """The fixed fields of a token of this version."""
        if not part.token or part.token[0] != _VERSION:
            raise InternalError("a part of a Parquet file was written by another version of crossdock")
        return _TOKEN.unpack_from(part.token)

    @classmethod
    def load(cls, part: Part) -> _Token:
        _, length, rows, groups, head_end, start, end, size, count = cls.check(part)
        body = zlib.decompress(part.token[_TOKEN.size :])
        patches = struct.unpack_from(f"<{count}I", body)
        footer = body[4 * count :]
        if length != part.length or len(footer) != size:
            raise InternalError(
                f"a part of a Parquet file has {part.length} bytes where its writer wrote {length}"
            )
        return cls(rows, groups, head_end, start, end, patches, footer)


def _append_groups(body: bytearray, token: _Token, shift: int, ordinal: int) -> None:
    footer = token.footer
    last, key = token.groups_start, 0
    for delta in token.patches:
        key += delta
        position = key >> 1
        body += footer[last:position]
        if key & 1:
            last = _renumber(body, footer, position, ordinal)
            ordinal += 1
        else:
            value, last = read_varint(footer, position)
            body += varint(value + (shift << 1))  # zigzag of a number that is not negative
    body += footer[last : token.groups_end]


def _renumber(body: bytearray, footer: bytes, position: int, ordinal: int) -> int:
    """Write the field ``ordinal`` whose header is at ``position``; returns where reading goes on."""
    _, end = read_varint(footer, position + 1)
    if ordinal <= _MAX_ORDINAL:
        body += footer[position : position + 1] + varint(ordinal << 1)
    elif footer[end] != STOP:
        # The field is optional and 16 bits wide; leaving it out must not change the ids that follow.
        raise InternalError(f"a Parquet file cannot have more than {_MAX_ORDINAL + 1} such row groups")
    return end


@dataclass(slots=True)
class _Found:
    """Where numbers to patch stand: of offsets the varint, of ordinals the field header."""

    offsets: list[int] = field(default_factory=list)
    ordinals: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pieces:
    rows: int
    head_end: int
    groups_at: int


def _take_apart(footer: bytes) -> _Pieces:
    """Find fields 3 and 4 of FileMetaData, which writers put in the order of their ids."""
    position = last_id = rows = head_end = 0
    while True:
        start = position
        kind, last_id, position = read_field(footer, position, last_id)
        if kind == STOP or last_id > 4:
            raise InternalError("pyarrow wrote a Parquet footer without row_groups")
        if last_id == 3:
            head_end = start
            rows = read_varint(footer, position)[0] >> 1
        elif last_id == 4:
            if not head_end or footer[start] != 0x19:
                raise InternalError("pyarrow wrote the fields of a Parquet footer in an unknown order")
            return _Pieces(rows, head_end, position)
        position = skip(footer, position, kind)


def _walk(data: bytes, position: int, wanted: _Wanted, found: _Found) -> int:
    """Go through a struct, collecting what is ``wanted``; returns the position behind it."""
    field_id = 0
    while True:
        start = position
        kind, field_id, position = read_field(data, position, field_id)
        if kind == STOP:
            return position
        want = wanted.get(field_id)
        if want is None:
            position = skip(data, position, kind)
        elif want is _ORDINAL:
            if position == start + 1:
                found.ordinals.append(start)
            position = skip(data, position, kind)
        elif want is _OFFSET:
            # Zero says that there is none: nothing can stand where the magic does.
            if data[position]:
                found.offsets.append(position)
            position = skip(data, position, kind)
        elif kind == LIST:
            position, count = list_header(data, position)
            for _ in range(count):
                position = _walk(data, position, want, found)  # type: ignore[arg-type]
        else:
            position = _walk(data, position, want, found)  # type: ignore[arg-type]
