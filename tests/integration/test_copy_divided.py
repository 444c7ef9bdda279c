"""Copies whose tables become many files: ``maxRowsPerFile``, ``fileNamePrefix``, ``fileExtension``."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest
from copy_definitions import Made
from pyarrow import orc

import crossdock
from crossdock import AlreadyExistsError, ConfigError, DataError

Counts = Callable[[bytes], int]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made.write("in/a.csv", "id,name\n" + "".join(f"{n},n{n}\n" for n in range(10)))
    return made


def found(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(
    ("kind", "ending", "rows"),
    [
        ("DelimitedText", ".txt", lambda data: len(data.splitlines()) - 1),
        ("Json", ".json", lambda data: len(data.splitlines())),
        ("Parquet", ".parquet", lambda data: pq.read_table(io.BytesIO(data)).num_rows),
        ("Avro", ".avro", lambda data: len(list(fastavro.reader(io.BytesIO(data))))),
        ("Orc", ".orc", lambda data: orc.read_table(io.BytesIO(data)).num_rows),
    ],
)
def test_each_file_has_so_many_rows(made: Made, kind: str, ending: str, rows: Counts, verify: bool) -> None:
    header: dict[str, Any] = {"firstRowAsHeader": True} if kind == "DelimitedText" else {}
    made.sink = made.dataset(kind, "out", **header)
    settings = {"type": f"{kind}WriteSettings", "maxRowsPerFile": 4, "fileExtension": ending}
    made.activity["sink"] = {"type": f"{kind}Sink", "formatSettings": settings}
    made.activity["validateDataConsistency"] = verify
    plan, findings = made.plan()
    assert not findings
    assert plan is not None
    result = plan.run(home=made.root / "home")
    out = made.data / "out"
    names = [f"a_0000{number}{ending}" for number in range(3)]
    assert found(out) == names
    assert [rows((out / name).read_bytes()) for name in names] == [4, 4, 2]
    written = result.output()
    assert (written["rowsCopied"], written["filesRead"], written["filesWritten"]) == (10, 1, 3)


def test_rows_keep_their_order_and_files_of_a_named_one_their_name(made: Made) -> None:
    made.sink = made.text("out", "all.csv", firstRowAsHeader=True)
    made.activity["sink"]["formatSettings"] |= {"maxRowsPerFile": 6}
    made.run()
    assert found(made.data / "out") == ["all_00000.csv", "all_00001.csv"]
    assert made.out("all_00000.csv") + made.out("all_00001.csv")[1:] == [
        "id,name",
        *(f"{n},n{n}" for n in range(10)),
    ]


def test_files_are_named_after_the_files_that_they_come_from(made: Made) -> None:
    made.write("in/b/c.csv", "id,name\n1,x\n")
    made.activity["sink"]["formatSettings"] |= {"maxRowsPerFile": 5, "fileNamePrefix": "part"}
    assert made.unsupported() == ["note fileNamePrefix"]
    made.run()
    assert found(made.data / "out") == ["a_00000.csv", "a_00001.csv", "b/c_00000.csv"]


def test_an_ending_without_numbers(made: Made) -> None:
    made.activity["sink"]["formatSettings"]["fileExtension"] = "txt"
    made.run()
    assert found(made.data / "out") == ["a.txt"]


@pytest.fixture
def table(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "db.sqlite") as database:
        database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"n{n}") for n in range(5)])
        database.execute("CREATE TABLE empty (id INTEGER)")
    return f"sqlite:///{tmp_path}/db.sqlite"


@pytest.mark.parametrize(
    ("name", "expected"), [("t", ["part_00000.csv", "part_00001.csv"]), ("empty", ["part_00000.csv"])]
)
def test_a_prefix_names_the_files_of_a_table(table: str, tmp_path: Path, name: str, expected: Any) -> None:
    options = {"max_rows_per_file": "3", "file_name_prefix": "part"}
    out = tmp_path / "out"
    crossdock.copy(
        f"{table}#{name}", f"{out}/", sink_format="delimited", sink_options=options, home=tmp_path / "home"
    )
    assert found(out) == expected
    assert (out / "part_00000.csv").read_text().startswith("id")


def test_of_a_copy_that_failed_nothing_is_left(made: Made, tmp_path: Path) -> None:
    made.write("in/a.csv", "id\n" + "".join(f"{n}\n" for n in range(200_000)) + "x\n")
    with pytest.raises(DataError):
        crossdock.copy(
            str(made.data / "in/a.csv"), f"{tmp_path}/out/", source_options={"types": "id:int64"},
            sink_format="parquet", sink_options={"max_rows_per_file": "1000"}, home=tmp_path / "home",
        )  # fmt: skip
    assert found(tmp_path / "out") == []


def test_a_file_that_is_there_is_not_replaced_unasked(made: Made, tmp_path: Path) -> None:
    def copy(mode: str) -> None:
        crossdock.copy(str(made.data / "in/a.csv"), f"{tmp_path}/out/", sink_format="parquet", mode=mode,
                       sink_options={"max_rows_per_file": "7"}, home=tmp_path / "home")  # fmt: skip

    copy("error")
    copy("overwrite")
    with pytest.raises(AlreadyExistsError, match=r"a_00000\.parquet exists already"):
        copy("error")
    assert found(tmp_path / "out") == ["a_00000.parquet", "a_00001.parquet"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"file_name_prefix": "x"}, "needs max_rows_per_file"),
        ({"max_rows_per_file": "0"}, "max_rows_per_file is not valid"),
        ({"max_rows_per_file": "1", "file_name_prefix": "a/b"}, "without folders"),
    ],
)
def test_what_makes_no_sense_is_refused(made: Made, tmp_path: Path, options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        crossdock.copy(str(made.data / "in/a.csv"), f"{tmp_path}/out/", sink_format="parquet",
                       sink_options=options, home=tmp_path / "home")  # fmt: skip


def test_bytes_have_no_rows(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this copy carries bytes"):
        crossdock.copy(str(made.data / "in/a.csv"), f"{tmp_path}/out/", source_format="binary",
                       sink_format="binary", sink_options={"max_rows_per_file": "1"})  # fmt: skip
