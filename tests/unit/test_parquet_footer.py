"""Parts written apart and joined are one Parquet file."""

from __future__ import annotations

import datetime as dt
import io
import time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock import InternalError, Part
from crossdock_connectors.formats import parquet_footer, parquet_thrift
from crossdock_connectors.formats.parquet import SPEC
from crossdock_connectors.formats.parquet_config import ParquetConfig

UTC = dt.UTC
TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "uint8": (pa.uint8(), st.integers(0, 255)),
    "bool": (pa.bool_(), st.booleans()),
    "double": (pa.float64(), st.floats(allow_nan=False)),
    "string": (pa.string(), st.text(max_size=20)),
    "large_binary": (pa.large_binary(), st.binary(max_size=20)),
    "fixed": (pa.binary(3), st.binary(min_size=3, max_size=3)),
    "decimal": (pa.decimal128(9, 2), st.decimals(-9999999, 9999999, places=2)),
    "decimal18": (pa.decimal128(18, 0), st.decimals(-(10**17), 10**17, places=0)),
    "wide_decimal": (pa.decimal256(50, 3), st.decimals(-(10**20), 10**20, places=3)),
    "date": (pa.date32(), st.dates()),
    "time": (pa.time64("us"), st.times()),
    "stamp": (pa.timestamp("us"), st.datetimes()),
    "zoned": (
        pa.timestamp("ns", "Europe/Berlin"),
        st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)).map(lambda d: d.replace(tzinfo=UTC)),
    ),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["red", "green", "blau"])),
    "list": (pa.list_(pa.int32()), st.lists(st.none() | st.integers(-9, 9), max_size=4)),
    "strings": (pa.list_(pa.string()), st.lists(st.text(max_size=5), max_size=3)),
    "struct": (
        pa.struct([("x", pa.int16()), ("y", pa.list_(pa.string()))]),
        st.fixed_dictionaries({"x": st.integers(-9, 9), "y": st.none() | st.lists(st.text(max_size=3))}),
    ),
    "map": (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(st.text(max_size=3), st.integers(0, 99), max_size=3).map(lambda d: list(d.items())),
    ),
    "null": (pa.null(), st.none()),
}


def write_parts(
    schema: pa.Schema, parts: list[list[pa.RecordBatch]], **options: Any
) -> tuple[bytes, list[Part]]:
    """Write each part with a writer of its own and join them."""
    form = SPEC.open_format(ParquetConfig(**options))
    bodies, made = [], []
    for batches in parts:
        out = io.BytesIO()
        writer = form.writer(out, schema)
        for batch in batches:
            writer.write(batch)
        token = writer.finish()
        bodies.append(out.getvalue())
        made.append(Part(len(bodies[-1]), token))
    return form.head(schema) + b"".join(bodies) + form.tail(schema, made), made


def whole(data: bytes) -> pa.Table:
    return pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).read(use_threads=False)


@st.composite
def parted(draw: st.DrawFn) -> tuple[pa.Schema, list[list[pa.RecordBatch]]]:
    names = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=6, unique=True))
    schema = pa.schema([(name, TYPES[name][0]) for name in names])
    sizes = draw(st.lists(st.lists(st.integers(0, 12), max_size=3), max_size=5))
    parts = []
    for batches in sizes:
        made = []
        for rows in batches:
            columns = [
                pa.array(
                    draw(st.lists(st.none() | TYPES[name][1], min_size=rows, max_size=rows)),
                    TYPES[name][0],
                )
                for name in names
            ]
            made.append(pa.record_batch(columns, schema=schema))
        parts.append(made)
    return schema, parts


@settings(max_examples=60)
@given(
    parted(),
    st.sampled_from(["none", "snappy", "gzip", "zstd", "lz4"]),
    st.sampled_from([1, 3, 7, 122_880]),
    st.booleans(),
)
def test_joined_parts_read_back_the_same(
    data: tuple[pa.Schema, list[list[pa.RecordBatch]]], codec: str, group_rows: int, checksum: bool
) -> None:
    schema, parts = data
    joined, _ = write_parts(
        schema, parts, compression=codec, row_group_rows=group_rows, page_checksum=checksum
    )
    expected = pa.Table.from_batches([batch for part in parts for batch in part], schema)
    read = whole(joined)
    assert read.schema == schema
    # Dictionaries are unified on reading, so that values are compared and not their codes.
    assert read.to_pylist() == expected.to_pylist()
    metadata = pq.ParquetFile(io.BytesIO(joined)).metadata
    groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sum(groups) == metadata.num_rows == expected.num_rows
    assert all(0 < rows <= group_rows for rows in groups)


SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("half", pa.float64())])


