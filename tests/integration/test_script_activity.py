"""Script and SqlServerStoredProcedure activities, and lookups that run queries, on real databases."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from one_activity import Json, OneActivity, dataset_of
from tests.servers.postgres import Postgres
from tests.servers.sql_server import SqlServer
from tests.servers.tds import PASSWORD

import crossdock
from crossdock import (
    CancelledError,
    ConfigError,
    CrossdockError,
    NotFoundError,
    NotSupportedError,
    ScriptResult,
)
from crossdock_connectors.sql.postgres_source import PostgresSource
from crossdock_scheduler.pipeline.data import script
from crossdock_scheduler.pipeline.expressions import Scope


def linked(name: str) -> Json:
    return {"linkedServiceName": {"referenceName": name, "type": "LinkedServiceReference"}}


@pytest.fixture
def one(tmp_path: Path) -> OneActivity:
    return OneActivity(tmp_path)


@pytest.fixture
def database(one: OneActivity, postgres: Postgres) -> Iterator[Postgres]:
    one.postgres(postgres.create("scripts"))
    postgres.run("CREATE TABLE w (id int, name text, amount numeric)", "scripts")
    postgres.run("INSERT INTO w VALUES (1, 'a', 1.50), (2, 'b', 2), (3, NULL, NULL)", "scripts")
    yield postgres
    postgres.drop("scripts")


def kept(postgres: Postgres) -> list[tuple[object, ...]]:
    return postgres.run("SELECT id, name FROM w ORDER BY id", "scripts")


def test_queries_and_changes(one: OneActivity, database: Postgres) -> None:
    blocks = [
        {"type": "Query", "text": "SELECT id, amount FROM w ORDER BY id; SELECT count(*) AS n FROM w"},
        {
            "type": "NonQuery",
            "text": "UPDATE w SET name = @name WHERE id = @id; DELETE FROM w WHERE id = 3; -- @name",
            "parameters": [
                {"name": "name", "type": "String", "value": "o'hara; DROP TABLE w"},
                {"name": "id", "type": "Int32", "value": "@{pipeline().parameters.which}"},
            ],
        },
        {"text": "INSERT INTO w VALUES (9, 'new', 0) RETURNING id, name"},
    ]
    found = one.run("Script", {"scripts": blocks}, scope=Scope(parameters={"which": 2}), **linked("postgres"))
    assert found == {
        "resultSetCount": 3,
        "recordsAffected": 2,
        "resultSets": [
            {
                "rowCount": 3,
                "rows": [{"id": 1, "amount": 1.5}, {"id": 2, "amount": 2}, {"id": 3, "amount": None}],
            },
            {"rowCount": 1, "rows": [{"n": 3}]},
            {"rowCount": 1, "rows": [{"id": 9, "name": "new"}]},
        ],
        "outputParameters": {},
        "outputLogs": "",
        "outputLogsLocation": "",
        "outputTruncated": False,
    }
    assert kept(database) == [(1, "a"), (2, "o'hara; DROP TABLE w"), (9, "new")]


def test_a_script_in_a_file(one: OneActivity, database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    one.write("sql/clean.sql", "\ufeffDELETE FROM w WHERE id = @id; SELECT count(*) AS n FROM w")
    reference = {
        "path": "sql/clean.sql", **linked("files"),
        "parameters": [{"name": "id", "type": "Int32", "value": 1}],
    }  # fmt: skip
    found = one.run("Script", {"scriptReference": reference}, **linked("postgres"))
    assert found["resultSets"] == [{"rowCount": 1, "rows": [{"n": 2}]}]
    assert kept(database) == [(2, "b"), (3, None)]
    both = {"scriptReference": reference, "scripts": [{"text": "SELECT 1"}]}
    assert one.said("Script", both, **linked("postgres")) == [
        ("error", "scriptReference: there are scripts too; leave out one of them")
    ]
    with one.write("sql/huge.sql").open("r+b") as huge:
        huge.truncate(17 << 20)
    reference["path"] = "sql/huge.sql"
    with monkeypatch.context() as patch:
        patch.setattr(crossdock, "copy", lambda *_, **__: pytest.fail("it is fetched before"))
        with pytest.raises(ConfigError, match="has more than 16 MiB"):
            one.run("Script", {"scriptReference": reference}, **linked("postgres"))
    with monkeypatch.context() as patch:
        no_size = SimpleNamespace(facts=SimpleNamespace(size=None))
        patch.setattr(crossdock, "stat", lambda *_, **__: no_size)
        with pytest.raises(ConfigError, match="has more than 16 MiB"):
            one.run("Script", {"scriptReference": reference}, **linked("postgres"))
    assert kept(database) == [(2, "b"), (3, None)]
    reference["path"] = "sql/none.sql"
    with pytest.raises(NotFoundError):
        one.run("Script", {"scriptReference": reference}, **linked("postgres"))


def test_an_output_that_is_too_large_is_cut(
    one: OneActivity, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = {"text": "SELECT n FROM generate_series(1, 10) AS n; SELECT 1 AS one"}
    given = {"scripts": [block], "logSettings": {"logDestination": "ActivityOutput"}}
    rows = [{"n": n} for n in range(1, 11)]
    for room in (1000, 150, 100):
        monkeypatch.setattr(script, "MOST_BYTES", room)
        found = one.run("Script", given, **linked("postgres"))
        cut = found["resultSets"][0]
        assert (found["outputTruncated"], len(cut["rows"]) < 10) == (room < 1000, room < 1000)
        assert (cut["rowCount"], cut["rows"]) == (10, rows[: len(cut["rows"])])
        assert room / 2 < len(json.dumps(found["resultSets"])) <= room or room == 1000


def test_types_of_parameters(one: OneActivity, database: Postgres) -> None:
    given = [
        ("s", "String", "x"), ("i", "Int64", "9000000000"), ("d", "Decimal", "1.50"), ("f", "Double", 0.5),
        ("b", "Boolean", "True"), ("t", "DateTime", "2024-05-01T12:00:00.5Z"),
        ("o", "DateTimeOffset", "2024-05-01T12:00:00+02:00"), ("n", "Int32", None),
        ("e", "DateTime", "5/1/2024 3:00:00 PM"), ("z", "DateTimeOffset", "05/01/2024 15:00:00"),
        ("q", "Date", "5/1/2024"),
        ("g", "Guid", "6F9619FF-8B86-D011-B42D-00C04FC964FF"), ("u", "Timespan", "01:02:03"),
    ]  # fmt: skip
    listed = ", ".join(f"@{name} AS {name}" for name, *_ in given)
    block = {
        "text": f"SELECT {listed}",
        "parameters": [{"name": n, "type": kind, "value": value} for n, kind, value in given],
    }
    (found,) = one.run("Script", {"scripts": [block]}, **linked("postgres"))["resultSets"]
    assert found["rows"] == [{
        "s": "x", "i": 9_000_000_000, "d": 1.5, "f": 0.5, "b": True, "t": "2024-05-01T12:00:00.5Z",
        "o": "2024-05-01T10:00:00Z", "n": None, "e": "2024-05-01T15:00:00Z", "z": "2024-05-01T15:00:00Z",
        "q": "2024-05-01T00:00:00Z", "g": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "u": "01:02:03",
    }]  # fmt: skip


def test_a_failing_statement_takes_its_script_back_and_names_the_activity(
    one: OneActivity, database: Postgres
) -> None:
    blocks = [
        {"text": "DELETE FROM w WHERE id = 1"},
        {"text": "DELETE FROM w; SELECT * FROM never_was"},
        {"text": "DELETE FROM w"},
    ]
    with pytest.raises(CrossdockError, match=r"the activity 'it': .*never_was"):
        one.run("Script", {"scripts": blocks}, **linked("postgres"))
    assert [row[0] for row in kept(database)] == [2, 3]


def test_what_is_wrong_is_said_ahead_with_its_property(one: OneActivity, database: Postgres) -> None:
    wrong = [
        {"text": "", "type": "Procedure"},
        {
            "text": "SELECT 1",
            "parameters": [{"name": "n", "type": "Int32", "value": "many"}, {"type": "String"}],
        },
        {"text": "SELECT 1", "parameters": [{"name": "n", "type": "Strin", "value": "x"}], "more": 1},
    ]
    near = "which is not supported: did you mean 'string'?"
    said = one.said("Script", {"scripts": wrong}, **linked("postgres"))
    assert sorted(said) == sorted([
        ("error", "text: the script 1 has no text"),
        ("unsupported", "type: 'Procedure' is not supported; supported are Query, NonQuery"),
        ("error", "value: the parameter 'n' has a value that is no Int32"),
        ("error", "name: a parameter has no name"),
        ("unsupported", f"type: the parameter 'n' has the type 'Strin', {near}"),
        ("unsupported", "more is not supported here"),
    ])  # fmt: skip
    assert one.said("Script", {}, **linked("postgres")) == [("error", "scripts: there is no script to run")]
    assert one.said("Script", {"scripts": [{"text": "SELECT 1"}]}) == [
        ("error", "linkedServiceName: the linked service of a database is needed")
    ]
    assert one.said("Script", {"scripts": [{"text": "SELECT 1"}]}, **linked("files")) == [
        ("unsupported", "a linked service of the type FileServer has no database")
    ]
    before = kept(database)
    with pytest.raises(ConfigError, match="the activity 'it': text: the script 1 has no text"):
        one.run("Script", {"scripts": [*wrong, {"text": "DELETE FROM w"}]}, **linked("postgres"))
    assert kept(database) == before


def test_nothing_comes_out_of_postgresql(one: OneActivity, database: Postgres) -> None:
    block = {"text": "SELECT 1", "parameters": [{"name": "n", "type": "Int32", "direction": "Output"}]}
    with pytest.raises(NotSupportedError, match="the activity 'it': the parameter 'n'"):
        one.run("Script", {"scripts": [block]}, **linked("postgres"))


def test_a_running_script_is_cancelled(one: OneActivity, database: Postgres) -> None:
    cancel = threading.Event()
    timer = threading.Timer(1, cancel.set)
    timer.start()
    began = time.monotonic()
    blocks = [{"text": "DELETE FROM w; SELECT pg_sleep(60)"}, {"text": "DELETE FROM w"}]
    with pytest.raises(CancelledError):
        one.run("Script", {"scripts": blocks}, cancel=cancel, **linked("postgres"))
    timer.join()
    assert time.monotonic() - began < 40
    assert len(kept(database)) == 3


def test_a_procedure_of_postgresql(one: OneActivity, database: Postgres) -> None:
    database.run(
        "CREATE PROCEDURE tidy(wanted int, new_name text) LANGUAGE sql AS "
        "'UPDATE w SET name = new_name WHERE id = wanted'",
        "scripts",
    )
    given = {"new_name": {"value": "it's", "type": "String"}, "wanted": {"value": "1", "type": "Int"}}
    properties = {"storedProcedureName": "tidy", "storedProcedureParameters": given}
    one.run("SqlServerStoredProcedure", properties, **linked("postgres"))
    assert kept(database)[0] == (1, "it's")


def test_a_lookup_whose_query_changes_something(one: OneActivity, database: Postgres) -> None:
    one.dataset("there", "PostgreSqlV2Table", "postgres")
    source = {"type": "PostgreSqlV2Source", "query": "DELETE FROM w WHERE id > 1 RETURNING id"}
    found = one.run("Lookup", {"source": source, "dataset": dataset_of("there"), "firstRowOnly": False})
    assert found == {"count": 2, "value": [{"id": 2}, {"id": 3}]}
    assert kept(database) == [(1, "a")]
    source["query"] = "SELECT 1 AS a; SELECT 2 AS b"
    with pytest.raises(ConfigError, match="the query must give one result set, and it gave 2"):
        one.run("Lookup", {"source": source, "dataset": dataset_of("there")})
    source["query"] = "SELECT amount FROM w UNION ALL SELECT g FROM generate_series(1, 3000000) AS g"
    found = one.run("Lookup", {"source": source, "dataset": dataset_of("there")})
    assert found == {"firstRow": {"amount": 1.5}}


@pytest.fixture
def sql(one: OneActivity, sql_server: SqlServer) -> SqlServer:
    if sql_server.fake is None:
        pytest.skip("the definitions have the sign-in of our own server")
    parts = urlsplit(sql_server.address)
    one.service(
        "sql", "AzureSqlDatabase",
        server=f"{parts.hostname},{parts.port}", database="test", userName=parts.username,
        password={"type": "SecureString", "value": PASSWORD},
    )  # fmt: skip
    sql_server.run(
        "CREATE TABLE {s}.[w] (id int, name nvarchar(40))",
        "INSERT INTO {s}.[w] (id, name) VALUES (1, N'a'), (2, N'b')",
        "CREATE PROCEDURE {s}.[add_it] @id int, @name nvarchar(40), @twice int OUTPUT AS BEGIN "
        "INSERT INTO {s}.[w] (id, name) VALUES (@id, @name); SET @twice = @id * 2; PRINT 'added'; "
        "SELECT id, name FROM {s}.[w] WHERE id = @id; END",
    )
    return sql_server


def rows(server: SqlServer) -> list[tuple[object, ...]]:
    return sorted(server.run("SELECT id, name FROM {s}.[w]"))


def test_outputs_and_messages_of_sql_server(one: OneActivity, sql: SqlServer, tmp_path: Path) -> None:
    text = (
        f"EXEC [{sql.schema}].[add_it] @id = @id, @name = @name, @twice = @out OUTPUT; "
        f"DELETE FROM [{sql.schema}].[w] WHERE id = 1"
    )
    parameters = [
        {"name": "id", "type": "Int32", "value": 7},
        {"name": "name", "type": "String", "value": "żółć ' OR 1=1 --"},
        {"name": "out", "type": "Int32", "direction": "Output"},
    ]
    query = {"type": "Query", "text": text, "parameters": parameters}
    properties = {"scripts": [query], "logSettings": {"logDestination": "ActivityOutput"}}
    found = one.run("Script", properties, **linked("sql"))
    assert found["resultSets"] == [{"rowCount": 1, "rows": [{"id": 7, "name": "żółć ' OR 1=1 --"}]}]
    assert (found["outputParameters"], found["outputLogs"]) == ({"out": 14}, "added")
    assert rows(sql) == [(2, "b"), (7, "żółć ' OR 1=1 --")]
    one.service("logs", "FileServer", host=str(tmp_path))
    place = linked("logs") | {"path": "logs"}
    properties["logSettings"] = {"logDestination": "ExternalStore", "logLocationSettings": place}
    properties["scripts"] = [query | {"type": "NonQuery"}]
    found = one.run("Script", properties, **linked("sql"))
    assert (found["recordsAffected"], found["resultSetCount"], found["outputLogs"]) == (1, 0, "")
    assert found["outputLogsLocation"].endswith("/logs/run-1.txt")
    assert (tmp_path / "logs" / "run-1.txt").read_text() == "added"


def test_a_log_that_cannot_be_written_does_not_fail_the_script(
    one: OneActivity, sql: SqlServer, tmp_path: Path
) -> None:
    one.service("logs", "FileServer", host=str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    settings = {"logDestination": "ExternalStore", "logLocationSettings": linked("logs") | {"path": "logs"}}
    block = {"type": "NonQuery", "text": f"DELETE FROM [{sql.schema}].[w] WHERE id = 1"}
    found = one.run("Script", {"scripts": [block], "logSettings": settings}, **linked("sql"))
    assert found["recordsAffected"] == 1
    assert found["outputLogs"].startswith("the log could not be written: ")
    assert rows(sql) == [(2, "b")]


def test_a_stored_procedure_of_sql_server(one: OneActivity, sql: SqlServer) -> None:
    properties: Json = {
        "storedProcedureName": f"[{sql.schema}].[add_it]",
        "storedProcedureParameters": {
            "id": {"value": "5", "type": "Int32"},
            "name": {"value": None},
            "twice": {"value": 0, "type": "Int32"},
        },
    }
    found = one.run("SqlServerStoredProcedure", properties, **linked("sql"))
    assert set(found) == {"executionDuration"}
    assert (5, None) in rows(sql)
    properties["storedProcedureName"] = "never_was"
    with pytest.raises(CrossdockError, match=r"the activity 'it': .*never_was"):
        one.run("SqlServerStoredProcedure", properties, **linked("sql"))
    properties = {"storedProcedureParameters": {"id": {"value": "many", "type": "Int32"}}}
    assert one.said("SqlServerStoredProcedure", properties, **linked("sql")) == [
        ("error", "storedProcedureName: a procedure is needed"),
        ("error", "value: the parameter 'id' has a value that is no Int32"),
    ]


def test_a_lookup_of_a_procedure(one: OneActivity, sql: SqlServer) -> None:
    one.dataset("there", "AzureSqlTable", "sql")
    source = {
        "type": "AzureSqlSource",
        "sqlReaderStoredProcedureName": f"[{sql.schema}].[add_it]",
        "storedProcedureParameters": {
            "id": {"value": "6", "type": "Int32"}, "name": {"value": "six"}, "twice": {"value": 1},
        },
    }  # fmt: skip
    properties = {"source": source, "dataset": dataset_of("there")}
    assert one.run("Lookup", properties) == {"firstRow": {"id": 6, "name": "six"}}
    assert (6, "six") in rows(sql)
    given = source["storedProcedureParameters"]
    assert isinstance(given, dict)
    given["id"] = {"value": "@pipeline().RunId", "type": "Int32"}
    assert one.said("Lookup", properties) == []
    given["id"] = {"value": "many", "type": "Int32"}
    assert one.said("Lookup", properties) == [
        ("error", "value: the parameter 'id' has a value that is no Int32")
    ]


def test_a_query_is_read_as_a_copy_reads_it_where_no_scripts_are_run(
    one: OneActivity, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> ScriptResult:
        raise NotSupportedError("no scripts here")

    monkeypatch.setattr(PostgresSource, "script", refuse)
    one.dataset("there", "PostgreSqlV2Table", "postgres")
    source = {"type": "PostgreSqlV2Source", "query": "SELECT id FROM w WHERE id < 3 ORDER BY id"}
    found = one.run("Lookup", {"source": source, "dataset": dataset_of("there"), "firstRowOnly": False})
    assert found == {"count": 2, "value": [{"id": 1}, {"id": 2}]}
