"""Parquet: strings that a file has as dictionaries go from reader to writer as such."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossdock
from crossdock import DataError, FileFormat, ObjectInfo, Part, PlanHint
from crossdock_connectors.formats import parquet_format, parquet_read, parquet_write
from crossdock_connectors.formats.parquet import SPEC
from crossdock_connectors.formats.parquet_config import ParquetConfig

CODED = pa.dictionary(pa.int32(), pa.string())
MODES = ["air", None, "rail", "ship", "truck"]


def form(**options: Any) -> FileFormat:
    assert SPEC.open_format is not None
    return SPEC.open_format(ParquetConfig(**options))


def modes(rows: int) -> pa.Table:
    texts = pa.array([MODES[n % 5] for n in range(rows)])
    bytes_ = pa.array([f"b{n % 3}".encode() for n in range(rows)])
    return pa.table(
        {"mode": texts, "n": range(rows), "raw": bytes_, "one": [f"row {n}" for n in range(rows)]}
    )


def made(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def read_encoded(data: bytes, schema: pa.Schema | None = None) -> list[pa.RecordBatch]:
    fmt, info = form(), ObjectInfo("in/some.parquet", len(data), "1")
    schema = schema or fmt.schema(io.BytesIO(data), info)
    batches: list[pa.RecordBatch] = []
    for piece in fmt.plan(io.BytesIO(data), info, PlanHint(), 1 << 30):
        with fmt.read_encoded(io.BytesIO(data), info, piece.token, schema) as found:
            batches += found
    return batches


def decoded(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([pa.table(batch).cast(schema) for batch in batches])


def write(fmt: FileFormat, schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> bytes:
    out = io.BytesIO()
    out.write(fmt.head(schema))
    writer = fmt.writer(out, schema)
    for batch in batches:
        writer.write(batch)
    token = writer.finish()
    out.write(fmt.tail(schema, [Part(out.tell() - 4, token)]))
    return out.getvalue()


def is_coded(batch: pa.RecordBatch, name: str) -> bool:
    return bool(pa.types.is_dictionary(batch.column(name).type))


def test_small_dictionaries_come_as_they_are_and_other_strings_as_strings() -> None:
    table = modes(20_000)
    batches = read_encoded(made(table, row_group_size=6000))
    assert decoded(batches, table.schema).equals(table)
    for batch in batches:
        assert [is_coded(batch, name) for name in table.schema.names] == [True, False, True, False]
    fmt, data = form(), made(table)
    info = ObjectInfo("x.parquet", len(data), "1")
    (piece,) = fmt.plan(io.BytesIO(data), info, PlanHint(), 1 << 30)
    with fmt.read(io.BytesIO(data), info, piece.token, table.schema) as found:
        assert all(batch.schema.equals(table.schema) for batch in found)


def test_each_row_group_has_its_own_dictionary() -> None:
    table = pa.table({"t": [f"{'ab'[n // 5000]}{n % 7}" for n in range(10_000)]})
    batches = read_encoded(made(table, row_group_size=5000))
    assert all(is_coded(batch, "t") and len(batch.column("t").dictionary) == 7 for batch in batches)
    assert decoded(batches, table.schema).equals(table)


def test_a_column_that_is_wanted_as_another_type_comes_as_that() -> None:
    table = modes(5000)
    wanted = pa.schema([("raw", pa.string()), ("mode", pa.large_string())])
    batches = read_encoded(made(table), wanted)
    assert pa.Table.from_batches(batches).equals(table.select(["raw", "mode"]).cast(wanted))


def test_a_dictionary_with_an_entry_twice_is_not_trusted() -> None:
    """pyarrow drops the second entry and then takes later ones for others."""
    table = pa.table({"t": ["aaaa", "zzzz", "bbbb", "cccc", "bbbb", "bbbb"] * 200})
    data = made(table, compression="none", write_statistics=False)
    assert data.count(b"zzzz") == 1
    twice = data.replace(b"zzzz", b"aaaa")
    (batch,) = read_encoded(twice)
    assert batch.column("t").to_pylist() == ["aaaa", "aaaa", "bbbb", "cccc", "bbbb", "bbbb"] * 200


def test_an_index_without_an_entry_is_damage() -> None:
    # Two bits for each index: 0 1 2 0, 1 2 0 1, 2 0 1 2, and then again.
    data = made(pa.table({"t": ["x", "y", "z"] * 400}), compression="none", write_statistics=False)
    pattern = bytes([0b00100100, 0b01001001, 0b10010010])
    at = data.index(pattern * 20) + 30
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_encoded(data[:at] + b"\xff" + data[at + 1 :])


@pytest.mark.parametrize("batch_rows", [500, 65_536])
def test_a_dictionary_that_is_given_up_half_way_loses_no_row(
    batch_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_read, "BATCH_ROWS", batch_rows)
    few = [f"few {n % 5}" for n in range(20_000)]
    # Its dictionary is full after some rows: the first pages of the row group refer to it, the others do not.
    many = [f"few {n % 5}" if n < 9000 else f"{n:060}" for n in range(20_000)]
    table = pa.table({"t": few + many, "u": few + few, "n": range(40_000)})
    data = made(table, row_group_size=20_000, dictionary_pagesize_limit=4096, data_page_size=1024)
    assert len(set(pq.ParquetFile(io.BytesIO(data)).metadata.row_group(1).column(0).encodings)) == 3
    batches = read_encoded(data)
    assert decoded(batches, table.schema).equals(table)
    assert is_coded(batches[0], "t")
    assert not is_coded(batches[-1], "t")
    assert is_coded(batches[-1], "u")


def test_a_file_from_dictionaries_is_the_one_from_strings() -> None:
    table = modes(30_000).replace_schema_metadata({"made": "by hand"})
    batches = read_encoded(made(table, row_group_size=10_000))
    coded = write(form(row_group_rows=10_000), table.schema, batches)
    assert coded == write(form(row_group_rows=10_000), table.schema, table.to_batches(5000))
    for rows in (7000, 10_000, 15_000):
        file = pq.ParquetFile(io.BytesIO(write(form(row_group_rows=rows), table.schema, batches)))
        assert file.schema_arrow.equals(table.schema, check_metadata=True)
        assert file.read().equals(table)


def test_statistics_are_those_of_the_rows() -> None:
    schema = pa.schema([("t", pa.string())])
    column = pa.DictionaryArray.from_arrays(pa.array([1, None, 2] * 100, pa.int32()), ["a", "b", "c", "z"])
    data = write(form(), schema, [pa.record_batch([column], ["t"])])
    statistics = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0).statistics
    assert (statistics.min, statistics.max, statistics.null_count) == ("b", "c", 100)


def test_a_part_takes_strings_and_other_dictionaries_behind_the_first() -> None:
    schema = pa.schema([("t", pa.string()), ("n", pa.int64())])

    def batch(column: pa.Array) -> pa.RecordBatch:
        return pa.record_batch([column, pa.array(range(len(column)))], ["t", "n"])

    coded = pa.array(["a", "b", None, "c"] * 250)
    long = pa.array([f"{n:0500}" for n in range(1000)])
    given = [
        batch(coded.dictionary_encode()),
        batch(pa.array(["c", "d", "a"] * 300).dictionary_encode()),
        batch(coded),
        batch(long),
        batch(long.dictionary_encode()),
        batch(coded.cast(pa.dictionary(pa.int8(), pa.string()))),
    ]
    for first in (given, given[::-1]):
        data = write(form(row_group_rows=900), schema, first)
        assert pq.read_table(io.BytesIO(data)).equals(decoded(first, schema))


def test_a_dictionary_of_which_few_rows_remain_is_not_written_whole() -> None:
    schema = pa.schema([("t", pa.string())])
    words = pa.array([f"word {n:04}" for n in range(2000)])
    column = pa.DictionaryArray.from_arrays(pa.array([7, 8, 9] * 400, pa.int32()), words)
    data = write(form(compression="none"), schema, [pa.record_batch([column], ["t"])])
    assert b"word 0007" in data
    assert b"word 0010" not in data


def test_a_row_group_has_one_dictionary_of_all_its_batches() -> None:
    schema = pa.schema([("t", pa.string())])
    texts = ["a text", "text b", "c", "text d"]
    columns = [pa.array((texts[n:] + texts[:n]) * 100).dictionary_encode() for n in range(4)]
    batches = [pa.record_batch([column], ["t"]) for column in columns]
    data = write(form(compression="none"), schema, batches)
    assert pq.read_table(io.BytesIO(data)).equals(decoded(batches, schema))
    assert data.count(b"c\x06\0\0\0text d") == 1
    assert data.count(b"text b") == 1


def test_row_groups_of_dictionaries_are_as_large_as_those_of_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_write, "ROW_GROUP_BYTES", 100_000)
    schema = pa.schema([("t", pa.string())])
    column = pa.array(["x" * 100, "y" * 100] * 5000)
    files = [
        pq.ParquetFile(io.BytesIO(write(form(), schema, [pa.record_batch([array], ["t"])])))
        for array in (column, column.dictionary_encode())
    ]
    counts = [[file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] for file in files]
    assert len(counts[0]) >= 10
    assert abs(len(counts[0]) - len(counts[1])) <= 1


def test_batches_are_bounded_where_dictionaries_become_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long strings, small in the file: the second row group is read again as what they are."""
    few = [chr(65 + n % 3) * 3000 for n in range(3000)]
    many = [f"{n % 40:03}" * 1000 if n > 1500 else few[n] for n in range(3000)]
    table = pa.table({"t": few + many + few})
    data = made(
        table,
        row_group_size=3000,
        dictionary_pagesize_limit=50_000,
        data_page_size=1024,
        write_statistics=False,
    )
    monkeypatch.setattr(parquet_read, "BATCH_BYTES", 1 << 20)
    batches = read_encoded(data)
    assert decoded(batches, table.schema).equals(table)
    assert not is_coded(batches[-1], "t")
    assert max(batch.nbytes for batch in batches) < 2 << 20