def numbers(start: int, rows: int) -> pa.RecordBatch:
    ids = range(start, start + rows)
    columns = {"id": ids, "name": [f"n{i % 7}" for i in ids], "half": [i / 2 for i in ids]}
    return pa.record_batch(columns, schema=SCHEMA)


def test_each_row_group_keeps_its_statistics_and_pages() -> None:
    parts = [[numbers(0, 250)], [], [numbers(250, 100)], [numbers(350, 1), numbers(351, 149)]]
    joined, made = write_parts(SCHEMA, parts, row_group_rows=100)
    file = pq.ParquetFile(io.BytesIO(joined))
    bounds, ends = [], [4]
    for index in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(index)
        statistics = group.column(0).statistics
        bounds.append((statistics.min, statistics.max, statistics.null_count))
        for column in range(group.num_columns):
            chunk = group.column(column)
            assert (chunk.dictionary_page_offset or chunk.data_page_offset) == ends[-1]
            ends.append(ends[-1] + chunk.total_compressed_size)
        assert file.read_row_group(index)["id"].to_pylist() == list(range(statistics.min, statistics.max + 1))
    assert bounds == [
        (0, 99, 0),
        (100, 199, 0),
        (200, 249, 0),
        (250, 349, 0),
        (350, 449, 0),
        (450, 499, 0),
    ]
    assert ends[-1] == 4 + sum(part.length for part in made)


def test_joining_equals_one_writer() -> None:
    """All bytes are those of a single writer, if the row groups are the same."""
    batches = [numbers(0, 100), numbers(100, 100), numbers(200, 30)]
    alone, _ = write_parts(SCHEMA, [batches], row_group_rows=100)
    joined, _ = write_parts(SCHEMA, [[b] for b in batches], row_group_rows=100)
    assert joined == alone


@pytest.mark.parametrize("parts", [[], [[]], [[], []], [[numbers(0, 0)], []]])
def test_no_rows_make_a_valid_empty_file(parts: list[list[pa.RecordBatch]]) -> None:
    schema = SCHEMA
    joined, _ = write_parts(schema, parts)
    read = whole(joined)
    assert read.num_rows == 0
    assert read.schema == schema


def test_metadata_of_the_schema_is_kept() -> None:
    schema = SCHEMA.with_metadata({"origin": "somewhere"})
    parts = [[numbers(0, 5)], [numbers(5, 5).replace_schema_metadata({"other": "thing"})]]
    joined, _ = write_parts(schema, parts)
    assert whole(joined).schema.metadata == {b"origin": b"somewhere"}


def test_many_row_groups_join_fast() -> None:
    names = [f"column_{i}" for i in range(16)]
    schema = pa.schema([(name, pa.string() if name.endswith("5") else pa.int64()) for name in names])
    batch = pa.record_batch(
        [pa.array(["x", "y"]) if f.type == pa.string() else pa.array([1, 2]) for f in schema], schema=schema
    )
    form = SPEC.open_format(ParquetConfig(row_group_rows=2))
    out = io.BytesIO()
    writer = form.writer(out, schema)
    for _ in range(100):
        writer.write(batch)
    token = writer.finish()
    part = Part(out.tell(), token)
    started = time.perf_counter()
    tail = form.tail(schema, [part] * 5)
    assert time.perf_counter() - started < 2, "500 row groups of 16 columns take some 0.02 s"
    read = whole(form.head(schema) + out.getvalue() * 5 + tail)
    assert read == pa.Table.from_batches([batch] * 500)


def varint(value: int) -> bytes:
    return parquet_thrift.varint(value << 1)


def bare_footer(groups: int, after: bytes = b"") -> bytes:
    """A footer with row groups that have an ordinal, as other versions of pyarrow write it."""
    group = (
        b"\x36\x02" + b"\x26\x08" + b"\x24\x00" + after + b"\x00"
    )  # 3 rows = 1, 5 offset = 4, 7 ordinal = 0
    size = bytes([groups << 4 | 0xC])
    return b"\x15\x02\x19\x0c\x16" + varint(groups) + b"\x19" + size + group * groups + b"\x00"


def ordinals_and_offsets(tail: bytes) -> tuple[list[int], list[int]]:
    footer, found = tail[:-8], parquet_footer._Found()
    position, count = parquet_thrift.list_header(footer, parquet_footer._take_apart(footer).groups_at)
    for _ in range(count):
        position = parquet_footer._walk(footer, position, parquet_footer._ROW_GROUP, found)
    assert footer[position:] == b"\x00"
    ordinals = [parquet_thrift.read_varint(footer, at + 1)[0] >> 1 for at in found.ordinals]
    return ordinals, [parquet_thrift.read_varint(footer, at)[0] >> 1 for at in found.offsets]


