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


def small_files(count: int = 100_000, size: int = 1024) -> None:
    """``small/``: many files of random bytes, 1,000 to a folder."""
    for start in range(0, count, 1000):
        folder = DATA / "small" / f"{start // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(start, min(start + 1000, count)):
            (folder / f"{number:06d}.bin").write_bytes(os.urandom(size))


def small_blobs(count: int = 3000, size: int = 10 << 10) -> None:
    """``blobs/``: files of random bytes in one folder."""
    folder = DATA / "blobs"
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number:08d}").write_bytes(os.urandom(size))


MAKERS: dict[str, tuple[str, Callable[[], None]]] = {
    "lineitem": ("lineitem.parquet", lineitem),
    "lineitem10": ("lineitem10.parquet", lambda: lineitem(10)),
    "small": ("small/099/099999.bin", small_files),
    "blobs": ("blobs/00002999", small_blobs),
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
