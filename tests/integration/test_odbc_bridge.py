"""The read path against a live server of SQL Server's protocol, with Microsoft's driver and FreeTDS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers.bridge import PASSWORD, Bridge, bridge, freetds, microsoft

import crossdock
from crossdock.spi import Location, PlanHint, Source, Target, Unit, WriteMode
from crossdock_connectors.sql.odbc import SPEC

ROWS: list[dict[str, Any]] = [
    {"id": i, "name": None if i % 7 == 0 else f"row {i} żółć", "score": i / 8, "ok": i % 2 == 0}
    for i in range(3000)
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    long = [{"id": 1, "text": "x" * 5000}, {"id": 2, "text": "y"}]
    # The server counts characters where the protocol counts UTF-16, and so breaks off.
    broken = [{"id": i, "name": f"row {i} 😀"} for i in range(1500)]
    tables = {"people": ROWS, "long": long, "broken": broken}
    with bridge(tmp_path_factory.mktemp("bridge"), tables) as server:
        yield server


@pytest.fixture(params=[microsoft, freetds], ids=["microsoft", "freetds"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    found: str = request.param()
    monkeypatch.setenv("CROSSDOCK_ODBC_DRIVERS", found)
    return found


def read(source: str, tmp_path: Path, **options: str) -> list[dict[str, Any]]:
    target = tmp_path / "out.parquet"
    options = {"password": PASSWORD} | options
    crossdock.copy(source, str(target), source_options=options, mode="overwrite", parallel_copies=3)
    found: list[dict[str, Any]] = pq.read_table(target).to_pylist()
    return found


def opened(url: str) -> Source[Any]:
    assert SPEC.open_source is not None
    return SPEC.open_source(SPEC.config.model_validate({"password": PASSWORD}), Location.parse(url))


def test_a_table(server: Bridge, driver: str, tmp_path: Path) -> None:
    found = read(server.url(driver, "people"), tmp_path)
    assert [
        row | {"ok": str(row["ok"]) == "True"} for row in sorted(found, key=lambda row: row["id"])
    ] == ROWS


def test_ranges(server: Bridge, driver: str, tmp_path: Path) -> None:
    options = {"partition_option": "DynamicRange", "partition_column": "id"}
    found = read(server.url(driver, "dbo.people"), tmp_path, **options)
    assert sorted(row["id"] for row in found) == list(range(3000))


def test_a_key_has_to_be_named_where_nobody_tells_it(server: Bridge, driver: str, tmp_path: Path) -> None:
    with pytest.raises(crossdock.ConfigError, match="name a partition_column"):
        read(server.url(driver, "people"), tmp_path, partition_option="DynamicRange")


def test_a_query(server: Bridge, driver: str, tmp_path: Path) -> None:
    query = "SELECT id, score * 2 AS twice FROM people WHERE id < 3"
    assert read(server.url(driver), tmp_path, query=query) == [
        {"id": 0, "twice": 0.0},
        {"id": 1, "twice": 0.25},
        {"id": 2, "twice": 0.5},
    ]


def test_a_long_text(server: Bridge, driver: str, tmp_path: Path) -> None:
    assert len(read(server.url(driver, "long"), tmp_path)[0]["text"]) == 5000


def test_all_tables_are_listed(server: Bridge, driver: str) -> None:
    source = opened(server.url(driver))
    assert [unit.name for page in source.units() for unit in page.units] == ["broken", "long", "people"]


def test_a_result_that_breaks_off_is_no_short_success(
    server: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Microsoft's driver says that it has ended."""
    monkeypatch.setenv("CROSSDOCK_ODBC_DRIVERS", microsoft())
    source = opened(server.url(microsoft(), "broken"))
    split = next(iter(source.plan(Unit("broken"), PlanHint())))
    with pytest.raises(crossdock.ShortReadError), source.read(split) as items:
        list(items)


def test_bad_input(server: Bridge, driver: str, tmp_path: Path) -> None:
    with pytest.raises(crossdock.AuthError, match="Login failed"):
        read(server.url(driver, "people"), tmp_path, **{"password": "wrong"})
    with pytest.raises(crossdock.NotFoundError, match=r"did you mean dbo\.people"):
        read(server.url(driver, "peple"), tmp_path)
    with pytest.raises(crossdock.UserError, match="nowhere"):
        read(server.url(driver), tmp_path, query="SELECT * FROM nowhere")


def test_a_value_never_begins_another_attribute(server: Bridge, driver: str, tmp_path: Path) -> None:
    """FreeTDS would sign in as the reader: it ends a value at the first brace with a semicolon."""
    value = f"x}};UID=reader;PWD={{{PASSWORD}}};Y={{"
    with pytest.raises((crossdock.AuthError, crossdock.ConfigError)) as caught:
        read(
            server.url(driver, "people").replace("uid=reader", "uid=nobody"), tmp_path, **{"password": value}
        )
    assert PASSWORD not in str(caught.value)


def test_freetds_is_no_sink(server: Bridge) -> None:
    """Arrays of parameters end its process."""
    assert SPEC.open_sink is not None
    config = SPEC.config.model_validate({"password": PASSWORD})
    sink = SPEC.open_sink(config, Location.parse(server.url(freetds())))
    target = Target(WriteMode.ERROR, pa.schema([("id", pa.int64())]))
    with pytest.raises(crossdock.NotSupportedError, match="write with Microsoft's driver"):
        sink.check(Unit("new"), target)
