"""The ORC format: stripes, codecs, columns, damage. pyorc, which is not pyarrow, is the other side."""

from __future__ import annotations

import datetime as dt
import io
import random
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyorc
import pytest
from pydantic import ValidationError

from crossdock import DataError, FileFormat, NoSpaceError, ObjectInfo, PlanHint, SchemaMismatchError
from crossdock_connectors.formats.orc import SPEC
from crossdock_connectors.formats.orc_config import OrcConfig

_CODECS = {
    "none": pyorc.CompressionKind.NONE,
    "zlib": pyorc.CompressionKind.ZLIB,
    "snappy": pyorc.CompressionKind.SNAPPY,
    "lz4": pyorc.CompressionKind.LZ4,
    "zstd": pyorc.CompressionKind.ZSTD,
}


def form(**options: Any) -> FileFormat:
    return SPEC.open_format(OrcConfig(**options))


def info_of(data: bytes) -> ObjectInfo:
    return ObjectInfo("in/some.orc", len(data), f"etag-{len(data)}")


def made(count: int, codec: str = "zlib") -> bytes:
    """A file of many stripes, which pyorc wrote."""
    out, dice = io.BytesIO(), random.Random(1)
    schema = "struct<id:bigint,name:string,price:decimal(12,2),tags:array<string>>"
    with pyorc.Writer(out, schema, compression=_CODECS[codec], stripe_size=65536, batch_size=500) as writer:
        for i in range(count):
            name = None if i % 7 == 0 else f"name {i}" if i < 5 else dice.randbytes(100).hex()
            writer.write((i, name, Decimal(i) / 100, [str(i)] * (i % 3)))
    return out.getvalue()


def read(data: bytes, fmt: FileFormat, target: int = 1 << 30) -> list[list[dict[str, Any]]]:
    """The rows of each piece."""
    info = info_of(data)
    schema = fmt.schema(io.BytesIO(data), info)
    found = []
    for piece in fmt.plan(io.BytesIO(data), info, PlanHint(parallel=2), target):
        with fmt.read(io.BytesIO(data), info, piece.token, schema) as batches:
            found.append([row for batch in batches for row in batch.to_pylist()])
    return found


def written(table: pa.Table, **options: Any) -> bytes:
    fmt = form(**options)
    fmt.check(table.schema)
    out = io.BytesIO()
    writer = fmt.writer(out, table.schema)
    for batch in table.to_batches():
        writer.write(batch)
    writer.finish()
    return out.getvalue()


