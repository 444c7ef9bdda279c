"""The types of SQL Server, from the functions that decide. ``generate.py`` writes them.

``test_mssql_types.py`` copies each there and back.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from crossdock import CrossdockError
from crossdock_connectors.sql import mssql_types
from crossdock_connectors.sql.mssql_values import form

HEAD = """\
### Types of SQL Server

What goes to Arrow and Parquet and back. Lossless: the same values are there again, in a column of
the same type and in a new table. What a column would change is refused before it is visible.
"""
HEADS = ("SQL Server", "Arrow and Parquet", "a new table", "there and back", "remark")
_NAMES = (
    "bit", "tinyint", "smallint", "int", "bigint", "real", "float", "decimal(38,10)", "smallmoney", "money",
    "date", "time(7)", "smalldatetime", "datetime", "datetime2(6)", "datetime2(7)", "datetimeoffset(7)",
    "char(10)", "varchar(50)", "varchar(max)", "nchar(10)", "nvarchar(50)", "nvarchar(max)", "text", "ntext",
    "xml", "uniqueidentifier", "binary(16)", "varbinary(50)", "varbinary(max)", "image", "rowversion",
    "sql_variant", "json", "vector", "hierarchyid", "geometry", "geography",
)  # fmt: skip
_BEYOND = {
    "datetime2(7)": "of the years 1678 to 2261; `-s datetime2=us` reads all, to microseconds",
    "datetimeoffset(7)": "refused without `-s datetimeoffset=utc`, which loses the offset and keeps the "
    "moment; `text` keeps both",
    "char(10)": "with its padding",
    "nchar(10)": "with its padding",
    "xml": "as the server writes it",
    "varchar(50)": "written: ASCII only",
    "varchar(max)": "written: ASCII only",
    "text": "written: ASCII only",
    "datetime": "written: only what it can tell, thirds of a hundredth of a second",
    "smalldatetime": "written: only whole minutes",
    "rowversion": "filled by the server, never written",
}


def rows() -> Iterator[tuple[str, ...]]:
    return map(_row, _NAMES)


def _row(text: str) -> tuple[str, ...]:
    kind, remark = mssql_types.Type.parse(text), _BEYOND.get(text, "")
    try:
        arrow = mssql_types.reading("column", kind, "ns", "utc").type
    except CrossdockError as error:
        return f"`{text}`", "refused", "", "", str(error).partition("; ")[2]
    new = mssql_types.declaration(pa.field("column", arrow))
    if text.startswith("datetimeoffset"):
        verdict = "lossy, when asked for"
    elif text == "rowversion" or form(arrow, kind) is None:
        verdict = "into a new table"
    else:
        verdict = "lossless"
    return f"`{text}`", f"`{arrow}`", f"`{new}`", verdict, remark
