"""SQL Server as a sink, on our own TDS server and on a live one: every way to write."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.sql_server import SqlServer

import crossdock
from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigError,
    DataError,
    NotFoundError,
    SchemaMismatchError,
)


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    return sql_server


class Copy:
    """Copies tables of Arrow to a table of the server."""

    def __init__(self, server: SqlServer, folder: Path) -> None:
        self.server, self.folder = server, folder

    def __call__(
        self, rows: dict[str, Any] | pa.Table, table: str, mode: str = "append", **options: Any
    ) -> Any:
        file = self.folder / "rows.parquet"
        pq.write_table(rows if isinstance(rows, pa.Table) else pa.table(rows), file)
        verify = options.pop("verify", False)
        return crossdock.copy(
            file,
            self.server.url(table),
            mode=mode,
            verify=verify,
            sink_options={**self.server.options, **options},
        )


@pytest.fixture
def copy(server: SqlServer, tmp_path: Path) -> Copy:
    return Copy(server, tmp_path)


def test_upsert_by_the_primary_key(server: SqlServer, copy: Copy) -> None:
    server.run(
        "CREATE TABLE {s}.t (id int NOT NULL PRIMARY KEY, v nvarchar(20), kept int)",
        "INSERT INTO {s}.t (id, v, kept) VALUES (1, N'old', 7), (2, N'old', 7), (3, N'old', 7)",
    )
    copy({"id": pa.array([2, 3, 4], pa.int32()), "v": ["b", None, "d"]}, "t", writeBehavior="Upsert")
    assert server.run("SELECT id, v, kept FROM {s}.t ORDER BY id") == [
        (1, "old", 7), (2, "b", 7), (3, None, 7), (4, "d", None),
    ]  # fmt: skip


def test_upsert_by_keys_of_texts_and_several_columns(server: SqlServer, copy: Copy) -> None:
    server.run(
        "CREATE TABLE {s}.t ([a b] nvarchar(20) NOT NULL, k date NOT NULL, n int)",
        "INSERT INTO {s}.t ([a b], k, n) VALUES (N'x', '2020-01-01', 1), (N'x', '2020-01-02', 2)",
    )
    day = dt.date(2020, 1, 2)
    rows = {"a b": ["x", "y"], "k": [day, day], "n": pa.array([20, 30], pa.int32())}
    copy(rows, "t", write_behavior="upsert", keys="a b,k")
    found = server.run("SELECT [a b], n FROM {s}.t ORDER BY n")
    assert [tuple(row) for row in found] == [("x", 1), ("x", 20), ("y", 30)]


def test_upsert_makes_a_table_with_a_key(server: SqlServer, copy: Copy) -> None:
    copy({"k": ["a", "b"], "v": [1, 2]}, "t", write_behavior="upsert", keys="k")
    copy({"k": ["b", "c"], "v": [20, 30]}, "t", write_behavior="upsert")
    assert server.run("SELECT k, v FROM {s}.t ORDER BY v") == [("a", 1), ("b", 20), ("c", 30)]


@pytest.mark.parametrize(
    ("keys", "says"), [([1, 1], "two rows have the same keys"), ([1, None], "NULL among its keys")]
)
def test_upsert_refuses_keys_that_name_no_row(
    server: SqlServer, copy: Copy, keys: list[int | None], says: str
) -> None:
    server.run("CREATE TABLE {s}.t (id int NOT NULL PRIMARY KEY, v int)", "INSERT INTO {s}.t (id) VALUES (9)")
    with pytest.raises(DataError, match=says):
        copy(
            {"id": pa.array(keys, pa.int32()), "v": pa.array([1, 2], pa.int32())},
            "t",
            write_behavior="upsert",
        )
    assert server.run("SELECT id FROM {s}.t") == [(9,)]


def test_upsert_needs_keys_and_mode_append(server: SqlServer, copy: Copy) -> None:
    server.run("CREATE TABLE {s}.t (id int)")
    rows = {"id": pa.array([1], pa.int32())}
    with pytest.raises(ConfigError, match="no primary key"):
        copy(rows, "t", write_behavior="upsert")
    with pytest.raises(SchemaMismatchError, match="no column 'x'"):
        copy(rows, "t", write_behavior="upsert", keys="x")
    with pytest.raises(ConfigError, match="--mode append"):
        copy(rows, "t", mode="overwrite", write_behavior="upsert", keys="id")
    with pytest.raises(ConfigError, match="exactly once"):
        copy(rows, "t", write_behavior="upsert", keys="id", delivery="at-least-once")


def test_script_runs_once_in_the_transaction_of_the_rows(server: SqlServer, copy: Copy) -> None:
    server.run(
        "CREATE TABLE {s}.t (id int)", "INSERT INTO {s}.t (id) VALUES (1)", "CREATE TABLE {s}.log (n int)"
    )
    script = "DELETE FROM {s}.t; INSERT INTO {s}.log (n) VALUES (1)".replace("{s}", f"[{server.schema}]")
    copy({"id": pa.array([5], pa.int32())}, "t", preCopyScript=script)
    assert server.run("SELECT id FROM {s}.t") == [(5,)]
    assert server.run("SELECT n FROM {s}.log") == [(1,)]
    # Rows that are refused leave what the script did undone.
    server.run("CREATE TABLE {s}.strict (id int NOT NULL)", "INSERT INTO {s}.strict (id) VALUES (7)")
    script = script.replace(".t;", ".strict;")
    with pytest.raises(DataError):
        copy({"id": pa.array([None], pa.int32())}, "strict", pre_copy_script=script)
    assert server.run("SELECT id FROM {s}.strict") == [(7,)]
    assert server.run("SELECT n FROM {s}.log") == [(1,)]


def test_script_that_cannot_run(server: SqlServer, copy: Copy) -> None:
    server.run("CREATE TABLE {s}.t (id int)")
    rows = {"id": pa.array([1], pa.int32())}
    with pytest.raises(ConfigError, match="pre_copy_script"):
        copy(rows, "t", pre_copy_script="FROBNICATE ALL THE THINGS")
    with pytest.raises(ConfigError, match="may not begin or end"):
        copy(rows, "t", pre_copy_script="COMMIT TRANSACTION")
    assert server.run("SELECT id FROM {s}.t") == []


def test_identity(server: SqlServer, copy: Copy) -> None:
    server.run("CREATE TABLE {s}.t (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, v int)")
    rows = {"id": pa.array([100, 200], pa.int32()), "v": pa.array([1, 2], pa.int32())}
    with pytest.raises(SchemaMismatchError, match="identity_insert=true"):
        copy(rows, "t")
    copy(rows, "t", identity_insert="true")
    copy({"v": pa.array([3], pa.int32())}, "t")
    copy({"id": pa.array([300], pa.int32()), "v": pa.array([4], pa.int32())}, "t",
         identity_insert="true", delivery="at-least-once")  # fmt: skip
    assert server.run("SELECT id, v FROM {s}.t ORDER BY v") == [(100, 1), (200, 2), (201, 3), (300, 4)]
    changed = {"id": pa.array([100, 400], pa.int32()), "v": pa.array([10, 5], pa.int32())}
    copy(changed, "t", identity_insert="true", write_behavior="upsert")
    assert server.run("SELECT id, v FROM {s}.t WHERE id IN (100, 400) ORDER BY id") == [(100, 10), (400, 5)]


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_nulls_and_defaults(server: SqlServer, copy: Copy, delivery: str) -> None:
    if delivery == "at-least-once" and server.fake:
        pytest.skip("the server of the tests knows no defaults in a bulk load")
    server.run("CREATE TABLE {s}.t (id int, v nvarchar(10) DEFAULT 'none', n int DEFAULT 7)")
    rows = {
        "id": pa.array([1], pa.int32()),
        "v": pa.array([None], pa.string()),
        "n": pa.array([None], pa.int32()),
    }
    copy(rows, "t", delivery=delivery)
    copy(rows, "t", keep_nulls="false", delivery=delivery)
    found = server.run("SELECT v, n FROM {s}.t")
    assert sorted(map(tuple, found), key=str) == [("none", 7), (None, None)]


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_triggers(server: SqlServer, copy: Copy, delivery: str) -> None:
    server.run(
        "CREATE TABLE {s}.t (id int)",
        "CREATE TABLE {s}.seen (id int)",
        "CREATE TRIGGER {s}.tr ON {s}.t AFTER INSERT AS INSERT INTO {s}.seen (id) SELECT id FROM inserted",
    )
    copy({"id": pa.array([1], pa.int32())}, "t", delivery=delivery)
    copy({"id": pa.array([2], pa.int32())}, "t", fire_triggers="false", delivery=delivery)
    copy({"id": pa.array([3], pa.int32())}, "t", delivery=delivery)
    assert server.run("SELECT id FROM {s}.seen ORDER BY id") == [(1,), (3,)]
    assert server.run("SELECT id FROM {s}.t ORDER BY id") == [(1,), (2,), (3,)]


def _procedure(server: SqlServer) -> dict[str, str]:
    server.run(
        "CREATE TABLE {s}.t (id int, v nvarchar(20), tag nvarchar(20), calls int)",
        "CREATE TABLE {s}.calls (n int)",
        "CREATE TYPE {s}.kind AS TABLE (id int, v nvarchar(20))",
        "CREATE PROCEDURE {s}.take @rows {s}.kind READONLY, @tag nvarchar(20) AS BEGIN "
        "INSERT INTO {s}.t (id, v, tag) SELECT id, v, @tag FROM @rows; "
        "INSERT INTO {s}.calls (n) SELECT COUNT(*) AS n FROM @rows END",
    )
    return {
        "write_behavior": "StoredProcedure",
        "stored_procedure": f"{server.schema}.take",
        "stored_procedure_table_type": f"{server.schema}.kind",
        "stored_procedure_table_type_parameter_name": "rows",
        "stored_procedure_parameters": '{"tag": "it\'s"}',
    }


def test_stored_procedure(server: SqlServer, copy: Copy) -> None:
    options = _procedure(server)
    rows = {"id": pa.array(range(5), pa.int32()), "v": list("abcde")}
    copy(rows, "", writeBatchSize="2", **options)
    found = server.run("SELECT id, v, tag FROM {s}.t ORDER BY id")
    assert [tuple(row) for row in found] == [(i, v, "it's") for i, v in enumerate("abcde")]
    assert sorted(n for (n,) in server.run("SELECT n FROM {s}.calls")) == [1, 2, 2]
    copy(rows, "", **options)
    assert sorted(n for (n,) in server.run("SELECT n FROM {s}.calls")) == [1, 2, 2, 5]


def test_stored_procedure_that_cannot_be_called(server: SqlServer, copy: Copy) -> None:
    options = _procedure(server)
    rows = {"id": pa.array([1], pa.int32()), "v": ["a"]}
    with pytest.raises(NotFoundError, match="no stored procedure"):
        copy(rows, "", **{**options, "stored_procedure": f"{server.schema}.took"})
    with pytest.raises(NotFoundError, match="no table type"):
        copy(rows, "", **{**options, "stored_procedure_table_type": f"{server.schema}.sort"})
    with pytest.raises(SchemaMismatchError, match="no column 'w'"):
        copy({"id": pa.array([1], pa.int32()), "w": ["a"]}, "", **options)
    with pytest.raises(ConfigError, match="--mode append"):
        copy(rows, "", mode="error", **options)
    with pytest.raises(ConfigError, match="they need it"):
        copy(rows, "t", write_behavior="stored_procedure")
    assert server.run("SELECT id FROM {s}.t") == []


def test_table_option(server: SqlServer, copy: Copy) -> None:
    rows = {"id": pa.array([1], pa.int32())}
    server.run("CREATE TABLE {s}.orders (id int)")
    with pytest.raises(NotFoundError, match="did you mean"):
        copy(rows, "order", tableOption="none")
    copy(rows, "orders", tableOption="none")
    copy(rows, "fresh", tableOption="autoCreate")
    assert server.run("SELECT id FROM {s}.fresh") == [(1,)]


def test_at_least_once(server: SqlServer, copy: Copy) -> None:
    rows = {"id": pa.array(range(1000), pa.int32())}
    report = copy(rows, "t", "error", delivery="at-least-once", write_batch_size="100")
    assert any("at least once" in note for note in report.notes)
    with pytest.raises(AlreadyExistsError):
        copy(rows, "t", "error", delivery="at-least-once")
    copy(rows, "t", "append", delivery="at-least-once", table_lock="true")
    assert server.run("SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS m FROM {s}.t") == [(2000, 1000)]
    copy(rows, "t", "overwrite", delivery="at-least-once")
    assert server.run("SELECT COUNT(*) AS n FROM {s}.t") == [(1000,)]
    assert server.tables() == ["_crossdock_ledger", "t"]


def test_staging_in_another_schema(server: SqlServer, copy: Copy) -> None:
    other = f"{server.schema}x"
    server.run(f"CREATE SCHEMA [{other}]")
    try:
        copy({"id": pa.array([1], pa.int32())}, "t", interim_schema_name=other)
        assert server.tables() == ["t"]
        assert server.run(f"SELECT COUNT(*) AS n FROM [{other}].[_crossdock_ledger]") == [(0,)]
    finally:
        server.run(f"DROP TABLE [{other}].[_crossdock_ledger]")
        if not server.fake:
            server.run(f"DROP SCHEMA [{other}]")


@pytest.mark.parametrize("mode", ["error", "append", "overwrite"])
def test_verified(server: SqlServer, copy: Copy, mode: str) -> None:
    rows = pa.table({
        "id": pa.array(range(3), pa.int64()),
        "t": ["a", "ä𝄞", None],
        "at": pa.array([dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None]),
        "fine": pa.array([1_577_934_245_123_456_700, None, 0], pa.timestamp("ns")),
        "zoned": pa.array([1_577_934_245_123_456_700, None, 0], pa.timestamp("ns", "Europe/Berlin")),
        "big": pa.array([0, 2**64 - 1, None], pa.uint64()),
        "bytes": pa.array([b"abcd", None, b"\x00\xff\x00\xff"], pa.binary(4)),
        "word": pa.array(["x", "y", None]).dictionary_encode(),
        "clock": pa.array([0, 86_399_999_999_900, None], pa.time64("ns")),
    })  # fmt: skip
    if mode != "error":
        copy(rows, "t", "error")
    copy(rows, "t", mode, verify=True)
    assert server.run("SELECT COUNT(*) AS n FROM {s}.t") == [(6 if mode == "append" else 3,)]


def test_verified_where_the_server_writes_values_in_its_own_form(server: SqlServer, copy: Copy) -> None:
    server.run("CREATE TABLE {s}.t (c char(5), n nchar(5), u uniqueidentifier, x xml, v nvarchar(10))")
    rows = {
        "c": ["a"],
        "n": ["ä"],
        "u": ["6f9619ff-8b86-d011-b42d-00c04fc964ff"],
        "x": ["<a>b</a>"],
        "v": ["w"],
    }
    copy(rows, "t", verify=True)
    ((c, n, u),) = server.run("SELECT c, n, u FROM {s}.t")
    assert (c.strip(), n.strip(), str(u).lower()) == ("a", "ä", "6f9619ff-8b86-d011-b42d-00c04fc964ff")
    for text in ("none", "{6f9619ff-8b86-d011-b42d-00c04fc964ff}"):
        with pytest.raises(DataError, match="no uniqueidentifier"):
            copy({"u": [text]}, "t")


def test_a_change_in_what_was_staged_is_found(
    server: SqlServer, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--verify`` reads the staging tables, before anything is visible."""
    from crossdock_connectors.sql.mssql_writer import StagingWriter

    finish = StagingWriter.finish

    def meddled(self: StagingWriter) -> Any:
        receipt = finish(self)
        server.run(f"UPDATE {self._table} SET id = 8 WHERE id = 2")
        return receipt

    monkeypatch.setattr(StagingWriter, "finish", meddled)
    with pytest.raises(crossdock.VerificationError):
        copy({"id": pa.array(range(3), pa.int32())}, "t", "error", verify=True)
    assert server.tables() == ["_crossdock_ledger"]


