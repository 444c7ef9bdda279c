"""SQL Server's connector against pySQLbridge, a server of the protocol that is not ours: rows through
mssql-python, statements through it, or through Microsoft's driver or FreeTDS by pyodbc.

The server lacks ``sys.dm_exec_describe_first_result_set``, so columns come from ``sys.columns``, and queries
and procedures are refused; ``sys.partitions``, so ranges need a named column and are equally wide; and
``SUSER_SNAME``. Its types are int, bigint, float and nvarchar.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers.bridge import PASSWORD, USER, Bridge, bridge, freetds, microsoft

import crossdock

MANY = 30_000
PEOPLE: list[dict[str, Any]] = [
    {"id": i, "name": None if i % 7 == 0 else f"row {i} żółć", "score": i / 8,
     "big": i * 10**12, "nothing": None if i else "x"}
    for i in range(600)
]  # fmt: skip
TYPES = pa.schema([
    ("id", pa.int32()), ("name", pa.large_string()), ("score", pa.float64()), ("big", pa.int64()),
    ("nothing", pa.large_string()),
])  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    many = [{"id": i, "twice": 2 * i} for i in range(MANY)]
    tables: dict[str, list[dict[str, Any]] | str] = {"people": PEOPLE, "many": many, "none": "id,name\n"}
    with bridge(tmp_path_factory.mktemp("bridge"), tables) as server:
        yield server


@pytest.fixture(params=["rows", "microsoft", "freetds"])
def options(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Statements through mssql-python as rows are, or through a driver."""
    found = {"password": PASSWORD, "trust_server_certificate": "true"}
    if request.param == "rows":
        return found
    driver = microsoft() if request.param == "microsoft" else freetds()
    monkeypatch.setenv("CROSSDOCK_ODBC_DRIVERS", driver)
    return found | {"driver": driver}


def url(server: Bridge, table: str = "") -> str:
    return f"mssql://{USER}@127.0.0.1:{server.port}/db" + (f"#{table}" if table else "")


def read(source: str, tmp_path: Path, options: dict[str, str], **more: Any) -> pa.Table:
    target = tmp_path / "out.parquet"
    crossdock.copy(source, str(target), source_options=options, mode="overwrite", **more)
    return pq.read_table(target)


def test_a_table(server: Bridge, options: dict[str, str], tmp_path: Path) -> None:
    found = read(url(server, "people"), tmp_path, options)
    assert found.schema.remove_metadata() == TYPES
    assert found.sort_by("id").to_pylist() == PEOPLE


@pytest.mark.parametrize("given", [{}, {"partition_lower_bound": "10000", "partition_upper_bound": "20000"}])
def test_ranges(server: Bridge, options: dict[str, str], tmp_path: Path, given: dict[str, str]) -> None:
    ranges = {"partition_option": "DynamicRange", "partition_column": "id"}
    found = read(url(server, "dbo.many"), tmp_path, options | ranges | given, parallel_copies=3)
    assert found.sort_by("id").to_pylist() == [{"id": i, "twice": 2 * i} for i in range(MANY)]


def test_an_empty_result_has_its_columns(server: Bridge, options: dict[str, str], tmp_path: Path) -> None:
    found = read(url(server, "none"), tmp_path, options)
    assert found.schema.names == ["id", "name"]
    assert found.num_rows == 0


def test_looking(server: Bridge, options: dict[str, str]) -> None:
    reached = crossdock.test_connection(url(server), source_options=options).output()
    assert "pysqlbridge" in reached["version"]
    listed = crossdock.browse(url(server), source_options=options).output()["entries"]
    assert [(entry["name"], entry["kind"]) for entry in listed] == [("dbo", "schema")]
    listed = crossdock.browse(url(server, "dbo."), source_options=options).output()["entries"]
    assert [entry["name"] for entry in listed] == ["many", "none", "people"]
    columns = crossdock.schema(url(server, "people"), source_options=options).output()["columns"]
    assert [column["name"] for column in columns] == TYPES.names
    assert [column["type"] for column in columns] == [
        "int32",
        "large_string",
        "double",
        "int64",
        "large_string",
    ]
    seen = crossdock.preview(url(server, "people"), source_options=options, rows=3).output()
    assert seen["rows"] == [list(row.values()) for row in PEOPLE[:3]]


def test_bad_input(server: Bridge, options: dict[str, str], tmp_path: Path) -> None:
    wrong = "Canary#4711"
    with pytest.raises(crossdock.AuthError, match="refuses the login") as caught:
        read(url(server, "people"), tmp_path, options | {"password": wrong})
    assert wrong not in f"{caught.value} {caught.value.detail}"
    with pytest.raises(crossdock.NotFoundError, match=r"no table dbo\.peple.*did you mean dbo\.people"):
        read(url(server, "peple"), tmp_path, options)
    with pytest.raises(crossdock.NotSupportedError, match="does not tell what a query"):
        read(url(server), tmp_path, options | {"query": "SELECT id FROM people"})
    with pytest.raises(crossdock.ConfigError, match="no index that begins with"):
        read(url(server, "people"), tmp_path, options | {"partition_option": "DynamicRange"})
    assert not (tmp_path / "out.parquet").exists()
