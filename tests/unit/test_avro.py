"""The Avro format: types, blocks, damage. fastavro reads and writes whole files on the other side."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import uuid
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from pydantic import ValidationError

from crossdock import DataError, FileFormat, ObjectInfo, PlanHint, SchemaMismatchError, ShortReadError
from crossdock_connectors.formats import avro_blocks
from crossdock_connectors.formats.avro import SPEC
from crossdock_connectors.formats.avro_config import AvroConfig

_REFUSED = (DataError, SchemaMismatchError, ShortReadError)


def form(**options: Any) -> FileFormat:
    return SPEC.open_format(AvroConfig(**options))


def info_of(data: bytes) -> ObjectInfo:
    return ObjectInfo("in/some.avro", len(data), f"etag-{len(data)}")


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "r", "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def made(schema: Any, rows: list[Any], codec: str = "deflate", interval: int = 16_000) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, schema, rows, codec=codec, sync_interval=interval)
    return out.getvalue()


def read(data: bytes, target: int = 1 << 30) -> list[pa.Table]:
    """The rows of each piece."""
    fmt, info = form(), info_of(data)
    schema = fmt.schema(io.BytesIO(data), info)
    found = []
    for piece in fmt.plan(io.BytesIO(data), info, PlanHint(parallel=2), target):
        with fmt.read(io.BytesIO(data), info, piece.token, schema) as batches:
            found.append(pa.Table.from_batches(batches, schema))
    return found


def written(table: pa.Table, **options: Any) -> bytes:
    fmt = form(**options)
    fmt.check(table.schema)
    out = io.BytesIO()
    writer = fmt.writer(out, table.schema)
    for batch in table.to_batches():
        writer.write(batch)
    writer.finish()
    return fmt.head(table.schema) + out.getvalue()


def logical(kind: str, name: str, /, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


def test_every_type_that_can_be_a_column() -> None:
    moment = dt.datetime(2024, 2, 29, 23, 59, 59, 123456)
    utc = moment.replace(tzinfo=dt.UTC)
    point = {"type": "record", "name": "point", "namespace": "geo", "fields": [{"name": "x", "type": "int"}]}
    key = uuid.UUID("12345678-1234-5678-1234-567812345678")
    kinds: dict[str, tuple[Any, Any, Any]] = {
        "flag": ("boolean", True, True),
        "small": ("int", -(2**31), -(2**31)),
        "large": ("long", 2**63 - 1, 2**63 - 1),
        "half": ("float", 0.5, 0.5),
        "ratio": ("double", 0.1, 0.1),
        "data": ("bytes", b"\0\xff", b"\0\xff"),
        "text": ("string", "żółć", "żółć"),
        "price": (logical("bytes", "decimal", precision=12, scale=2), Decimal("-1.25"), Decimal("-1.25")),
        "fee": (
            logical("fixed", "decimal", name="fee", size=8, precision=10, scale=1),
            Decimal("-3.5"),
            Decimal("-3.5"),
        ),
        "day": (logical("int", "date"), dt.date(9999, 12, 31), dt.date(9999, 12, 31)),
        "hour": (logical("int", "time-millis"), dt.time(1, 2, 3), dt.time(1, 2, 3)),
        "micro": (logical("long", "time-micros"), dt.time(1, 2, 3, 4), dt.time(1, 2, 3, 4)),
        "at": (logical("long", "timestamp-micros"), utc, utc),
        "local": (logical("long", "local-timestamp-micros"), moment, moment),
        "key": (logical("string", "uuid"), key, str(key)),
        "suit": ({"type": "enum", "name": "suit", "symbols": ["HEARTS", "SPADES"]}, "SPADES", "SPADES"),
        "code": ({"type": "fixed", "name": "code", "size": 2}, b"ab", b"ab"),
        "tags": ({"type": "array", "items": ["null", "string"]}, ["a", None], ["a", None]),
        "counts": ({"type": "map", "values": "long"}, {"a": 1, "b": 2}, [("a", 1), ("b", 2)]),
        "point": (point, {"x": 1}, {"x": 1}),
        "again": ("geo.point", {"x": 2}, {"x": 2}),
    }  # fmt: skip
    fields = {name: kind for name, (kind, _, _) in kinds.items()}
    nullable = {f"no_{name}": ["null", kind if isinstance(kind, str) else kind.get("name") or kind]
                for name, kind in fields.items() if name != "point"}  # fmt: skip
    row = {name: value for name, (_, value, _) in kinds.items()} | dict.fromkeys(nullable)
    (table,) = read(made(record(**fields, **nullable), [row, row]))
    expected = {name: value for name, (_, _, value) in kinds.items()} | dict.fromkeys(nullable)
    assert table.to_pylist() == [expected, expected]
    assert table.schema.field("price").type == pa.decimal128(12, 2)
    assert table.schema.field("at").type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (["null", "int", "string"], "column 'v': a union of int and string cannot be a column"),
        ({"type": "array", "items": ["int", "string"]}, "column 'v.items': a union of int and string cannot"),
        (["null", "r"], "column 'v': a recursive type (r) cannot be a column"),
        ({"type": "array", "items": "null"}, "column 'v.items': an array of values that take no room cannot"),
    ],
    ids=["union", "inside", "recursive", "empty"],
)
def test_a_type_that_cannot_be_a_column_is_refused(kind: Any, said: str) -> None:
    data = made(record(id="int", v=kind), [])
    with pytest.raises(SchemaMismatchError) as refusal:
        read(data)
    assert f"in/some.avro, {said}" in str(refusal.value)


def test_single_values_are_refused() -> None:
    with pytest.raises(SchemaMismatchError, match="has no records with columns"):
        read(made("string", ["a"]))


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_a_large_file_is_cut_at_its_blocks(codec: str) -> None:
    data = made(
        record(id="long", text="string"), [{"id": i, "text": f"x{i}" * 9} for i in range(20_000)], codec
    )
    pieces = read(data, len(data) // 5)
    assert len(pieces) == 5 or codec != "null"
    assert len(pieces) > 1
    assert pa.concat_tables(pieces)["id"].to_pylist() == list(range(20_000))
    assert all(0 < piece.num_rows < 20_000 for piece in pieces)


@pytest.mark.parametrize("codec", ["none", "deflate"])
def test_another_library_reads_what_is_written(codec: str) -> None:
    utc = dt.datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=dt.UTC)
    rows = [
        {"id": 1, "price": Decimal("-1.25"), "at": utc, "day": dt.date(2024, 2, 29), "tags": ["a", None]},
        {"id": None, "price": None, "at": None, "day": None, "tags": None},
        {"id": 2**63 - 1, "price": Decimal("128.00"), "at": utc, "day": dt.date(1, 1, 1), "tags": []},
    ]
    schema = pa.schema(
        {
            "id": pa.int64(),
            "price": pa.decimal128(12, 2),
            "at": pa.timestamp("us", "UTC"),
            "day": pa.date32(),
            "tags": pa.list_(pa.string()),
        }
    )
    data = written(
        pa.Table.from_pylist(rows, schema), compression=codec, record_name="Order", record_namespace="shop.v1"
    )
    reader = fastavro.reader(io.BytesIO(data))
    assert list(reader) == rows
    assert (reader.codec, reader.writer_schema["name"]) == (codec.replace("none", "null"), "shop.v1.Order")


@pytest.mark.parametrize("codec", ["none", "deflate", "snappy", "bzip2", "xz", "zstandard"])
def test_each_codec_writes_what_its_header_says(codec: str) -> None:
    table = pa.table({"text": ["the same text"] * 5000})
    data = written(table, compression=codec)
    header = avro_blocks.read_header(io.BytesIO(data), "x")
    assert header.codec == codec.replace("none", "null")
    assert (len(data) < 5000) == (codec != "none")
    assert read(data) == [table]


def test_options_and_names_that_avro_does_not_have() -> None:
    for wrong in ({"record_name": "1st"}, {"record_namespace": "a..b"}, {"compression": "lzo"}):
        with pytest.raises(ValidationError):
            AvroConfig(**wrong)
    with pytest.raises(SchemaMismatchError, match="column 'a b': an Avro name is letters"):
        form().check(pa.schema([("a b", pa.int64())]))
    with pytest.raises(SchemaMismatchError, match="'v' has the type duration"):
        form().check(pa.schema([("v", pa.duration("us"))]))


def test_times_of_nanoseconds_are_whole_microseconds_or_refused() -> None:
    table = pa.table({"t": pa.array([36_000_000_001_000, None], pa.time64("ns"))})
    assert read(written(table)) == [table.cast(pa.schema([("t", pa.time64("us"))]))]
    with pytest.raises(DataError, match="cannot be written as Avro"):
        written(pa.table({"t": pa.array([36_000_000_000_100], pa.time64("ns"))}))


def test_a_file_cut_short_or_of_another_format_is_one_sentence() -> None:
    data = made(record(id="long"), [{"id": i} for i in range(5000)])
    for short in (data[:-1], data[: len(data) // 2], data[:50], b"Obj\x01", b"", b"PAR1" * 50):
        with pytest.raises(_REFUSED) as refusal:
            read(short)
        assert "\n" not in str(refusal.value)


def test_a_block_that_grows_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro_blocks, "LARGEST", 1 << 20)
    bomb = [{"text": "x" * (4 << 20)}]
    for codec in ("deflate", "bzip2", "xz"):
        with pytest.raises(DataError, match=r"block at byte \d+: the block is larger than 1 MiB"):
            read(made(record(text="string"), bomb, codec))
    for codec in ("snappy", "zstandard"):
        with pytest.raises(DataError, match=r"block at byte \d+: the block is"):
            read(written(pa.table(bomb_columns(bomb)), compression=codec))


def bomb_columns(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    return {"text": [row["text"] for row in rows]}


def test_a_block_of_more_rows_than_bytes_is_refused() -> None:
    header = avro_blocks.header_bytes(json.dumps(record(v="null")), "null", b"s" * 16)
    data = header + b"".join(avro_blocks.block_bytes(1 << 40, b"", "null", b"s" * 16))
    with pytest.raises(DataError, match="more rows than it has bytes"):
        read(data)


def test_a_damaged_file_is_read_or_refused_and_nothing_else() -> None:
    rows = [{"id": i, "text": f"x{i}", "tags": [str(i)]} for i in range(300)]
    schema = record(id="long", text=["null", "string"], tags={"type": "array", "items": "string"})
    dice, refused = random.Random(7), 0
    for codec in ("null", "deflate"):
        data = made(schema, rows, codec, 1000)
        for _ in range(200):
            broken = bytearray(data)
            for _ in range(dice.randint(1, 3)):
                broken[dice.randrange(len(data))] = dice.randrange(256)
            try:
                read(bytes(broken), 1000)
            except _REFUSED:
                refused += 1
    assert refused > 200