@pytest.mark.parametrize("codec", _CODECS)
def test_stripes_are_pieces_and_hold_every_row_once(codec: str) -> None:
    data = made(20_000, codec)
    stripes = pyorc.Reader(io.BytesIO(data)).num_of_stripes
    assert stripes > 10
    pieces = read(data, form(), 1)
    assert stripes - 4 <= len(pieces) <= stripes
    rows = [row for piece in pieces for row in piece]
    assert [row["id"] for row in rows] == list(range(20_000))
    assert rows[:3] == [
        {"id": 0, "name": None, "price": Decimal("0.00"), "tags": []},
        {"id": 1, "name": "name 1", "price": Decimal("0.01"), "tags": ["1"]},
        {"id": 2, "name": "name 2", "price": Decimal("0.02"), "tags": ["2", "2"]},
    ]
    assert 2 <= len(read(data, form(), len(data) // 3)) <= 4


@pytest.mark.parametrize("codec", _CODECS)
def test_another_library_reads_what_is_written(codec: str) -> None:
    moment = dt.datetime(2024, 2, 29, 23, 59, 59, 123456)
    utc = moment.replace(tzinfo=dt.UTC)
    table = pa.table(
        {
            "id": pa.array([1, None, 2**63 - 1]),
            "text": pa.array(["żółć", "", None]),
            "price": pa.array([Decimal("-1.25"), None, Decimal("1234567890.99")], pa.decimal128(12, 2)),
            "at": pa.array([moment, None, moment], pa.timestamp("us")),
            "instant": pa.array([utc, None, utc], pa.timestamp("us", "Europe/Paris")),
            "day": pa.array([dt.date(9999, 12, 31), None, dt.date(1, 1, 1)]),
            "small": pa.array([255, 0, None], pa.uint8()),
        }
    )
    reader = pyorc.Reader(io.BytesIO(written(table, compression=codec)))
    assert reader.compression == _CODECS[codec]
    rows = list(reader)
    # pyorc gives a timestamp without a zone as one of UTC.
    assert rows[0] == (1, "żółć", Decimal("-1.25"), utc, utc, dt.date(9999, 12, 31), 255)
    assert rows[1] == (None, "", None, None, None, None, 0)
    assert rows[2][0] == 2**63 - 1


def test_a_stripe_that_grows_is_read_in_small_batches() -> None:
    """A hundred thousand equal texts take no room in the file, and 200 MB in memory."""
    out = io.BytesIO()
    with pyorc.Writer(out, "struct<text:string>", compression=_CODECS["zstd"]) as writer:
        for _ in range(100_000):
            writer.write(("x" * 2000,))
    data = out.getvalue()
    assert pyorc.Reader(io.BytesIO(data)).num_of_stripes == 1
    fmt, info = form(), info_of(data)
    schema = fmt.schema(io.BytesIO(data), info)
    (piece,) = fmt.plan(io.BytesIO(data), info, PlanHint(), 1 << 30)
    rows, before, most = 0, pa.total_allocated_bytes(), 0
    with fmt.read(io.BytesIO(data), info, piece.token, schema) as batches:
        for batch in batches:
            rows += batch.num_rows
            most = max(most, pa.total_allocated_bytes() - before)
    assert rows == 100_000
    assert most < piece.memory


def test_columns_are_chosen() -> None:
    data = made(100)
    assert read(data, form(columns=["tags", "id"]))[0][1] == {"tags": ["1"], "id": 1}
    with pytest.raises(SchemaMismatchError, match=r"some\.orc has no column 'nmae'; did you mean name\?"):
        read(data, form(columns=["nmae"]))
    with pytest.raises(ValidationError, match="names a column twice"):
        OrcConfig(columns=["a", "a"])


def test_timestamps_that_arrow_has_no_nanoseconds_for_are_refused_both_ways() -> None:
    late = dt.datetime(9999, 12, 31)
    with pytest.raises(DataError, match="'at' has a timestamp before 1677 or after 2262"):
        written(pa.table({"at": pa.array([late], pa.timestamp("us"))}))
    out = io.BytesIO()
    with pyorc.Writer(out, "struct<at:timestamp>") as writer:
        writer.write((late,))
    with pytest.raises(DataError, match=r"in/some\.orc has a timestamp before 1677 or after 2262"):
        read(out.getvalue(), form())


@pytest.mark.parametrize("kind", [pa.time64("us"), pa.duration("us"), pa.uint64(), pa.null()], ids=str)
def test_types_that_orc_lacks_are_refused_before_any_data(kind: pa.DataType) -> None:
    with pytest.raises(
        SchemaMismatchError, match=f"'v' has the type .*{kind}.*, which ORC cannot hold".replace("[", r"\[")
    ):
        form().check(pa.schema([("v", kind)]))


def test_a_file_cut_short_or_of_another_format_is_one_sentence() -> None:
    data = made(5000)
    for short in (data[:-1], data[: len(data) // 2], b"ORC", b"", b"PAR1" * 100):
        with pytest.raises(DataError, match=r"in/some\.orc cannot be read as ORC") as refusal:
            read(short, form())
        assert "\n" not in str(refusal.value)


def test_a_damaged_file_is_read_or_refused_and_nothing_else() -> None:
    data = made(3000)
    dice = random.Random(7)
    refused = 0
    for _ in range(300):
        broken = bytearray(data)
        # The tail, where lengths and offsets stand, is hit most often.
        for _ in range(dice.randint(1, 3)):
            low = max(0, len(data) - 600) if dice.random() < 0.7 else 0
            broken[dice.randrange(low, len(data))] = dice.randrange(256)
        try:
            read(bytes(broken), form(), 1)
        except DataError:
            refused += 1
    assert refused > 100


def test_an_error_of_the_sink_is_raised_as_it_is() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise NoSpaceError("the disk is full")

    table = pa.table({"a": list(range(100))})
    writer = form().writer(Full(), table.schema)

    def write() -> None:
        writer.write(table.to_batches()[0])
        writer.finish()

    with pytest.raises(NoSpaceError, match="the disk is full"):
        write()
    writer.abort()
