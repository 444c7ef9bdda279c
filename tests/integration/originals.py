"""One table in files of every format, as pyarrow and the standard library write and read them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.orc as po
import pyarrow.parquet as pq

ROWS = 30_000


def sample() -> pa.Table:
    """Nulls, empty texts, quotes, commas, newlines and letters of other scripts."""
    words = ['say "x"', "a,b", "two\nlines", "", None, "żółw 龜", " spaces ", "NA"]
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "word": pa.array([words[n % 8] for n in range(ROWS)], pa.string()),
            "ratio": pa.array([None if n % 9 == 0 else n / 16 for n in range(ROWS)], pa.float64()),
            "flag": pa.array([n % 3 == 0 for n in range(ROWS)], pa.bool_()),
        }
    )


def write_all(table: pa.Table, folder: Path) -> None:
    pq.write_table(table, folder / "t.parquet", row_group_size=2000)
    with (folder / "t.avro").open("wb") as out:
        kinds = {"id": "long", "word": "string", "ratio": "double", "flag": "boolean"}
        fields = [{"name": name, "type": ["null", kind]} for name, kind in kinds.items()]
        fastavro.writer(out, {"type": "record", "name": "t", "fields": fields}, table.to_pylist())
    po.write_table(table, folder / "t.orc")
    pacsv.write_csv(table, folder / "t.csv")
    with gzip.open(folder / "t.csv.gz", "wb") as out:
        out.write((folder / "t.csv").read_bytes())
    with (folder / "t.jsonl").open("w") as lines:
        for row in table.to_pylist():
            lines.write(json.dumps(row) + "\n")


def read(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    if path.suffix == ".avro":
        with path.open("rb") as file:
            return pa.Table.from_pylist(list(fastavro.reader(file)))  # type: ignore[arg-type]
    if path.suffix == ".orc":
        return po.read_table(path)
    if path.suffix == ".jsonl":
        return pajson.read_json(path)
    options = pacsv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    return pacsv.read_csv(path, convert_options=options)
