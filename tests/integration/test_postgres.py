"""PostgreSQL: what is refused, and how a copy is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from observing import stops
from postgres_rows import ROWS, locked, sql, stored

import crossdock
from crossdock import api


class TestStopping:
    def test_while_planning_waits_for_a_lock(self, filled: str, tmp_path: Path) -> None:
        with locked(filled, "numbers"):
            took = stops(
                1.5, lambda cancel: crossdock.copy(f"{filled}#numbers", tmp_path / "n.parquet", cancel=cancel)
            )
        assert took < 3

    def test_while_the_commit_waits_for_a_lock(self, database: str) -> None:
        sql(database, "CREATE TABLE t (id bigint, word text, value float8)")
        with locked(database, "t"):
            took = stops(
                1.5,
                lambda cancel: crossdock.copy(
                    "rows://here",
                    f"{database}#t",
                    mode="append",
                    cancel=cancel,
                    run_id="r",
                ),
            )
            assert took < 3
        api.resume("r")
        assert len(stored(database, "t")) == ROWS


class TestRefused:
    """One sentence, exit code 2, nothing changed, no secret shown."""

    def refused(self, kind: type[crossdock.CrossdockError], url: str, words: str, **options: Any) -> None:
        with pytest.raises(kind) as caught:
            crossdock.copy(url, "/nowhere/out.parquet", source_options=options)
        told = f"{caught.value} {caught.value.detail}"
        assert words in str(caught.value)
        assert "hunter2" not in told

    def test_no_such_table(self, filled: str) -> None:
        self.refused(crossdock.NotFoundError, f"{filled}#Number", "did you mean numbers?")
        self.refused(crossdock.NotFoundError, f"{filled}#nowhere.numbers", "did you mean public.numbers?")

    def test_no_such_database(self, database: str) -> None:
        self.refused(crossdock.NotFoundError, database + "x#t", "there is no database")

    def test_a_wrong_password(self, database: str) -> None:
        sql(database, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN PASSWORD 'right'")
        url = database.replace("postgres@", "guest@")
        self.refused(crossdock.AuthError, f"{url}#t", "password", password="hunter2")  # noqa: S106
        with pytest.raises(crossdock.AccessDeniedError):
            crossdock.copy(
                "rows://here", f"{url}#t", sink_options={"password": "right"}, source_options={"rows": "3"}
            )
        sql(database, "DROP OWNED BY guest", "DROP ROLE guest")

    def test_parameters_and_names(self, database: str) -> None:
        self.refused(crossdock.ConfigError, f"{database}?options=-cx#t", "no parameter")
        self.refused(crossdock.ConfigError, f"{database}#a.b.c", "no table's name")

    def test_identifiers_are_quoted(self, database: str, tmp_path: Path) -> None:
        name = 'a"; DROP TABLE x; --'
        sql(database, "CREATE TABLE x (i int)", "INSERT INTO x VALUES (1)")
        table = pa.table({'c"; --': [1], "select": ["s"]})
        pq.write_table(table, tmp_path / "in.parquet")
        quoted = '"' + name.replace('"', '""') + '"'
        url = f"{database}#{quoted.replace('%', '%25')}"
        crossdock.copy(tmp_path / "in.parquet", url)
        crossdock.copy(url, tmp_path / "out.parquet")
        assert pq.read_table(tmp_path / "out.parquet").equals(table)
        assert stored(database, "x") == [(1,)]
