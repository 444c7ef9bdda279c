"""What the fault tests copy: each payload makes its source and judges what lies at its sink."""

from __future__ import annotations

import csv
import random
import shutil
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 12_000
SPLIT = 64 << 10


class Payload(ABC):
    """A source below ``folder`` and the sink that belongs to it; both are addresses."""

    options: ClassVar[dict[str, Any]] = {}
    smallest_split = SPLIT
    minimum = 8
    """Splits that it has at least: fewer would test little."""
    events = 200
    """About how many calls of failpoints an undisturbed run makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = str(folder / "from" / "data")
        self.sink = str(folder / "to" / "data")
        (folder / "from").mkdir()
        self.make()

    @abstractmethod
    def make(self) -> None:
        """Make the source."""

    @abstractmethod
    def visible(self) -> bool:
        """Whether all of the sink can be seen. Fails when a part of something can be seen."""

    def check(self) -> None:
        """The sink holds the source, all of it and nothing else."""
        assert self.visible()
        assert leftovers(self.folder) == []


def leftovers(folder: Path) -> list[Path]:
    """Everything staged that is still there."""
    return sorted(path for path in folder.rglob("*") if path.name.startswith(".crossdock-"))


def numbers(count: int = ROWS) -> pa.Table:
    """Rows that are all different, wide enough to be cut, and with text that needs quotes."""
    ids = range(count)
    words = [None if n % 11 == 0 else f'word "{n * 7919 % count}", {n:x}' for n in ids]
    return pa.table({"id": pa.array(ids, pa.int64()), "word": words, "part": [n / 8 + 1 / 16 for n in ids]})


def write_csv(path: Path, table: pa.Table) -> None:
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(table.column_names)
        out.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))


class OneBinary(Payload):
    """One file of 4 MB in 64 blocks."""

    options: ClassVar[dict[str, Any]] = {"block_size": SPLIT}
    minimum = 64
    events = 600

    def make(self) -> None:
        Path(self.source).write_bytes(random.Random(1).randbytes(4_190_000))

    def visible(self) -> bool:
        if not Path(self.sink).exists():
            return False
        assert Path(self.sink).read_bytes() == Path(self.source).read_bytes()
        return True


class ManyBinary(Payload):
    """500 small files in a tree, some of them empty, and two that are larger than a block."""

    options: ClassVar[dict[str, Any]] = {"block_size": SPLIT}
    minimum = 500
    events = 9000

    def make(self) -> None:
        seed = random.Random(2)
        for n in range(498):
            self._put(f"{n % 7}/{n % 3}/f{n}.bin", seed.randbytes(seed.choice([0, 1, 700, 5000])))
        for n in range(2):
            self._put(f"large{n}.bin", seed.randbytes((1 << 20) + 1000 + n))

    def _put(self, name: str, data: bytes) -> None:
        path = Path(self.source) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def visible(self) -> bool:
        files = {path: path.relative_to(self.sink) for path in _files(self.sink)}
        for path, name in files.items():
            assert path.read_bytes() == (Path(self.source) / name).read_bytes(), name
        return len(files) == 500 == len(list(_files(self.source)))


def _files(folder: str) -> list[Path]:
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return [path for path in found if not any(part.startswith(".crossdock-") for part in path.parts)]


class CsvToParquet(Payload):
    """One CSV, cut at row boundaries, into one Parquet file in the order of the rows."""

    options: ClassVar[dict[str, Any]] = {"source_options": {"multiline": "false"}}

    def make(self) -> None:
        self.source, self.sink = f"{self.source}.csv", f"{self.sink}.parquet"
        self.table = numbers(ROWS * 2)
        write_csv(Path(self.source), self.table)

    def visible(self) -> bool:
        if not Path(self.sink).exists():
            return False
        assert pq.read_table(self.sink).equals(self.table)
        return True


class ParquetToCsv(Payload):
    """One Parquet file of many row groups into one CSV: parts of text are joined at commit."""

    def make(self) -> None:
        self.source, self.sink = f"{self.source}.parquet", f"{self.sink}.csv"
        table = numbers()
        write_csv(self.folder / "expected.csv", table)
        pq.write_table(table, self.source, row_group_size=1000, compression="none")
        self.smallest_split = 20_000

    def visible(self) -> bool:
        if not Path(self.sink).exists():
            return False
        with Path(self.sink).open(newline="") as got, (self.folder / "expected.csv").open(newline="") as rows:
            assert list(csv.reader(got)) == list(csv.reader(rows))
        return True


class ManyCsvToParquet(Payload):
    """Twelve CSV files into a folder of Parquet files: units with a footer, written as a group."""

    minimum = 12
    events = 300
    options: ClassVar[dict[str, Any]] = {"source_format": "delimited", "sink_format": "parquet"}

    def make(self) -> None:
        self.tables = {f"t{n:02}": numbers(300 + n) for n in range(12)}
        for name, table in self.tables.items():
            path = Path(self.source) / f"{name}.csv"
            path.parent.mkdir(exist_ok=True)
            write_csv(path, table)

    def visible(self) -> bool:
        files = _files(self.sink)
        for path in files:
            assert pq.read_table(path).equals(self.tables[path.stem]), path.name
        return len(files) == len(self.tables)


class CsvToSqlite(Payload):
    """One CSV into one table of a database that holds another table already."""

    minimum = 7

    options: ClassVar[dict[str, Any]] = {"source_options": {"multiline": "false"}}

    def make(self) -> None:
        self.source = f"{self.source}.csv"
        (self.folder / "to").mkdir(exist_ok=True)
        self.path = self.folder / "to" / "data.db"
        self.sink = f"sqlite:///{self.path}#numbers"
        table = numbers()
        self.rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        write_csv(Path(self.source), table)
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("CREATE TABLE mine (a)")

    def visible(self) -> bool:
        # A copy: looking at the database itself would roll back what a killed writer has left in it.
        with tempfile.TemporaryDirectory() as folder:
            seen = Path(folder) / "seen"
            shutil.copytree(self.path.parent, seen)
            with closing(sqlite3.connect(seen / self.path.name)) as db:
                found = db.execute("SELECT name FROM sqlite_master WHERE name = 'numbers'").fetchall()
                if not found:
                    return False
                rows = db.execute("SELECT id, word, part FROM numbers ORDER BY rowid").fetchall()
        assert rows == self.rows
        return True

    def check(self) -> None:
        super().check()
        with closing(sqlite3.connect(self.path)) as db:
            names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {"mine", "numbers"}
        assert {path.name for path in self.path.parent.iterdir()} == {"data.db"}


class SqliteToParquet(Payload):
    """One table of a database into one Parquet file."""

    def make(self) -> None:
        path, self.sink = f"{self.source}.db", f"{self.sink}.parquet"
        self.source = f"sqlite:///{path}#numbers"
        self.table = numbers()
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, word TEXT, part REAL)")
            rows = zip(*(column.to_pylist() for column in self.table.columns), strict=True)
            db.executemany("INSERT INTO numbers VALUES (?, ?, ?)", rows)

    def visible(self) -> bool:
        if not Path(self.sink).exists():
            return False
        assert pq.read_table(self.sink).equals(self.table)
        return True
