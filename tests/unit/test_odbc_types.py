"""Which columns of a database keep values as they are, by what its driver says of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from crossdock import DataError
from crossdock_connectors.sql.odbc_catalog import Column
from crossdock_connectors.sql.odbc_dialects import KNOWN, Known
from crossdock_connectors.sql.odbc_types import convert, keeps, only_ascii

SECONDS, MILLISECONDS = pa.timestamp("s"), pa.timestamp("ms")


@pytest.mark.parametrize(
    ("column", "kind", "kept"),
    [
        (Column("c", 93, "datetime2", 27, 7), pa.timestamp("us"), True),
        (Column("c", 93, "datetime", 23, 3), MILLISECONDS, False),
        (Column("c", 93, "smalldatetime", 16, 0), SECONDS, False),
        (Column("c", -9, "alias_of_the_user", 9, 0), pa.string(), False),
        (Column("c", 4, "int identity", 10, 0), pa.int32(), True),
        (Column("c", 3, "decimal() identity", 18, 0), pa.int64(), True),
        (Column("c", 12, "varchar", 9, 0), pa.string(), True),
        (Column("c", -11, "uniqueidentifier", 36, 0), pa.string(), True),
    ],
    ids=lambda value: value.type if isinstance(value, Column) else "",
)
def test_columns_of_sql_server(column: Column, kind: pa.DataType, kept: bool) -> None:
    assert keeps(kind, column, KNOWN["microsoft sql server"]) is kept


@pytest.mark.parametrize("name", ["TIMESTAMP WITH TIME ZONE", "timestamptz", "datetimeoffset"])
def test_a_database_that_is_not_known_is_taken_at_its_types_names(name: str) -> None:
    assert not keeps(SECONDS, Column("c", 93, name, 26, 6), Known())
    assert keeps(SECONDS, Column("c", 93, "TIMESTAMP", 26, 6), Known())


@pytest.mark.parametrize("name", ["char", "varchar", "text"])
def test_narrow_texts_of_sql_server_take_ascii(name: str) -> None:
    known = KNOWN["microsoft sql server"]
    assert only_ascii(Column("c", 12, name, 9, 0), known)
    assert not only_ascii(Column("c", -9, f"n{name}", 9, 0), known)
    assert convert(pa.array(["plain", None]), "c", pa.string(), True).to_pylist() == ["plain", None]
    with pytest.raises(DataError, match="beyond ASCII"):
        convert(pa.array(["żółć"]), "c", pa.string(), True)
