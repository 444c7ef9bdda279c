"""Every type of SQL Server: to Arrow and Parquet, back into the same type, and into a new table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.sql_server import SqlServer

import crossdock
from crossdock import DataError, NotSupportedError, SchemaMismatchError


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    return sql_server


# The declared type, values as SQL, and the type in Arrow.
LOSSLESS = {
    "bit": (["1", "0"], pa.bool_()),
    "tinyint": (["0", "255"], pa.uint8()),
    "smallint": (["-32768", "32767"], pa.int16()),
    "int": (["-2147483648", "2147483647"], pa.int32()),
    "bigint": (["-9223372036854775807", "9223372036854775807"], pa.int64()),
    "real": (["1.5", "-0.25"], pa.float32()),
    "float": (["1.7976931348623157e308", "-2.5e-300"], pa.float64()),
    "decimal(38,0)": (["'99999999999999999999999999999999999999'", "-1"], pa.decimal128(38, 0)),
    "decimal(38,38)": (["'0.99999999999999999999999999999999999999'", "0"], pa.decimal128(38, 38)),
    "decimal(18,4)": (["'12345678901234.5678'", "'-0.0001'"], pa.decimal128(18, 4)),
    "money": (["'922337203685477.5807'", "'-922337203685477.5808'"], pa.decimal128(19, 4)),
    "smallmoney": (["'214748.3647'", "'-0.0001'"], pa.decimal128(10, 4)),
    "date": (["'0001-01-01'", "'9999-12-31'"], pa.date32()),
    "time(7)": (["'00:00:00'", "'23:59:59.9999999'"], pa.time64("ns")),
    "time(3)": (["'12:34:56.789'"], pa.time64("ns")),
    "time(0)": (["'12:34:56'"], pa.time64("ns")),
    "smalldatetime": (["'1900-01-01T00:00:00'", "'2079-06-06T23:59:00'"], pa.timestamp("us")),
    "datetime": (["'1753-01-01T00:00:00.000'", "'9999-12-31T23:59:59.997'", "'1969-07-20T20:17:40.003'"],
                 pa.timestamp("us")),
    "datetime2(6)": (["'0001-01-01T00:00:00'", "'9999-12-31T23:59:59.999999'"], pa.timestamp("us")),
    "datetime2(3)": (["'2020-02-29T12:00:00.123'"], pa.timestamp("us")),
    "datetime2(7)": (["'1900-01-01T00:00:00.1234567'", "'2261-12-31T23:59:59.9999999'"], pa.timestamp("ns")),
    "uniqueidentifier": (["'6F9619FF-8B86-D011-B42D-00C04FC964FF'"], pa.large_string()),
    "char(3)": (["'ab'"], pa.large_string()),
    "nchar(3)": (["N'äb'"], pa.large_string()),
    "varchar(20)": (["'ASCII'", "''"], pa.large_string()),
    "nvarchar(20)": (["N'ä😀𝄞'", "N''", "N'日本語'"], pa.large_string()),
    "nvarchar(max)": (["N'long 😀'"], pa.large_string()),
    "varchar(max)": (["'long'"], pa.large_string()),
    "xml": (["N'<a>b</a>'"], pa.large_string()),
    "binary(4)": (["0x00FF00FF"], pa.large_binary()),
    "varbinary(20)": (["0x00FF", "0x"], pa.large_binary()),
    "varbinary(max)": (["0x" + "00FF" * 5000], pa.large_binary()),
}  # fmt: skip


def _fill(server: SqlServer, table: str, kind: str, values: list[str]) -> None:
    rows = ", ".join(f"({at}, CAST({value} AS {kind}))" for at, value in enumerate(values))
    server.run(
        f"CREATE TABLE {{s}}.{table} (n int, v {kind})",
        f"INSERT INTO {{s}}.{table} (n, v) VALUES {rows}",
        f"INSERT INTO {{s}}.{table} (n) VALUES (99)",
    )


def _values(server: SqlServer, table: str, kind: str) -> list[Any]:
    """With all digits, which the driver's rows have not."""
    fine = kind.startswith(("time", "datetime2", "datetimeoffset"))
    shown = "CONVERT(varchar(40), v, 121)" if fine else "v"
    return [value for (value,) in server.run(f"SELECT {shown} AS v FROM {{s}}.{table} ORDER BY n")]


