"""The Parquet format: schema, plan, read, write."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from crossdock import (
    DataError,
    FileFormat,
    NoSpaceError,
    NotSupportedError,
    ObjectInfo,
    Part,
    PlanHint,
    SchemaMismatchError,
    SourceChangedError,
)
from crossdock_connectors.formats import parquet_read
from crossdock_connectors.formats.parquet import SPEC
from crossdock_connectors.formats.parquet_config import ParquetConfig

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string()),
        ("point", pa.struct([("x", pa.int64()), ("y", pa.float64())])),
        ("tags", pa.list_(pa.string())),
    ]
)


def rows(start: int, count: int) -> pa.RecordBatch:
    ids = range(start, start + count)
    columns = {
        "id": ids,
        "name": [f"name {i % 50}" for i in ids],
        "point": [{"x": i, "y": None if i % 3 else float(i)} for i in ids],
        "tags": [[str(i)] * (i % 4) for i in ids],
    }
    return pa.record_batch(columns, schema=SCHEMA)


def made(table: pa.Table | pa.RecordBatch, **options: Any) -> tuple[bytes, ObjectInfo]:
    out = io.BytesIO()
    pq.write_table(pa.table(table), out, **options)
    return out.getvalue(), ObjectInfo("in/some.parquet", out.tell(), f"etag-{out.tell()}")


def form(**options: Any) -> FileFormat:
    return SPEC.open_format(ParquetConfig(**options))


class CountingFile(io.BytesIO):
    """Counts what is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self.count += count
        return count


def carry(
    data: bytes, info: ObjectInfo, fmt: FileFormat, target: int = 1 << 30, schema: pa.Schema | None = None
) -> list[list[pa.RecordBatch]]:
    """The batches of each piece."""
    file = io.BytesIO(data)
    schema = schema or fmt.schema(file, info)
    pieces = []
    for piece in fmt.plan(file, info, PlanHint(parallel=2), target):
        with fmt.read(io.BytesIO(data), info, piece.token, schema) as batches:
            pieces.append(list(batches))
    for batch in (batch for piece in pieces for batch in piece):
        assert batch.schema.equals(schema, check_metadata=True)
    return pieces


def table(pieces: Sequence[Sequence[pa.RecordBatch]]) -> pa.Table:
    return pa.Table.from_batches([batch for piece in pieces for batch in piece])


