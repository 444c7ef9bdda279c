"""Tables to copy by a stage, in SQLite, and what is read back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

ROWS = 3000
WORDS = [(i, f"w{i}", None if i % 7 == 0 else i / 8) for i in range(ROWS)]


def filled(path: Path, *tables: str) -> str:
    with closing(sqlite3.connect(path)) as db:
        for table in tables:
            db.execute(f'CREATE TABLE "{table}" (id INTEGER PRIMARY KEY, word TEXT, part REAL)')
            db.executemany(f'INSERT INTO "{table}" VALUES (?, ?, ?)', WORDS)
        db.commit()
    return f"sqlite:///{path}"


def rows_of(path: Path, table: str = "words") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f'SELECT * FROM "{table}" ORDER BY id').fetchall()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