def _read(server: SqlServer, table: str, folder: Path, **options: str) -> pa.Table:
    out = folder / f"{table}.parquet"
    given = {**server.options, **options}
    crossdock.copy(server.url(table), out, mode="overwrite", source_options=given)
    return pq.read_table(out).sort_by("n")


@pytest.mark.parametrize("kind", LOSSLESS)
def test_there_and_back(server: SqlServer, tmp_path: Path, kind: str) -> None:
    values, arrow = LOSSLESS[kind]
    _fill(server, "first", kind, values)
    found = _read(server, "first", tmp_path)
    assert found.schema.field("v").type in (arrow, _narrow(arrow))
    assert found["v"].null_count == 1
    wanted = _values(server, "first", kind)
    server.run(f"CREATE TABLE {{s}}.same (n int, v {kind})")
    crossdock.copy(tmp_path / "first.parquet", server.url("same"), mode="append", verify=True,
                   sink_options=server.options)  # fmt: skip
    assert _values(server, "same", kind) == wanted
    crossdock.copy(tmp_path / "first.parquet", server.url("fresh"), sink_options=server.options)
    assert _read(server, "fresh", tmp_path)["v"].to_pylist() == found["v"].to_pylist()


def _narrow(kind: pa.DataType) -> pa.DataType:
    """Parquet has no large texts and bytes."""
    return {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}.get(kind, kind)


@pytest.mark.parametrize("digits", [0, 3, 7])
def test_offsets(server: SqlServer, tmp_path: Path, digits: int) -> None:
    kind, point = f"datetimeoffset({digits})", ".1234567"[: digits + 1] if digits else ""
    _fill(server, "first", kind, [f"'2020-01-02T03:04:05{point}+05:30'"])
    with pytest.raises(SchemaMismatchError, match="datetimeoffset=utc"):
        _read(server, "first", tmp_path)
    texts = _read(server, "first", tmp_path, datetimeoffset="text")["v"].to_pylist()
    assert texts == [f"2020-01-02 03:04:05{point} +05:30", None]
    moments = _read(server, "first", tmp_path, datetimeoffset="utc")["v"]
    nanoseconds = moments.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    wanted = 1_577_914_445_000_000_000 + int(point[1:].ljust(9, "0") or 0)
    assert nanoseconds.to_pylist() == [wanted, None]
    crossdock.copy(tmp_path / "first.parquet", server.url("same"), sink_options=server.options)
    again = _read(server, "same", tmp_path, datetimeoffset="utc")["v"]
    assert again.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist() == [wanted, None]


def test_years_beyond_nanoseconds(server: SqlServer, tmp_path: Path) -> None:
    """Refused with the option that reads them; nothing is written."""
    _fill(server, "first", "datetime2(7)", ["'0001-01-01T00:00:00'", "'9999-12-31T23:59:59.9999999'"])
    with pytest.raises(DataError, match="datetime2=us"):
        _read(server, "first", tmp_path)
    assert not (tmp_path / "first.parquet").exists()
    found = _read(server, "first", tmp_path, datetime2="us")["v"].to_pylist()
    assert [str(each) for each in found] == ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "None"]


def test_rowversion_is_read_and_never_written(server: SqlServer, tmp_path: Path) -> None:
    server.run("CREATE TABLE {s}.t (n int, v rowversion)", "INSERT INTO {s}.t (n) VALUES (1)")
    found = _read(server, "t", tmp_path)
    assert found.schema.field("v").type in (pa.binary(), pa.large_binary())
    if server.fake is None:
        assert [len(each) for each in found["v"].to_pylist()] == [8]
    with pytest.raises(SchemaMismatchError, match="filled by the server"):
        crossdock.copy(tmp_path / "t.parquet", server.url("t"), mode="append", sink_options=server.options)