def test_ordinals_go_on_from_part_to_part() -> None:
    parts = [Part(1000, parquet_footer.strip(bare_footer(n), 1000)) for n in (2, 3, 1)]
    assert ordinals_and_offsets(parquet_footer.join(parts)) == (
        [0, 1, 2, 3, 4, 5],
        [4, 4, 1004, 1004, 1004, 2004],
    )


def test_row_groups_beyond_the_range_of_ordinals() -> None:
    """An ordinal has 16 bits; past them the optional field is left out."""
    part = Part(1000, parquet_footer.strip(bare_footer(10), 1000))
    ordinals, offsets = ordinals_and_offsets(parquet_footer.join([part] * 3300))
    assert ordinals == list(range(32_768))
    assert offsets == [4 + 1000 * (i // 10) for i in range(33_000)]
    later = Part(1000, parquet_footer.strip(bare_footer(10, b"\x15\x02"), 1000))
    with pytest.raises(InternalError, match="more than 32768"):
        parquet_footer.join([later] * 3300)


def test_offsets_beyond_four_gigabytes() -> None:
    part = Part(5 << 30, parquet_footer.strip(bare_footer(1), 5 << 30))
    assert ordinals_and_offsets(parquet_footer.join([part] * 3))[1] == [4, 4 + (5 << 30), 4 + (10 << 30)]


def test_footers_that_pyarrow_does_not_write_are_refused() -> None:
    with pytest.raises(InternalError, match="without row_groups"):
        parquet_footer.strip(b"\x15\x02\x00", 0)
    with pytest.raises(InternalError, match="unknown order"):
        parquet_footer.strip(b"\x15\x02\x39\x0c\x06\x06\x02\x00", 0)


def test_tokens_that_do_not_belong_are_refused() -> None:
    schema = SCHEMA
    _, [good] = write_parts(schema, [[numbers(0, 5)]])
    form = SPEC.open_format(ParquetConfig())
    with pytest.raises(InternalError, match="bytes where its writer wrote"):
        form.tail(schema, [Part(good.length + 1, good.token)])
    with pytest.raises(InternalError, match="another version"):
        form.tail(schema, [Part(good.length, b"\x7f" + good.token[1:])])
    other = pa.record_batch({"id": [Decimal("1.5")]})
    _, [strange] = write_parts(other.schema, [[other]])
    with pytest.raises(InternalError, match="different schemas"):
        form.tail(schema, [good, strange])


def test_scanner_skips_every_type_and_shifts_every_offset() -> None:
    """A hand-made RowGroup with fields that pyarrow does not write, and fields of a later version."""
    chunk = (
        b"\x26" + b"\x08"  # 2 file_offset = 4
        b"\x1c"  # 3 meta_data
        b"\x96" + b"\x08"  # 9 data_page_offset = 4 (delta 9)
        b"\x16\xac\x02"  # 10 index_page_offset = 150
        b"\x16\x00"  # 11 dictionary_page_offset = 0: none
        b"\x36\xc8\x01"  # 14 bloom_filter_offset = 100
        b"\x00"
        b"\x16\x14"  # 4 offset_index_offset = 10
        b"\x15\x02"  # 5 offset_index_length
        b"\x16\x18"  # 6 column_index_offset = 12
        b"\x00"
    )
    group = (
        b"\x19\x1c"
        + chunk  # 1 columns: a list of one struct
        + b"\x46\x28"  # 5 file_offset = 20
        + b"\x06\xc8\x01\x02"  # 100, id in long form, i64
        + b"\x11\x12"  # 101 true, 102 false
        + b"\x13\x07"  # 103 byte
        + b"\x17" + bytes(8)  # 104 double
        + b"\x18\x03abc"  # 105 binary
        + b"\x1b\x02\x58\x02\x01x\x04\x01y"  # 106 map<i32, binary> of two
        + b"\x1b\x00"  # 107 empty map
        + b"\x1a\x31\x01\x02\x01"  # 108 set of three bools
        + b"\x19\xf5\x10" + b"\x02" * 16  # 109 list of 16 i32, long form
        + b"\x1d" + bytes(16)  # 110 uuid
        + b"\x1c\x1c\x00\x00"  # 111 struct in a struct
        + b"\x00"
    )  # fmt: skip
    found = parquet_footer._Found()
    end = parquet_footer._walk(group, 0, parquet_footer._ROW_GROUP, found)
    assert end == len(group)
    values = [parquet_thrift.read_varint(group, at)[0] >> 1 for at in found.offsets]
    assert values == [4, 4, 150, 100, 10, 12, 20]
    assert found.ordinals == []
