"""Rows that do not fit into a table of SQL Server are left out, and told exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.servers.sql_server import SqlServer

import crossdock
from crossdock import ConfigError


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    return sql_server


def test_keys_nulls_lengths_and_texts(server: SqlServer, tmp_path: Path) -> None:
    """Of rows with one key the first is kept; text is read as the table's columns are."""
    server.run(
        "CREATE TABLE {s}.t (id int NOT NULL PRIMARY KEY, word nvarchar(6), n int NOT NULL)",
        "INSERT INTO {s}.t (id, word, n) VALUES (7, N'before', 0)",
    )
    rows = [f"{number},w{number},{number}" for number in range(500)]
    rows += [
        "5,again,5",
        "x,text,1",
        "900,too long a word,1",
        "901,null,",
        "99999999999,large,1",
        "902,new,1",
    ]
    source = tmp_path / "a.csv"
    source.write_text("id,word,n\n" + "".join(f"{row}\n" for row in rows))
    copy = {"mode": "append", "sink_options": server.options, "parallel_copies": 1}
    with pytest.raises(crossdock.CrossdockError):
        crossdock.copy(source, server.url("t"), **copy)  # type: ignore[arg-type]
    result = crossdock.copy(
        source, server.url("t"), skip_rows=True, log=tmp_path / "log", verify=True, **copy
    )  # type: ignore[arg-type]
    assert (result.rows_copied, result.rows_skipped) == (500, 6)
    found = server.run("SELECT id, word, n FROM {s}.t ORDER BY id")
    expected = [(number, f"w{number}", number) for number in range(500)] + [(902, "new", 1)]
    expected[7] = (7, "before", 0)
    assert [tuple(row) for row in found] == expected
    told = "".join(file.read_text() for file in (tmp_path / "log").iterdir())
    for item in ('"7,w7,7"', '"5,again,5"', '"x,text,1"', '"900,too long a word,1"', '"901,null,"'):
        assert told.count(item) == 1, told


def test_a_procedure_gets_all_rows_or_none(server: SqlServer, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    options = {
        **server.options, "write_behavior": "stored_procedure", "stored_procedure": "p",
        "stored_procedure_table_type": "k", "stored_procedure_table_type_parameter_name": "rows",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="stored procedure gets all rows"):
        crossdock.copy(
            tmp_path / "a.csv", server.url("t"), mode="append", sink_options=options, skip_rows=True
        )