def test_sql_variant_is_refused(server: SqlServer, tmp_path: Path) -> None:
    server.run("CREATE TABLE {s}.t (n int, v sql_variant)")
    with pytest.raises(NotSupportedError, match="CAST"):
        _read(server, "t", tmp_path)


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [("float", pa.array([float("nan")]), "NaN"),
     ("float", pa.array([float("-inf")]), "infinite"),
     ("int", pa.array([2**31]), "cannot be converted to int32"),
     ("decimal(10,2)", pa.array(["1.125"]).cast(pa.decimal128(10, 3)), "1.125' cannot be converted"),
     ("datetime2(7)", pa.array(["soon"]), "'soon' cannot be converted to timestamp"),
     ("datetime", pa.array([1001], pa.timestamp("us")), "finer than datetime"),
     ("smalldatetime", pa.array([1], pa.timestamp("s")), "finer than smalldatetime"),
     ("datetime2(3)", pa.array([1001], pa.timestamp("us")), r"finer than datetime2\(3\)"),
     ("datetime2(7)", pa.array([1], pa.timestamp("ns")), r"finer than datetime2\(7\)"),
     ("time(3)", pa.array([1_000_001], pa.time64("ns")), r"finer than time\(3\)"),
     ("nvarchar(3)", pa.array(["😀😀"]), "4 characters"),
     ("varchar(3)", pa.array(["ä"]), "beyond ASCII"),
     ("uniqueidentifier", pa.array(["x"]), "no uniqueidentifier"),
     ("binary(4)", pa.array([b"abc"]), "3 bytes"),
     ("varbinary(4)", pa.array([b"abcde"]), "5 bytes"),
     ("money", pa.array(["922337203685477.5808"]).cast(pa.decimal128(19, 4)), "too large for money")],
)  # fmt: skip
def test_values_that_would_change_are_refused(
    server: SqlServer, tmp_path: Path, kind: str, values: pa.Array, says: str
) -> None:
    server.run(f"CREATE TABLE {{s}}.t (v {kind})")
    data = pa.table({"v": values})
    pq.write_table(data, tmp_path / "in.parquet")
    assert pq.read_table(tmp_path / "in.parquet")["v"].to_pylist() is not None
    with pytest.raises(DataError, match=says):
        crossdock.copy(tmp_path / "in.parquet", server.url("t"), mode="append", sink_options=server.options)
    assert server.run("SELECT v FROM {s}.t") == []


@pytest.mark.parametrize(
    ("kind", "arrow"),
    [("real", pa.float64()), ("bit", pa.int32()), ("binary(4)", pa.binary(5)),
     ("datetime2(7)", pa.timestamp("us", "UTC"))],
)  # fmt: skip
def test_types_that_lose_are_refused_before_a_row_moves(
    server: SqlServer, tmp_path: Path, kind: str, arrow: pa.DataType
) -> None:
    server.run(f"CREATE TABLE {{s}}.t (v {kind})")
    pq.write_table(pa.table({"v": pa.nulls(1, arrow)}), tmp_path / "in.parquet")
    with pytest.raises(SchemaMismatchError, match="would stay"):
        crossdock.copy(tmp_path / "in.parquet", server.url("t"), mode="append", sink_options=server.options)
    assert server.tables() == ["t"]


@pytest.mark.parametrize("arrow", [pa.list_(pa.int32()), pa.struct([("a", pa.int32())]), pa.duration("us")])
def test_types_that_no_column_has(server: SqlServer, tmp_path: Path, arrow: pa.DataType) -> None:
    pq.write_table(pa.table({"v": pa.nulls(1, arrow)}), tmp_path / "in.parquet")
    with pytest.raises(SchemaMismatchError, match="no type for"):
        crossdock.copy(tmp_path / "in.parquet", server.url("t"), sink_options=server.options)
