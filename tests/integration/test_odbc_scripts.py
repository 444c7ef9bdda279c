"""Scripts and procedures through an ODBC driver, on a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from postgres_rows import sql
from servers.psqlodbc import odbc_url

from crossdock import (
    CancelledError,
    CrossdockError,
    NotSupportedError,
    Parameter,
    call_procedure,
    json_rows,
    run_script,
)


def test_results_have_the_types_of_their_values(database: str) -> None:
    found = run_script(
        odbc_url(database),
        "SELECT 1 AS i, 1.50::numeric(9, 2) AS d, 'x'::text AS t, NULL::int AS n, date '2024-05-01' AS day, "
        "timestamp '2024-05-01 12:00:00.5' AS at, '\\x00ff'::bytea AS b, true AS ok",
    )
    (table,) = found.tables
    (row,) = json_rows(table)
    assert row == {
        "i": 1, "d": 1.5, "t": "x", "n": None, "day": "2024-05-01T00:00:00Z", "at": "2024-05-01T12:00:00.5Z",
        "b": "AP8=", "ok": True,
    }  # fmt: skip


def test_several_statements_and_what_they_change(database: str) -> None:
    sql(database, "CREATE TABLE w AS SELECT i FROM generate_series(1, 5) i")
    found = run_script(
        odbc_url(database),
        "DELETE FROM w WHERE i > @most; UPDATE w SET i = -i WHERE i = @most; SELECT i FROM w ORDER BY i",
        parameters=[Parameter("most", 3, "int32")],
    )
    assert [table.to_pylist() for table in found.tables] == [[{"i": -3}, {"i": 1}, {"i": 2}]]
    assert found.affected == 3
    assert sql(database, "SELECT i FROM w ORDER BY i") == [(-3,), (1,), (2,)]


def test_values_are_bound_as_what_they_are(database: str) -> None:
    sql(database, "CREATE TABLE w (t text, d numeric, at timestamp, day date, g uuid, b bytea, ok bool)")
    values = {
        "t": ("string", "o'hara ? @d"), "d": ("decimal", Decimal("1.50")),
        "at": ("datetime", datetime(2024, 5, 1, 12, tzinfo=UTC).replace(tzinfo=None)),
        "day": ("date", date(2024, 5, 1)), "g": ("guid", UUID(int=7)), "b": ("bytes", b"\x00\xff"),
        "ok": ("bool", True),
    }  # fmt: skip
    run_script(
        odbc_url(database),
        f"INSERT INTO w ({', '.join(values)}) VALUES ({', '.join(f'@{name}' for name in values)})",
        parameters=[Parameter(name, value, kind) for name, (kind, value) in values.items()],
    )
    (row,) = sql(database, "SELECT t, d::text, at::text, day::text, g::text, b, ok FROM w")
    assert row == (
        "o'hara ? @d", "1.50", "2024-05-01 12:00:00", "2024-05-01", str(UUID(int=7)), b"\x00\xff", True,
    )  # fmt: skip


def test_a_procedure_gets_its_parameters_in_their_order(database: str) -> None:
    sql(
        database,
        "CREATE TABLE w (i int, t text)",
        "CREATE PROCEDURE add_it(i int, t text) LANGUAGE sql AS 'INSERT INTO w VALUES (i, t)'",
        "CREATE PROCEDURE clear_it() LANGUAGE sql AS 'DELETE FROM w'",
    )
    given = [Parameter("anything", 7, "int32"), Parameter("else", "it's")]
    call_procedure(odbc_url(database), "add_it", parameters=given)
    assert sql(database, "SELECT i, t FROM w") == [(7, "it's")]
    call_procedure(odbc_url(database), "public.clear_it")
    assert sql(database, "SELECT i, t FROM w") == []
    with pytest.raises(CrossdockError, match="never_was"):
        call_procedure(odbc_url(database), "never_was")
    with pytest.raises(NotSupportedError, match="the parameter 'out'"):
        run_script(odbc_url(database), "SELECT 1", parameters=[Parameter("out", None, direction="out")])


def test_a_running_script_is_cancelled(database: str) -> None:
    cancel = threading.Event()
    timer = threading.Timer(1, cancel.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(CancelledError):
        run_script(odbc_url(database), "SELECT pg_sleep(60)", cancel=cancel)
    timer.join()
    assert time.monotonic() - began < 40