def test_no_right_to_write(server: SqlServer, copy: Copy) -> None:
    if server.fake is None:
        pytest.skip("needs a second login")
    rows = {"id": pa.array([1], pa.int32())}
    server.run("CREATE TABLE {s}.t (id int)")
    server.fake.database.deny("SCHEMA ALTER")
    with pytest.raises(AccessDeniedError, match="may not create tables"):
        copy(rows, "t")
    server.fake.database.forget()
    server.fake.database.deny("[t] OBJECT INSERT")
    with pytest.raises(AccessDeniedError, match="lacks the right INSERT"):
        copy(rows, "t")
    assert server.tables() == ["t"]


def test_a_deadlock_at_the_commit_is_tried_again(server: SqlServer, copy: Copy) -> None:
    if server.fake is None:
        pytest.skip("needs a deadlock when the test wishes")
    server.run("CREATE TABLE {s}.t (id int)")
    server.fake.database.fail(f"INSERT INTO [{server.schema}].[t]", 1205, 2)
    copy({"id": pa.array(range(10), pa.int32())}, "t")
    assert sorted(server.run("SELECT id FROM {s}.t")) == [(i,) for i in range(10)]


def test_a_row_that_the_server_refuses_changes_nothing(server: SqlServer, copy: Copy) -> None:
    server.run("CREATE TABLE {s}.t (id int NOT NULL PRIMARY KEY)", "INSERT INTO {s}.t (id) VALUES (5)")
    with pytest.raises(DataError, match="key exists already"):
        copy({"id": pa.array(range(10), pa.int32())}, "t")
    assert server.run("SELECT id FROM {s}.t") == [(5,)]
    assert server.tables() == ["_crossdock_ledger", "t"]
