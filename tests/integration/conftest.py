"""The trial connectors, installed for one test as any third party's are: a folder on the path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
import staged_tables
from observing import Record
from originals import sample, write_all

from crossdock import retry
from crossdock.plugins import registry

if TYPE_CHECKING:
    from servers.dfs import Lake
    from servers.lake_rig import LakeRig

    from crossdock_scheduler.service.database import Database

SITE = Path(__file__).parents[1] / "connectors" / "site"


@pytest.fixture(autouse=True)
def trials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In this process and in child processes; retries do not make a test wait."""
    monkeypatch.syspath_prepend(str(SITE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(SITE), os.environ.get("PYTHONPATH")])))
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.02)
    registry.cache_clear()
    assert registry().faults == []
    yield
    registry.cache_clear()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's journals are."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CROSSDOCK_HOME", str(folder))
    return folder


@pytest.fixture
def source_record(tmp_path: Path) -> Record:
    return Record(tmp_path / "source-record")


@pytest.fixture
def sink_record(tmp_path: Path) -> Record:
    return Record(tmp_path / "sink-record")


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    return tmp_path / "stage"


@pytest.fixture
def words(tmp_path: Path) -> str:
    """A SQLite database with the table ``words``."""
    return staged_tables.filled(tmp_path / "a.db", "words")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return sample()


@pytest.fixture(scope="module")
def originals(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``t.parquet``, ``t.csv``, ``t.csv.gz`` and ``t.jsonl``."""
    folder = tmp_path_factory.mktemp("originals")
    write_all(table, folder)
    return folder


@pytest.fixture
def adls(lake: Lake) -> Iterator[LakeRig]:
    """A file system of the test server of ADLS Gen2."""
    from servers.lake_rig import lake_rig

    with lake_rig(lake) as rig:
        yield rig


@pytest.fixture
def filled(database: str) -> str:
    """The table ``numbers``: every seventh has no key; nine tenths of the keys are in a tenth of them."""
    from postgres_rows import BIG, sql

    sql(
        database,
        "CREATE TABLE numbers (id bigint PRIMARY KEY, k int, word text)",
        "INSERT INTO numbers SELECT i, CASE WHEN i % 7 = 0 THEN NULL WHEN i % 10 = 1 THEN i * 10 ELSE i END, "
        f"'w' || i FROM generate_series(1, {BIG}) i",
        "ANALYZE numbers",
    )
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The service's database, empty: on SQLite and on PostgreSQL."""
    from crossdock_scheduler.service.database import Database
    from crossdock_scheduler.service.database.migrate import migrate

    if request.param == "sqlite":
        found = Database.embedded(tmp_path)
    else:
        address: str = request.getfixturevalue("database")
        found = Database(address.replace("postgresql://", "postgresql+psycopg://"))
    migrate(found)
    yield found
    found.close()
