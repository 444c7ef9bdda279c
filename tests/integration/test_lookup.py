"""Lookup activities as Data Factory defines them, on files and on PostgreSQL."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from one_activity import Json, OneActivity, dataset_of
from tests.servers.postgres import Postgres

from crossdock import CancelledError, ConfigError, NotFoundError
from crossdock_scheduler.pipeline.data import lookup
from crossdock_scheduler.pipeline.expressions import Scope


@pytest.fixture
def one(tmp_path: Path) -> OneActivity:
    return OneActivity(tmp_path)


def text_source(**settings: Any) -> Json:
    return {
        "type": "DelimitedTextSource",
        "storeSettings": {"type": "FileServerReadSettings", **settings},
        "formatSettings": {"type": "DelimitedTextReadSettings"},
    }


def looked_up(source: Json, *, first: bool | None = None, name: str = "there") -> Json:
    found = {"source": source, "dataset": dataset_of(name)}
    return found if first is None else found | {"firstRowOnly": first}


def test_the_first_row_is_what_comes_without_firstrowonly(one: OneActivity) -> None:
    one.file("there", "in/a.csv", "DelimitedText", firstRowAsHeader=True)
    one.write("in/a.csv", "Id,table\n1,Table1\n2,Table2\n")
    assert one.run("Lookup", looked_up(text_source())) == {"firstRow": {"Id": "1", "table": "Table1"}}


def test_all_rows_are_counted(one: OneActivity) -> None:
    one.file("there", "in/a.csv", "DelimitedText", firstRowAsHeader=True)
    one.write("in/a.csv", "Id\n" + "\n".join(map(str, range(6000))) + "\n")
    found = one.run("Lookup", looked_up(text_source(), first=False))
    assert (found["count"], found["value"][0], found["value"][-1]) == (6000, {"Id": "0"}, {"Id": "5999"})


def test_nothing_has_no_first_row(one: OneActivity) -> None:
    one.file("there", "a.csv", "DelimitedText", firstRowAsHeader=True)
    one.write("a.csv", "Id,table\n")
    assert one.run("Lookup", looked_up(text_source())) == {}
    assert one.run("Lookup", looked_up(text_source(), first=False)) == {"count": 0, "value": []}


def test_all_files_of_a_wildcard_are_read(one: OneActivity) -> None:
    one.file("there", "in/", "DelimitedText", firstRowAsHeader=True)
    one.write("in/a.csv", "Id\n1\n")
    one.write("in/b.csv", "Id,more\n2,x\n")
    one.write("in/c.txt", "Id\n3\n")
    source = text_source(wildcardFolderPath="in", wildcardFileName="*.csv")
    assert one.run("Lookup", looked_up(source, first=False))["value"] == [
        {"Id": "1"},
        {"Id": "2", "more": "x"},
    ]


def test_json_keeps_its_objects(one: OneActivity) -> None:
    one.file("there", "c.json", "Json")
    one.write("c.json", '[{"a": {"b": [1, null]}, "n": 1.5, "t": true}]')
    source = {"type": "JsonSource", "storeSettings": {"type": "FileServerReadSettings"}}
    assert one.run("Lookup", looked_up(source)) == {"firstRow": {"a": {"b": [1, None]}, "n": 1.5, "t": True}}


def test_values_are_as_data_factory_tells_them(one: OneActivity) -> None:
    one.file("there", "t.parquet", "Parquet")
    moment = datetime(2024, 5, 1, 12, 30, 0, 250_000, tzinfo=UTC)
    columns = {
        "decimal": pa.array([Decimal("12.50")], pa.decimal128(10, 2)),
        "long": pa.array([Decimal("1234567890123456789.125")], pa.decimal128(30, 3)),
        "whole": pa.array([Decimal("7.00")], pa.decimal128(10, 2)),
        "moment": pa.array([moment.replace(tzinfo=None)], pa.timestamp("us")),
        "zoned": pa.array([moment], pa.timestamp("us", "Europe/Berlin")),
        "ancient": pa.array([-(10**18)], pa.timestamp("ns")),
        "day": pa.array([date(2024, 5, 1)], pa.date32()),
        "time": pa.array([time(1, 2, 3, 400_000)], pa.time64("us")),
        "bytes": pa.array([b"\x00\xff"], pa.binary()),
        "nan": pa.array([float("nan")]),
        "null": pa.array([None], pa.int32()),
        "big": pa.array([2**60]),
    }
    pq.write_table(pa.table(columns), one.data / "t.parquet")
    source = {"type": "ParquetSource", "storeSettings": {"type": "FileServerReadSettings"}}
    assert one.run("Lookup", looked_up(source))["firstRow"] == {
        "decimal": 12.5, "long": "1234567890123456789.125", "whole": 7,
        "moment": "2024-05-01T12:30:00.25Z", "zoned": "2024-05-01T12:30:00.25Z",
        "ancient": "1938-04-24T22:13:20Z", "day": "2024-05-01T00:00:00Z", "time": "01:02:03.4",
        "bytes": base64.b64encode(b"\x00\xff").decode(), "nan": "NaN", "null": None, "big": 2**60,
    }  # fmt: skip


def test_too_many_rows_are_refused_and_the_activity_is_named(
    one: OneActivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "MOST_BYTES", 1 << 20)
    one.file("there", "a.csv", "DelimitedText", firstRowAsHeader=True)
    one.write("a.csv", "Id\n" + "x" * 1000 + "\n" + ("y" * 99 + "\n") * 20_000)
    with pytest.raises(ConfigError, match="the activity 'it': the rows take more than 1 MiB"):
        one.run("Lookup", looked_up(text_source(), first=False))
    assert one.run("Lookup", looked_up(text_source()))["firstRow"] == {"Id": "x" * 1000}


def test_a_file_that_is_not_there_names_the_activity(one: OneActivity) -> None:
    one.file("there", "a.csv", "DelimitedText")
    with pytest.raises(NotFoundError, match=r"the activity 'it': .*a\.csv does not exist"):
        one.run("Lookup", looked_up(text_source()))


def test_what_is_wrong_is_said_ahead_with_its_property(one: OneActivity) -> None:
    one.file("there", "a.bin")
    binary = {"type": "BinarySource", "storeSettings": {"type": "FileServerReadSettings"}}
    said = one.said("Lookup", looked_up(binary) | {"firstRowOnly": "perhaps", "more": 1})
    assert said == [
        ("error", "dataset: a file that is read as bytes has no rows"),
        ("error", "firstRowOnly: must be true or false"),
        ("unsupported", "more is not supported here"),
    ]
    assert one.said("Lookup", {"source": binary}) == [("error", "dataset: a dataset is needed")]
    with pytest.raises(ConfigError, match="the activity 'it': dataset: a file that is read as bytes"):
        one.run("Lookup", looked_up(binary))


def test_nothing_is_read_once_it_is_cancelled(one: OneActivity) -> None:
    one.file("there", "a.csv", "DelimitedText")
    one.write("a.csv", "1\n")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        one.run("Lookup", looked_up(text_source()), cancel=cancel)


@pytest.fixture
def database(one: OneActivity, postgres: Postgres) -> Iterator[str]:
    url = postgres.create("lookups")
    one.postgres(url)
    yield "lookups"
    postgres.drop("lookups")


def test_a_table_and_a_query_of_a_database(one: OneActivity, postgres: Postgres, database: str) -> None:
    postgres.run("CREATE TABLE w (id int, mark timestamp, amount numeric(9, 3))", database)
    postgres.run("INSERT INTO w VALUES (1, '2024-01-02 03:04:05', 1.250), (2, NULL, 3)", database)
    one.dataset("there", "PostgreSqlV2Table", "postgres", schema="public", table="w")
    source = {"type": "PostgreSqlV2Source"}
    assert one.run("Lookup", looked_up(source, first=False)) == {
        "count": 2,
        "value": [
            {"id": 1, "mark": "2024-01-02T03:04:05Z", "amount": 1.25},
            {"id": 2, "mark": None, "amount": 3},
        ],
    }
    query = source | {"query": "select max(id) as top from w where id < @{pipeline().parameters.below}"}
    found = one.run("Lookup", looked_up(query), scope=Scope(parameters={"below": 2}))
    assert found == {"firstRow": {"top": 1}}


def test_a_dataset_of_the_first_model_names_what_is_looked_up(one: OneActivity) -> None:
    paths = {"id": "$.id", "prod": "prod"}
    one.dataset("there", "FileShare", "files", folderPath="in", format={
        "type": "JsonFormat", "jsonPathDefinition": paths, "jsonNodeReference": "$.lines",
    })  # fmt: skip
    one.write("in/a.json", '{"id": 1, "lines": []}\n{"id": 2, "lines": [{"prod": "a"}, {"prod": "b"}]}\n')
    source = {"type": "FileSystemSource"}
    assert one.run("Lookup", looked_up(source)) == {"firstRow": {"id": 2, "prod": "a"}}
    found = one.run("Lookup", looked_up(source, first=False))
    assert found["value"] == [{"id": 2, "prod": "a"}, {"id": 2, "prod": "b"}]
