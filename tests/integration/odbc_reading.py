"""What a copy from an ODBC source gives."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import crossdock


def read(source: str, tmp_path: Path, **options: str) -> pa.Table:
    """What a copy into Parquet gives."""
    crossdock.copy(source, str(tmp_path / "out.parquet"), source_options=options, mode="overwrite")
    return pq.read_table(tmp_path / "out.parquet")
