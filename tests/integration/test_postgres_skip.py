"""Rows that a table of PostgreSQL refuses at the commit are left out, and told exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgres_rows import sql, stored, tables

import crossdock
from crossdock import DataError


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("id,word\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_keys_that_are_taken(database: str, tmp_path: Path) -> None:
    sql(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, word text UNIQUE)",
        "INSERT INTO t VALUES (7, 'before'), (8, 'also')",
    )
    rows = [f"{number},w{number}" for number in range(20_000)] + ["5,again", "30000,w6", "30001,new"]
    source, sink = write(tmp_path / "a.csv", rows), f"{database}#t"
    with pytest.raises(DataError, match="duplicate key"):
        crossdock.copy(source, sink, mode="append")
    result = crossdock.copy(source, sink, mode="append", skip_rows=True, verify=True, parallel_copies=1)
    assert (result.rows_read, result.rows_copied, result.rows_skipped) == (20_003, 19_999, 4)
    assert tables(database) == ["t"]
    found = dict(stored(database, "t"))
    assert found == {number: f"w{number}" for number in range(20_000)} | {
        7: "before", 8: "also", 30_001: "new"
    }  # fmt: skip


def test_texts_that_are_no_values_of_the_column(database: str, tmp_path: Path) -> None:
    """Of texts the server says what they are; a length, a null and a key may be wrong in the same load."""
    sql(database, "CREATE TABLE t (id int PRIMARY KEY, word varchar(6) NOT NULL)")
    rows = [f"{number},w{number}" for number in range(5_000)]
    for at, bad in ((0, "x,bad"), (777, "7,too long a word"), (2_500, "99999999999,big"), (4_999, "5,")):
        rows.insert(at, bad)
    rows += ["17,again"]
    result = crossdock.copy(
        write(tmp_path / "a.csv", rows), f"{database}#t", mode="append", skip_rows=True,
        source_options={"infer": "false"}, log=tmp_path / "log",
    )  # fmt: skip
    assert (result.rows_copied, result.rows_skipped) == (5_000, 5)
    assert dict(stored(database, "t")) == {number: f"w{number}" for number in range(5_000)}
    assert tables(database) == ["t"]
    told = "".join(file.read_text() for file in (tmp_path / "log").iterdir())
    for item in ('"x,bad"', '"7,too long a word"', '"99999999999,big"', '"5,"', '"17,again"'):
        assert told.count(item) == 1, told


def test_a_table_of_only_bad_rows(database: str, tmp_path: Path) -> None:
    sql(database, "CREATE TABLE t (id int PRIMARY KEY, word text)", "INSERT INTO t VALUES (1, 'one')")
    source = write(tmp_path / "a.csv", ["1,x"] * 3_000)
    result = crossdock.copy(source, f"{database}#t", mode="append", skip_rows=True)
    assert (result.rows_copied, result.rows_skipped) == (0, 3_000)
    assert stored(database, "t") == [(1, "one")]
