"""A database of SQL Server, looked into from the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.servers.sql_server import SqlServer

from crossdock.cli.main import run


def test_connection_browse_schema_and_preview(
    sql_server: SqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    sql_server.run(
        "CREATE TABLE {s}.[it's a.table] (id int NOT NULL PRIMARY KEY, d decimal(18,4), v nvarchar(20))",
        "INSERT INTO {s}.[it's a.table] (id, d, v) VALUES (1, 1.5, N'ä'), (2, NULL, NULL)",
    )
    options = [f"-s{name}={value}" for name, value in sql_server.options.items()]

    def answer(command: str, address: str, *more: str) -> Any:
        assert run([command, address, *options, *more, "--output", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    reached = answer("test-connection", sql_server.url())
    assert reached["version"].startswith("Microsoft SQL Server")
    schemas = answer("browse", sql_server.url())["entries"]
    (found,) = [each for each in schemas if each["name"] == sql_server.schema]
    (table,) = answer("browse", found["address"])["entries"]
    assert (table["name"], table["kind"]) == ("it's a.table", "table")
    named = table["address"]
    columns = answer("schema", named)["columns"]
    assert [(each["name"], each["nativeType"]) for each in columns] == [
        ("id", "int"), ("d", "decimal(18,4)"), ("v", "nvarchar(20)"),
    ]  # fmt: skip
    shown = answer("preview", named, "--rows", "1")
    assert (shown["rows"], shown["more"]) == ([[1, "1.5000", "ä"]], True)
