"""The benchmark data sets, made once in ``.data/`` below the project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / ".data"


def lineitem(scale: int = 1) -> None:
    """TPC-H lineitem as CSV and Parquet: 6,001,215 rows, 773 MB and 207 MB at scale 1."""
    import duckdb
    import duckdb_extension_tpch

    folder = Path(duckdb_extension_tpch.__file__).parent / "extensions"
    extension = next(folder.rglob("*.duckdb_extension"))
    name = "lineitem" if scale == 1 else f"lineitem{scale}"
    with duckdb.connect(str(DATA / "making.duckdb")) as db:
        db.execute(f"LOAD '{extension}'")
        db.execute(f"CALL dbgen(sf = {scale})")
        db.execute(f"COPY lineitem TO '{DATA / name}.csv' (HEADER)")
        db.execute(f"COPY lineitem TO '{DATA / name}.parquet'")
    (DATA / "making.duckdb").unlink()


def small_files(count: int = 100_000, size: int = 1024) -> None:
    """``small/``: many files of random bytes, 1,000 to a folder."""
    for start in range(0, count, 1000):
        folder = DATA / "small" / f"{start // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(start, min(start + 1000, count)):
            (folder / f"{number:06d}.bin").write_bytes(os.urandom(size))


MAKERS: dict[str, tuple[str, Callable[[], None]]] = {
    "lineitem": ("lineitem.parquet", lineitem),
    "lineitem10": ("lineitem10.parquet", lambda: lineitem(10)),
    "small": ("small/099/099999.bin", small_files),
}


def prepare(name: str) -> None:
    """Make the data set unless it is there."""
    marker, make = MAKERS[name]
    if not (DATA / marker).exists():
        DATA.mkdir(exist_ok=True)
        make()