def test_pieces_hold_every_row_once_and_in_order() -> None:
    batch = rows(0, 10_000)
    data, info = made(batch, row_group_size=500)
    fmt = form()
    pieces = list(fmt.plan(io.BytesIO(data), info, PlanHint(), info.size // 4))
    assert len(pieces) == 4
    assert pieces == list(fmt.plan(io.BytesIO(data), info, PlanHint(), info.size // 4))
    weights = [piece.weight for piece in pieces]
    assert sum(weights) < info.size
    assert max(weights) < 1.3 * min(weights)
    assert all(piece.memory > 8 << 20 for piece in pieces)
    assert table(carry(data, info, fmt, info.size // 4)) == pa.table(batch)


@pytest.mark.parametrize(("most", "count"), [(1, 1), (3, 3), (7, 7), (100, 20)])
def test_a_plan_has_no_more_splits_than_allowed(most: int, count: int) -> None:
    data, info = made(rows(0, 10_000), row_group_size=500)
    assert len(list(form().plan(io.BytesIO(data), info, PlanHint(max_splits=most), 1))) == count
    hint = PlanHint(min_split_bytes=info.size // 2)
    assert len(list(form().plan(io.BytesIO(data), info, hint, 1))) == 2


def test_uneven_row_groups_are_each_planned_once() -> None:
    out = io.BytesIO()
    sizes = [1, 5000, 1, 1, 20_000, 3, 700, 1]
    with pq.ParquetWriter(out, SCHEMA) as writer:
        for size in sizes:
            writer.write_batch(rows(0, size))
    info = ObjectInfo("x.parquet", out.tell(), "1")
    for target in (1, 1000, 10_000, 50_000, out.tell()):
        pieces = list(form().plan(io.BytesIO(out.getvalue()), info, PlanHint(), target))
        spans = [json.loads(piece.token)["groups"] for piece in pieces]
        assert [i for first, end in spans for i in range(first, end)] == list(range(len(sizes)))
        assert all(first < end for first, end in spans)


def test_a_file_without_rows_has_a_schema_and_one_empty_piece() -> None:
    data, info = made(rows(0, 0))
    assert form().schema(io.BytesIO(data), info) == SCHEMA
    assert [sum(b.num_rows for b in piece) for piece in carry(data, info, form())] == [0]


def test_only_the_columns_that_are_asked_for_are_read() -> None:
    batch = rows(0, 20_000)
    data, info = made(batch, row_group_size=5000, compression="none", use_dictionary=False)
    fmt = form(columns=["point", "id"])
    file = CountingFile(data)
    schema = fmt.schema(file, info)
    assert schema.names == ["point", "id"]
    (piece,) = fmt.plan(file, info, PlanHint(), 1 << 30)
    file.count = 0
    with fmt.read(file, info, piece.token, schema) as batches:
        read = pa.Table.from_batches(batches)
    assert read == pa.table(batch).select(["point", "id"])
    assert file.count < 0.75 * len(data)


def test_a_dotted_column_is_not_taken_for_a_nested_one() -> None:
    batch = pa.record_batch({"a": [{"b": 1}], "a.b": [2], "c": [3]})
    data, info = made(batch)
    assert table(carry(data, info, form(columns=["a.b"]))).to_pylist() == [{"a.b": 2}]
    assert table(carry(data, info, form(columns=["c", "a"]))).to_pylist() == [{"c": 3, "a": {"b": 1}}]


def test_a_missing_column_is_named_with_the_nearest() -> None:
    data, info = made(rows(0, 3))
    with pytest.raises(
        SchemaMismatchError, match=r"in/some\.parquet has no column 'nam' \(did you mean name"
    ):
        form(columns=["nam"]).schema(io.BytesIO(data), info)


def test_batches_follow_another_schema_where_values_convert() -> None:
    data, info = made(pa.table({"a": pa.array([1, 2], pa.int32()), "b": ["x", "y"]}))
    wanted = pa.schema([("b", pa.large_string()), ("a", pa.int64())])
    assert table(carry(data, info, form(), schema=wanted)).to_pylist() == [
        {"b": "x", "a": 1},
        {"b": "y", "a": 2},
    ]
    with pytest.raises(DataError, match="column 'b': a value does not convert from string to int64"):
        carry(data, info, form(), schema=pa.schema([("b", pa.int64())]))
    with pytest.raises(SchemaMismatchError, match="no column 'z'"):
        carry(data, info, form(), schema=pa.schema([("z", pa.int64())]))
    with pytest.raises(SchemaMismatchError, match="int32 does not convert to"):
        carry(data, info, form(), schema=pa.schema([("a", pa.list_(pa.int64()))]))


def test_the_footer_is_read_once_per_version() -> None:
    data, info = made(rows(0, 3000), row_group_size=100)
    fmt = form()
    schema = fmt.schema(io.BytesIO(data), info)
    file = CountingFile(data)
    pieces = list(fmt.plan(file, info, PlanHint(), 1))
    assert file.count == 0
    with fmt.read(file, info, pieces[0].token, schema) as batches:
        assert sum(batch.num_rows for batch in batches) == 100
    assert 0 < file.count < pieces[0].weight + 100
    fresh = CountingFile(data)
    list(fmt.plan(fresh, ObjectInfo(info.path, info.size, "another version"), PlanHint(), 1))
    assert fresh.count > 0


def test_a_long_footer_is_read_whole() -> None:
    wide = pa.table({f"a rather long column name, number {i}": [i] for i in range(2000)})
    data, info = made(wide)
    assert int.from_bytes(data[-8:-4], "little") > 100_000
    assert table(carry(data, info, form())) == wide


def test_a_plan_of_another_version_or_file_is_refused() -> None:
    data, info = made(rows(0, 10))
    schema = form().schema(io.BytesIO(data), info)
    with (
        pytest.raises(NotSupportedError, match="another version of crossdock"),
        form().read(io.BytesIO(data), info, b'{"v": 9, "groups": [0, 1]}', schema),
    ):
        pass
    with (
        pytest.raises(SourceChangedError, match="fewer row groups"),
        form().read(io.BytesIO(data), info, b'{"v": 1, "groups": [1, 4]}', schema),
    ):
        pass


@pytest.mark.parametrize("statistics", [True, False])
def test_batches_of_wide_rows_are_small(statistics: bool) -> None:
    """A dictionary of a few long strings: small in the file, 300 MB as Arrow."""
    texts = [chr(65 + i) * 3000 for i in range(5)]
    column = pa.array([texts[i % 5] for i in range(1000)])
    long = pa.table({"text": pa.concat_arrays([column] * 100), "n": range(100_000)})
    data, info = made(long, row_group_size=100_000, write_statistics=statistics)
    assert len(data) < 2 << 20
    fmt = form()
    (piece,) = fmt.plan(io.BytesIO(data), info, PlanHint(), 1 << 30)
    count = 0
    with fmt.read(io.BytesIO(data), info, piece.token, fmt.schema(io.BytesIO(data), info)) as batches:
        for batch in batches:
            assert batch.nbytes <= 1.1 * parquet_read.BATCH_BYTES
            count += batch.num_rows
    assert count == 100_000


def test_a_large_row_group_is_not_fetched_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_read, "_FETCH_BYTES", 1 << 20)
    monkeypatch.setattr(parquet_read, "BATCH_ROWS", 1000)
    numbers = pa.table({f"c{i}": range(i, 100_000 + i) for i in range(4)})
    data, info = made(
        numbers, row_group_size=100_000, compression="none", use_dictionary=False, data_page_size=16_384
    )
    fmt = form()
    (piece,) = fmt.plan(io.BytesIO(data), info, PlanHint(), 1 << 30)
    file = CountingFile(data)
    with fmt.read(file, info, piece.token, fmt.schema(file, info)) as batches:
        file.count = 0
        first = next(batches)
        assert 0 < file.count < len(data) / 2
        rest = list(batches)
    assert pa.Table.from_batches([first, *rest]) == numbers


def test_a_file_of_one_large_row_group_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossdock_connectors.formats.parquet_format._WORTH_A_NOTE", 1000)
    data, info = made(rows(0, 5000))
    fmt = form()
    list(fmt.plan(io.BytesIO(data), info, PlanHint(parallel=2), 1000))
    list(fmt.plan(io.BytesIO(data), info, PlanHint(parallel=2), 1000))
    assert fmt.notes() == ("in/some.parquet was not cut: its 0 MiB are one row group",)
    calm = form()
    list(calm.plan(io.BytesIO(data), info, PlanHint(parallel=1), 1000))
    assert calm.notes() == ()


def written(batches: Sequence[pa.RecordBatch], **options: Any) -> pq.ParquetFile:
    fmt = form(**options)
    out = io.BytesIO()
    schema = batches[0].schema
    writer = fmt.writer(out, schema)
    for batch in batches:
        writer.write(batch)
    token = writer.finish()
    data = fmt.head(schema) + out.getvalue() + fmt.tail(schema, [Part(out.tell(), token)])
    return pq.ParquetFile(io.BytesIO(data))


def test_row_groups_have_the_rows_asked_for() -> None:
    batches = [rows(0, 70), rows(70, 1), rows(71, 250), rows(321, 9)]
    file = written(batches, row_group_rows=100)
    assert [file.metadata.row_group(i).num_rows for i in range(4)] == [100, 100, 100, 30]
    assert file.read() == pa.Table.from_batches(batches)


def test_wide_rows_make_row_groups_of_bounded_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossdock_connectors.formats.parquet_write.ROW_GROUP_BYTES", 100_000)
    batch = pa.record_batch({"t": ["x" * 996] * 1000})
    file = written([batch, batch.slice(3, 7)])
    counts = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    assert counts == [100] * 10 + [7]
    huge = pa.record_batch({"t": ["y" * 300_000] * 3})
    assert written([huge]).metadata.num_row_groups == 3


@pytest.mark.parametrize(
    ("codec", "level", "stored"),
    [
        ("none", None, "UNCOMPRESSED"),
        ("snappy", None, "SNAPPY"),
        ("gzip", 9, "GZIP"),
        ("zstd", -3, "ZSTD"),
        ("lz4", 3, "LZ4"),
    ],
)
def test_codecs(codec: str, level: int | None, stored: str) -> None:
    file = written([rows(0, 500)], compression=codec, compression_level=level)
    assert file.metadata.row_group(0).column(0).compression == stored
    assert file.read() == pa.table(rows(0, 500))


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "snappy", "compression_level": 1},
        {"compression": "gzip", "compression_level": 0},
        {"compression": "zstd", "compression_level": 23},
        {"compression": "brotli"},
        {"row_group_rows": 0},
        {"columns": []},
        {"columns": ["a", "a"]},
        {"unknown": 1},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ParquetConfig(**options)


@pytest.mark.parametrize(
    "bad",
    [
        pa.month_day_nano_interval(),
        pa.dense_union([pa.field("a", pa.int32())]),
        pa.sparse_union([pa.field("a", pa.int32())]),
        pa.run_end_encoded(pa.int32(), pa.string()),
        pa.struct([]),
        pa.list_(pa.struct([("deep", pa.month_day_nano_interval())])),
        pa.binary(0),
        pa.decimal128(5, -2),
        pa.dictionary(pa.int32(), pa.struct([("a", pa.int32())])),
        pa.map_(pa.string(), pa.dictionary(pa.int8(), pa.list_(pa.int8()))),
    ],
    ids=str,
)
def test_types_that_parquet_cannot_hold_are_refused(bad: pa.DataType) -> None:
    schema = pa.schema([("fine", pa.int64()), pa.field("wrong", bad, nullable=False)])
    with pytest.raises(SchemaMismatchError, match="column 'wrong' has the type"):
        form().check(schema)


def test_types_that_parquet_holds_pass() -> None:
    inner = pa.field("z", pa.int8(), nullable=False)
    form().check(
        pa.schema(
            [
                pa.field("a", pa.int64(), nullable=False),
                ("b", pa.dictionary(pa.int32(), pa.string())),
                ("c", pa.struct([inner, ("m", pa.map_(pa.string(), pa.list_(inner)))])),
                ("d", pa.timestamp("ns", "UTC")),
                ("e", pa.string_view()),
                ("f", pa.null()),
                ("g", pa.uuid()),
            ]
        )
    )
    with pytest.raises(SchemaMismatchError, match="at least one column"):
        form().check(pa.schema([]))


class Full:
    """A stream that has room for some bytes."""

    def __init__(self, room: int, error: BaseException) -> None:
        self.room, self.error = room, error

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise self.error
        return len(data)


@pytest.mark.parametrize("error", [NoSpaceError("full"), OSError(28, "No space left"), KeyError("odd")])
def test_what_the_stream_raises_is_raised(error: Exception) -> None:
    out = Full(2000, error)
    writer = form(row_group_rows=100).writer(out, SCHEMA)
    with pytest.raises(type(error)) as caught:
        writer.write(rows(0, 10_000))
    assert caught.value is error
    before = out.room
    writer.abort()
    assert out.room == before


def test_aborting_writes_nothing_more() -> None:
    out = io.BytesIO()
    writer = form(row_group_rows=100).writer(out, SCHEMA)
    writer.write(rows(0, 150))
    length = out.tell()
    assert length > 0
    writer.abort()
    del writer
    assert out.tell() == length


def test_a_null_in_a_column_without_nulls_is_a_data_error() -> None:
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    writer = form().writer(io.BytesIO(), schema)
    writer.write(pa.record_batch([pa.array([1, None])], schema=schema))
    with pytest.raises(DataError, match=r"cannot be written as Parquet: .*\ba\b.* non-nullable"):
        writer.finish()
    writer.abort()


def test_a_dictionary_that_does_not_pay_is_not_filled_again() -> None:
    rows = 20_000
    few = pa.array([f"flag {n % 3}" for n in range(rows)])
    many = pa.array([f"{n * 7919 % rows:032x}" for n in range(rows)])
    table = pa.table({"few": few, "many": many})
    assert SPEC.open_format is not None
    files = SPEC.open_format(ParquetConfig())
    encodings = []
    for _ in range(2):
        out = pa.BufferOutputStream()
        out.write(files.head(table.schema))
        writer = files.writer(out, table.schema)
        for batch in table.to_batches():
            writer.write(batch)
        token = writer.finish()
        out.write(files.tail(table.schema, [Part(out.tell() - 4, token)]))
        file = pq.ParquetFile(pa.BufferReader(out.getvalue()))
        assert file.read().equals(table)
        group = file.metadata.row_group(0)
        encodings.append([group.column(n).has_dictionary_page for n in range(2)])
    assert encodings == [[True, True], [True, False]]