def test_a_row_group_that_is_read_in_small_reads_comes_as_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    table = modes(5000)
    monkeypatch.setattr(parquet_read, "_FETCH_BYTES", 1000)
    batches = read_encoded(made(table))
    assert pa.Table.from_batches(batches).equals(table)


@pytest.mark.parametrize("sink", ["out.parquet", "out.csv"])
def test_a_copy_passes_dictionaries_where_the_sink_takes_them(
    sink: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[pa.Schema] = []
    asked: list[str] = []

    def read(self: Any, file: Any, info: ObjectInfo, token: bytes, schema: pa.Schema) -> Any:
        asked.append(info.path)
        return as_it_is(self, file, info, token, schema)

    as_it_is = parquet_format.ParquetFormat.read_encoded
    monkeypatch.setattr(parquet_format.ParquetFormat, "read_encoded", read)

    def spy(schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> pa.Schema:
        taken.append(original(schema, batches))
        return taken[-1]

    original = parquet_write.encoded_schema
    monkeypatch.setattr(parquet_write, "encoded_schema", spy)
    monkeypatch.setenv("CROSSDOCK_HOME", str(tmp_path / "home"))
    table = modes(20_000)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=4000)
    crossdock.copy(
        str(tmp_path / "in.parquet"), str(tmp_path / sink), map={"mode": "by", "n": "n"}, verify="full"
    )
    if sink == "out.csv":
        assert (tmp_path / sink).read_text().splitlines()[:4] == ["by,n", '"air",0', ",1", '"rail",2']
        assert not asked
        return
    wanted = table.select(["mode", "n"]).rename_columns(["by", "n"])
    assert pq.read_table(tmp_path / sink).equals(wanted)
    assert taken
    assert all(schema.field("by").type == CODED for schema in taken)
