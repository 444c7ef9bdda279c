"""SQLite as source and sink, through the engine; what is stored is read with the standard library."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from observing import Record, expected_rows, journals, read_shelf

import crossdock
from crossdock import api

ROWS = 1000


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data.db"


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as db:
        return db.execute(sql).fetchall()


def stored(database: Path, table: str) -> list[tuple[Any, ...]]:
    return query(database, f"SELECT * FROM {table} ORDER BY 1")


def tables(database: Path) -> list[str]:
    """All of them, staged ones too."""
    found = query(database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
    return [name for (name,) in found]


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.fixture
def filled(database: Path) -> Path:
    """Two tables: numbers (50,000 rows) and names (3 rows)."""
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, half REAL, word TEXT)")
        words = ("one", None, "", "żółw")
        db.executemany(
            "INSERT INTO numbers VALUES (?, ?, ?)", [(n, n / 2, words[n % 4]) for n in range(1, 50_001)]
        )
        db.execute("CREATE TABLE names (name TEXT)")
        db.executemany("INSERT INTO names VALUES (?)", [("a",), ("b",), (None,)])
    return database


class TestInto:
    def test_a_table_by_the_name_of_the_unit(self, database: Path) -> None:
        result = crossdock.copy("rows://here", f"sqlite:///{database}", source_options={"units": "3"})
        assert tables(database) == ["t0", "t1", "t2"]
        for name in tables(database):
            assert stored(database, name) == rows_of(expected_rows(ROWS))
        assert (result.rows_copied, result.sink.url) == (3 * ROWS, f"sqlite:///{database}")

    @pytest.mark.parametrize("parallel", [1, 4])
    def test_a_table_by_its_own_name(self, database: Path, parallel: int) -> None:
        crossdock.copy("rows://here", f"sqlite:///{database}#mine", parallel_copies=parallel, verify=True)
        assert tables(database) == ["mine"]
        assert stored(database, "mine") == rows_of(expected_rows(ROWS))

    def test_a_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        crossdock.copy("rows://here", "sqlite:///here.db#t")
        assert stored(tmp_path / "here.db", "t") == rows_of(expected_rows(ROWS))

    def test_modes(self, database: Path) -> None:
        sink = f"sqlite:///{database}#t"
        crossdock.copy("rows://here", sink, source_options={"rows": "10"})
        with pytest.raises(crossdock.AlreadyExistsError):
            crossdock.copy("rows://here", sink)
        assert stored(database, "t") == rows_of(expected_rows(10))
        crossdock.copy("rows://here", sink, mode="append", source_options={"rows": "5"})
        assert len(stored(database, "t")) == 15
        crossdock.copy("rows://here", sink, mode="overwrite", source_options={"rows": "7"})
        assert stored(database, "t") == rows_of(expected_rows(7))
        assert tables(database) == ["t"]

    def test_append_wants_the_same_columns(self, database: Path) -> None:
        sink = f"sqlite:///{database}#t"
        crossdock.copy("rows://here", sink, map="id,word")
        with pytest.raises(crossdock.SchemaMismatchError):
            crossdock.copy("rows://here", sink, mode="append")
        assert len(stored(database, "t")) == ROWS

    def test_many_files_into_one_table(self, tmp_path: Path, database: Path) -> None:
        folder = tmp_path / "parts"
        folder.mkdir()
        for number in range(5):
            ids = range(number * 10, number * 10 + 10)
            (folder / f"{number}.csv").write_text("id\n" + "".join(f"{n}\n" for n in ids))
        result = crossdock.copy(f"{folder}/*.csv", f"sqlite:///{database}#all", verify=True)
        assert stored(database, '"all"') == [(n,) for n in range(50)]
        assert result.rows_copied == 50

    def test_a_failed_copy_leaves_no_table(self, database: Path, home: Path, source_record: Record) -> None:
        fail = source_record.options | {"fail": "batch:bad value", "fail_split": "6"}
        with pytest.raises(crossdock.DataError):
            crossdock.copy("rows://here", f"sqlite:///{database}#t", source_options=fail)
        assert not database.exists() or tables(database) == []
        assert journals(home) == []

    def test_a_failed_overwrite_leaves_the_old_table(self, database: Path, source_record: Record) -> None:
        sink = f"sqlite:///{database}#t"
        crossdock.copy("rows://here", sink, source_options={"rows": "10"})
        fail = source_record.options | {"fail": "batch:bad value", "fail_split": "6"}
        with pytest.raises(crossdock.DataError):
            crossdock.copy("rows://here", sink, mode="overwrite", source_options=fail)
        assert stored(database, "t") == rows_of(expected_rows(10))
        assert tables(database) == ["t"]


class TestFrom:
    @pytest.mark.parametrize("parallel", [1, 2, 8])
    def test_a_table(self, filled: Path, tmp_path: Path, parallel: int) -> None:
        result = crossdock.copy(
            f"sqlite:///{filled}#numbers", tmp_path / "n.parquet", parallel_copies=parallel, verify=True
        )
        assert rows_of(pq.read_table(tmp_path / "n.parquet").sort_by("id")) == stored(filled, "numbers")
        assert result.rows_copied == 50_000
        assert result.bytes_read > 0
        assert result.files_read == 0

    def test_all_tables(self, filled: Path, tmp_path: Path) -> None:
        result = crossdock.copy(f"sqlite:///{filled}", tmp_path / "out/", sink_format="csv")
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["names.csv", "numbers.csv"]
        assert (tmp_path / "out/names.csv").read_text() == 'name\n"a"\n"b"\n\n'
        assert (result.rows_copied, result.files_written) == (50_003, 2)

    def test_a_query(self, filled: Path, tmp_path: Path) -> None:
        sql = "SELECT word, count(*) AS n FROM numbers WHERE word IS NOT NULL GROUP BY word ORDER BY word"
        crossdock.copy(f"sqlite:///{filled}", tmp_path / "q.csv", source_options={"query": sql})
        assert (tmp_path / "q.csv").read_text() == 'word,n\n"",12500\n"one",12500\n"żółw",12500\n'

    def test_a_database_into_another(self, filled: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.db"
        crossdock.copy(f"sqlite:///{filled}", f"sqlite:///{other}", verify=True, parallel_copies=4)
        assert stored(other, "numbers") == stored(filled, "numbers")
        assert sorted(tables(other)) == ["names", "numbers"]

    def test_mapping(self, filled: Path, tmp_path: Path) -> None:
        crossdock.copy(f"sqlite:///{filled}#numbers", tmp_path / "n.parquet", map="half=h,id")
        table = pq.read_table(tmp_path / "n.parquet")
        assert table.column_names == ["h", "id"]
        assert sorted(table["id"].to_pylist()) == list(range(1, 50_001))

    @pytest.mark.parametrize("fragment", ["#nothing", "#numbr"])
    def test_no_such_table(self, filled: Path, tmp_path: Path, home: Path, fragment: str) -> None:
        with pytest.raises(crossdock.NotFoundError) as caught:
            crossdock.copy(f"sqlite:///{filled}{fragment}", tmp_path / "out.csv")
        assert (caught.value.exit_code, caught.value.side) == (2, "source")
        assert not (tmp_path / "out.csv").exists()
        assert journals(home) == []

    def test_no_such_database(self, tmp_path: Path) -> None:
        with pytest.raises(crossdock.NotFoundError):
            crossdock.copy(f"sqlite:///{tmp_path}/no.db#t", tmp_path / "out.csv")
        assert not (tmp_path / "no.db").exists(), "looking does not make it"

    def test_what_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "no.db").write_text("this is some text, and a database it is not" * 100)
        with pytest.raises(crossdock.CrossdockError) as caught:
            crossdock.copy(f"sqlite:///{tmp_path}/no.db#t", tmp_path / "out.csv")
        assert caught.value.exit_code == 2
        assert "no.db" in caught.value.message


class TestResume:
    def interrupted(self, database: Path, source: Record, **options: Any) -> int:
        """A copy into SQLite that breaks off; returns how many splits are done."""
        with pytest.raises(crossdock.InternalError) as caught:
            crossdock.copy(
                "rows://here",
                f"sqlite:///{database}#t",
                source_options=source.options
                | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"},
                parallel_copies=2,
                run_id="r",
                **options,
            )
        assert caught.value.resumable
        assert "t" not in tables(database)
        return api.show("r").splits_done

    @pytest.mark.parametrize("verify", [True, False])
    def test_only_what_was_in_flight_is_carried_again(
        self, database: Path, source_record: Record, verify: bool
    ) -> None:
        done = self.interrupted(database, source_record, verify=verify)
        assert done >= 8
        source_record.clear()
        result = api.resume("r")
        assert (result.splits_skipped, source_record.count("read")) == (done, 20 - done)
        assert stored(database, "t") == rows_of(expected_rows(ROWS))
        assert tables(database) == ["t"]

    def test_from_another_folder(
        self, tmp_path: Path, source_record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A relative address means the same when the run goes on elsewhere."""
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        monkeypatch.chdir(tmp_path / "a")
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here",
                "sqlite:///data.db#t",
                source_options=source_record.options | {"fail": "batch:RuntimeError", "fail_split": "5"},
                run_id="r",
            )
        monkeypatch.chdir(tmp_path / "b")
        api.resume("r")
        assert stored(tmp_path / "a/data.db", "t") == rows_of(expected_rows(ROWS))
        assert os.listdir(tmp_path / "b") == []

    def test_forget_removes_what_is_staged(self, database: Path, home: Path, source_record: Record) -> None:
        self.interrupted(database, source_record)
        assert tables(database) != []
        api.forget("r")
        assert tables(database) == []
        assert journals(home) == []

    def test_a_cancelled_read(self, filled: Path, tmp_path: Path, shelf: Path) -> None:
        cancel = threading.Event()

        def watch(snapshot: crossdock.Snapshot) -> None:
            if snapshot.rows_done:
                cancel.set()

        with pytest.raises(crossdock.CancelledError):
            crossdock.copy(
                f"sqlite:///{filled}#numbers",
                f"shelf://{shelf}",
                sink_options={"slow": "0.05"},
                parallel_copies=2,
                cancel=cancel,
                progress=watch,
                run_id="r",
            )
        result = api.resume("r", sink_options={"slow": "0"})
        assert result.rows_copied == 50_000
        assert rows_of(read_shelf(shelf, "numbers")) == stored(filled, "numbers")


def test_both_ways_through_every_format(filled: Path, tmp_path: Path) -> None:
    """What comes back from a file is what was in the table."""
    for extension in ("csv", "jsonl", "parquet"):
        crossdock.copy(f"sqlite:///{filled}#numbers", tmp_path / f"n.{extension}")
        crossdock.copy(tmp_path / f"n.{extension}", f"sqlite:///{tmp_path}/back.db#{extension}", verify=True)
        assert stored(tmp_path / "back.db", extension) == stored(filled, "numbers")
