"""What a copy lacks of its source, and what it has too often; read with pyarrow alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def differences(source: Path, sink: Path) -> tuple[int, int, int]:
    """Of a CSV file and a Parquet file of text: how many rows the first has, how many of them the second
    lacks, and how many it has more than once or beside them."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv, parquet

    there = parquet.read_table(sink)
    text = csv.ConvertOptions(
        column_types={name: pa.string() for name in there.column_names}, null_values=["NA"],
        strings_can_be_null=True,
    )  # fmt: skip
    here = csv.read_csv(source, convert_options=text)
    both = _counted(here).join(_counted(there), "row", join_type="full outer", right_suffix="_there")
    surplus = pc.subtract(pc.fill_null(both["count_all_there"], 0), pc.fill_null(both["count_all"], 0))
    missing = pc.sum(pc.max_element_wise(pc.negate(surplus), 0)).as_py()
    return here.num_rows, missing or 0, pc.sum(pc.max_element_wise(surplus, 0)).as_py() or 0


def _counted(table: pa.Table) -> pa.Table:
    """Each row as one text, and how often it is there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    row = pc.binary_join_element_wise(
        *table.columns, "\x1f", null_handling="replace", null_replacement="\x1e"
    )
    return pa.table({"row": row}).group_by("row").aggregate([([], "count_all")])
