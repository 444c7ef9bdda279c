"""The one transaction that makes rows visible at SQL Server, when what it needs is gone or taken."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.sql_server import SqlServer

import crossdock
from crossdock_connectors.sql import mssql_staging
from crossdock_connectors.sql.mssql_sink import MssqlSink


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    sql_server.run("CREATE TABLE {s}.t (id int)")
    return sql_server


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    pq.write_table(pa.table({"id": pa.array(range(3), pa.int32())}), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def copied(server: SqlServer, rows: Path, **options: Any) -> Any:
    return crossdock.copy(
        rows, server.url("t"), mode="append", run_id="r", sink_options={**server.options, **options}
    )


def test_a_ledger_that_is_gone_at_the_commit(
    server: SqlServer, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that fails rolls the transaction back: nothing may be written after that."""
    commit, calls = MssqlSink.commit, []

    def late(self: MssqlSink, *given: Any) -> None:
        if not calls:
            server.run("DROP TABLE {s}._crossdock_ledger")
        calls.append(1)
        commit(self, *given)

    monkeypatch.setattr(MssqlSink, "commit", late)
    copied(server, rows)
    assert len(calls) == 2
    assert server.run("SELECT id FROM {s}.t ORDER BY id") == [(0,), (1,), (2,)]


def test_a_commit_whose_answer_is_lost_is_not_repeated(
    server: SqlServer, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its note shows only once it is inserted again, as for two committers at once."""
    commit, asked = MssqlSink.commit, mssql_staging.is_noted

    def twice(self: MssqlSink, *given: Any) -> None:
        commit(self, *given)
        answers = [False]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mssql_staging, "is_noted", lambda *at: answers.pop() if answers else asked(*at))
            commit(self, *given)
        assert not answers

    monkeypatch.setattr(MssqlSink, "commit", twice)
    copied(server, rows, pre_copy_script=f"DELETE FROM [{server.schema}].[t]")
    assert server.run("SELECT id FROM {s}.t ORDER BY id") == [(0,), (1,), (2,)]


def test_a_commit_that_takes_longer_than_it_may(server: SqlServer, rows: Path) -> None:
    """It is not repeated: that would take as long again."""
    if server.fake is None:
        pytest.skip("needs statements that wait by their text")
    server.fake.database.wait(f"INSERT INTO [{server.schema}].[t]")
    with pytest.raises(crossdock.ConfigError, match="write_batch_timeout"):
        copied(server, rows, write_batch_timeout="1")
    server.fake.database.release()
    assert server.run("SELECT id FROM {s}.t") == []


def test_overwrite_of_what_cannot_be_emptied(server: SqlServer, rows: Path) -> None:
    """Nothing is read or staged for it."""
    server.run("CREATE PROCEDURE {s}.p AS SELECT id FROM {s}.t")
    if server.fake is None:
        server.run(
            "ALTER TABLE {s}.t ADD CONSTRAINT one UNIQUE (id)",
            "CREATE TABLE {s}.other (id int CONSTRAINT fk REFERENCES {s}.t (id))",
        )
    else:
        asked = (
            'SELECT max(object_id) FROM "sys.objects" o JOIN "sys.schemas" s USING (schema_id) '
            f"WHERE s.name = '{server.schema}' AND o.name = 't'"
        )
        with closing(server.fake.database.open()) as direct:
            direct.execute(f"INSERT INTO \"sys.foreign_keys\" VALUES ('fk', 0, ({asked}))")
    for table, says in (("p", "is no table"), ("t", "foreign key fk")):
        with pytest.raises(crossdock.ConfigError, match=says):
            crossdock.copy(rows, server.url(table), mode="overwrite", sink_options=server.options)
    assert "_crossdock_ledger" not in server.tables()


def test_a_script_that_commits(server: SqlServer, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it committed stays, which the message says; the unit is not noted as committed with it."""
    cleanup, noted = MssqlSink.cleanup, []

    def seen(self: MssqlSink, handle: bytes) -> None:
        noted.append(self.is_committed(handle))
        cleanup(self, handle)

    monkeypatch.setattr(MssqlSink, "cleanup", seen)
    server.run("INSERT INTO {s}.t (id) VALUES (7)")
    script = f"DELETE FROM [{server.schema}].[t]; COMMIT TRANSACTION"
    with pytest.raises(crossdock.ConfigError, match="what it committed stays"):
        copied(server, rows, pre_copy_script=script)
    assert server.run("SELECT id FROM {s}.t") == []
    assert noted == [False]


def test_a_default_that_cannot_replace_null(server: SqlServer, rows: Path) -> None:
    if server.fake is None:
        server.run("CREATE SEQUENCE {s}.q", "ALTER TABLE {s}.t ADD DEFAULT (NEXT VALUE FOR {s}.q) FOR id")
    else:
        server.run("CREATE TABLE {s}.u (id int DEFAULT 7)")
        with closing(server.fake.database.open()) as direct:
            direct.execute(
                "UPDATE \"sys.default_constraints\" SET definition = '(NEXT VALUE FOR q)' "
                "WHERE parent_object_id = "
                '(SELECT max(parent_object_id) FROM "sys.default_constraints")'
            )
    url = server.url("t" if server.fake is None else "u")
    with pytest.raises(crossdock.NotSupportedError, match="next value of a sequence"):
        crossdock.copy(rows, url, mode="append", sink_options={**server.options, "keep_nulls": "false"})
