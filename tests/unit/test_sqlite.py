"""SQLite: addresses, what is listed, what cannot be read, and the errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from adbc_driver_sqlite import dbapi
from sqlite_samples import (
    ERROR,
    numbers,
    read,
    sink,
    source,
    sql,
)

from crossdock import (
    AlreadyExistsError,
    ConfigError,
    CrossdockError,
    DataError,
    Location,
    NotFoundError,
    SchemaMismatchError,
    Target,
    Unit,
    UnitPage,
)
from crossdock_connectors.tables.sqlite import SPEC
from crossdock_connectors.tables.sqlite_config import SqliteConfig
from crossdock_connectors.tables.sqlite_database import path_of
from crossdock_connectors.tables.sqlite_errors import classify


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "a b#c?.db"


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = os.path.realpath(tmp_path)
    assert path_of(Location.parse("sqlite:///x.db#t")) == f"{here}/x.db"
    assert path_of(Location.parse("sqlite:///d/x%20y.db")) == f"{here}/d/x y.db"
    assert path_of(Location.parse("sqlite:////abs/x.db")) == "/abs/x.db"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("sqlite://x.db", "write sqlite:///x.db"),
        ("sqlite:///x.db?mode=ro", "not part of the address"),
        ("sqlite://", "names no database"),
        ("sqlite:///", "names no database"),
        ("sqlite:///dir/", "names no database"),
        ("sqlite:///:memory:", "names no database"),
    ],
)
def test_addresses_that_make_no_sense(address: str, says: str) -> None:
    assert SPEC.open_sink is not None
    with pytest.raises(ConfigError, match=says):
        SPEC.open_sink(SqliteConfig(), Location.parse(address))


def test_importing_the_spec_imports_no_driver() -> None:
    code = (
        "import sys; import crossdock_connectors.tables.sqlite; "
        "assert not [m for m in sys.modules if m.startswith(('adbc', 'pyarrow'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_units_are_tables_only(db: Path) -> None:
    sql(
        db,
        "CREATE TABLE b (a INTEGER PRIMARY KEY AUTOINCREMENT)",
        'CREATE TABLE "A \'x" (a)',
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
        "CREATE TABLE _crossdock_ledger (a)",
        "CREATE TABLE sqliteish (a)",
    )
    pages = list(source(db).units())
    assert [unit.name for page in pages for unit in page.units] == ["A 'x", "b", "sqliteish"]


def test_units_in_pages(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnitPage, "of", partial(UnitPage.of, size=2))
    sql(db, *[f"CREATE TABLE t{i} (a)" for i in range(5)])
    pages = list(source(db).units())
    assert [len(page.units) for page in pages] == [2, 2, 1]
    assert list(source(db).units(pages[0].cursor)) == pages[1:]
    assert pages[-1].cursor is None


def test_nothing_there(db: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        list(source(db).units())
    sql(db, "CREATE TABLE flights (a)", "CREATE TABLE weather (a)")
    with pytest.raises(NotFoundError, match="no table 'flihgts'; did you mean flights"):
        list(source(db, "flihgts").units())
    with pytest.raises(NotFoundError, match="there are: flights, weather"):
        source(db).schema(Unit("x"))
    sql(db, "DROP TABLE flights", "DROP TABLE weather")
    with pytest.raises(NotFoundError, match="has no tables"):
        list(source(db).units())


def test_what_is_no_database(db: Path, tmp_path: Path) -> None:
    db.write_bytes(b"id,name\n1,x\n" * 1000)
    with pytest.raises(DataError, match="is not an SQLite database"):
        list(source(db).units())
    with pytest.raises(DataError, match="is not an SQLite database"):
        sink(db).check(Unit("t"), Target(ERROR, numbers(0, 1).schema))
    with pytest.raises(CrossdockError, match="cannot be opened"):
        list(source(tmp_path).units())


@pytest.mark.parametrize("name", ['we"ird', "select", "😀 x", "a'b", "a.b", "a]b", "-- x", "a;b"])
def test_names(db: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    sql(db, f'CREATE TABLE {quoted} (x, {quoted} INT, "" TEXT)', f"INSERT INTO {quoted} VALUES ('a', 7, 'b')")
    assert read(source(db, name), name).to_pydict() == {"x": ["a"], name: [7], "": ["b"]}


def test_a_table_is_found_whatever_its_case(db: Path) -> None:
    sql(db, "CREATE TABLE Flights (a INT)", "INSERT INTO Flights VALUES (1)")
    [page] = source(db, "flights").units()
    assert page.units == (Unit("Flights"),)
    with pytest.raises(AlreadyExistsError, match="has a table Flights"):
        sink(db).check(Unit("FLIGHTS"), Target(ERROR, numbers(0, 1).schema))


def driver_errors(tmp_path: Path) -> Sequence[Exception]:
    """What the driver really raises."""
    found: list[Exception] = []
    (tmp_path / "text.db").write_bytes(b"no database" * 1000)
    for path, statement in [
        ("none/x.db", "SELECT 1"),
        ("text.db", "SELECT * FROM sqlite_schema"),
        ("x.db", "SELECT * FROM lacking"),
        ("x.db", "SELECT lacking"),
        ("x.db", "SELEKT"),
        ("x.db", "CREATE TABLE x AS SELECT"),
    ]:
        try:
            with (
                dbapi.connect(f"file:{tmp_path / path}", autocommit=True) as connection,
                connection.cursor() as c,
            ):
                c.execute(statement)
        except Exception as error:  # noqa: BLE001 - that is what is collected
            found.append(error)
    return found


def test_what_the_driver_raises_is_mapped(tmp_path: Path) -> None:
    errors = driver_errors(tmp_path)
    kinds = [type(classify(error)) for error in errors]
    assert kinds == [NotFoundError, DataError, NotFoundError, SchemaMismatchError, ConfigError, ConfigError]
    for error in errors:
        mapped = classify(error)
        assert mapped is not None
        assert "\n" not in mapped.message
        assert mapped.detail
    assert classify(ValueError("database is locked")) is None
