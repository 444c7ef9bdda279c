"""The benchmark data sets, made once in ``.data/`` below the project."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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


def small_files(count: int = 100_000, size: int = 1024, name: str = "small") -> None:
    """``small/``: many files of random bytes, 1,000 to a folder."""
    for start in range(0, count, 1000):
        folder = DATA / name / f"{start // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(start, min(start + 1000, count)):
            (folder / f"{number:06d}.bin").write_bytes(os.urandom(size))


def small_blobs(count: int = 3000, size: int = 10 << 10) -> None:
    """``blobs/``: files of random bytes in one folder."""
    folder = DATA / "blobs"
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number:08d}").write_bytes(os.urandom(size))


def files(count: int = 10_000, size: int = 10 << 10) -> None:
    """``files/``: files of random bytes, 1,000 to a folder."""
    small_files(count, size, "files")


def wide(rows: int = 50_000) -> None:
    """``wide.csv``: 300 columns, a third each of integers, floats and short texts."""
    columns = [
        f"(i * {7 + n}) % 1000003 AS i{n}, i / {3.0 + n} AS f{n}, 'v' || (i * {n + 1} % 997) AS t{n}"
        for n in range(100)
    ]
    _csv("wide", f"SELECT {', '.join(columns)} FROM range({rows}) r(i)")


def long_strings(rows: int = 20_000) -> None:
    """``long.csv``: a number, and a text of 10,240 characters that has spaces, quotes and commas."""
    text = "left(repeat(md5(i::text) || ' \"x\", ', 270), 10240)"
    _csv("long", f"SELECT i AS n, {text} AS t FROM range({rows}) r(i)")


def _csv(name: str, query: str) -> None:
    import duckdb

    duckdb.execute(f"COPY ({query}) TO '{DATA / name}.part' (FORMAT CSV, HEADER)")
    (DATA / f"{name}.part").rename(DATA / f"{name}.csv")


MAKERS: dict[str, tuple[str, Callable[[], None]]] = {
    "lineitem": ("lineitem.parquet", lineitem),
    "lineitem10": ("lineitem10.parquet", lambda: lineitem(10)),
    "small": ("small/099/099999.bin", small_files),
    "blobs": ("blobs/00002999", small_blobs),
    "files": ("files/009/009999.bin", files),
    "wide": ("wide.csv", wide),
    "long": ("long.csv", long_strings),
}


def prepare(name: str, values: Mapping[str, str]) -> None:
    """Make the data set unless it is there; ``values["mib"]`` is the size of ``big``."""
    DATA.mkdir(exist_ok=True)
    if name == "big":
        big(int(values["mib"]))
        return
    marker, make = MAKERS[name]
    if not (DATA / marker).exists():
        make()


def big(mib: int) -> None:
    """``big``: one file of random bytes."""
    path = DATA / "big"
    if path.exists() and path.stat().st_size == mib << 20:
        return
    with path.open("wb") as file:
        for start in range(0, mib, 8):
            file.write(os.urandom(min(8, mib - start) << 20))
