"""Scripts and procedures of PostgreSQL: one statement after the other, values as literals."""

# ruff: noqa: S608 - values go through literal(); the rest is the user's own statement.

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crossdock import NotSupportedError, Parameter, ScriptResult, gathered

from ..queries import statements, with_parameters
from .identifiers import POSTGRES
from .postgres_database import Connection
from .postgres_types import Column, columns_of, decode

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1 << 20
_QUERY = re.compile(r"\s*(?:select|values|table|with)\b", re.IGNORECASE)
_CHANGES = re.compile(r"\b(?:insert|update|delete|merge|into)\b", re.IGNORECASE)
# What a script that says these has transactions of its own for, or cannot have in one.
_ALONE = re.compile(
    r"\s*(?:begin|start|commit|end|rollback|abort|call|vacuum|(?:create|drop)\s+(?:database|tablespace))\b",
    re.IGNORECASE,
)

# A bool is an int and a datetime is a date: what is narrower comes first.
_FORMS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "TRUE" if value else "FALSE",
    int: "({})".format,
    Decimal: "({})".format,
    float: "'{!r}'::float8".format,
    bytes: lambda value: f"'\\x{value.hex()}'::bytea",
    datetime: lambda value: f"'{value.isoformat()}'::{'timestamptz' if value.tzinfo else 'timestamp'}",
    date: "'{}'::date".format,
    time: "'{}'::time".format,
    UUID: "'{}'::uuid".format,
}


def script(
    connection: Connection, text: str, parameters: Sequence[Parameter], rows: int | None
) -> ScriptResult:
    """Several statements are one transaction, unless one of them is about transactions."""
    for parameter in parameters:
        if parameter.direction != "in":
            raise NotSupportedError(
                f"the parameter {parameter.name!r}: nothing comes out of PostgreSQL's scripts; select it"
            )
    found = statements(bound(text, parameters))
    alone = len(found) < 2 or any(map(_ALONE.match, found))
    tables: list[pa.Table] = []
    affected = 0
    with nullcontext() if alone else connection.transaction():
        for each in found:
            count, table = _run(connection, each, rows)
            affected += count
            tables += [table] if table is not None else []
    return ScriptResult(tuple(tables), affected)


def reading(procedure: str, parameters: Mapping[str, str | int | float | bool | None]) -> str:
    """The query for the rows that a procedure returns: its types decide what the values are."""
    return f"SELECT * FROM {POSTGRES.quoted(POSTGRES.parse(procedure))}({assignments(parameters)})"


def assignments(parameters: Mapping[str, str | int | float | bool | None]) -> str:
    """Parameters of a procedure in its call."""
    return ", ".join(
        f"{POSTGRES.quote(name.removeprefix('@'))} => "
        f"{POSTGRES.text(value) if isinstance(value, str) else _plain(value)}"
        for name, value in parameters.items()
    )


def _plain(value: float | bool | None) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return "NULL" if value is None else f"'{value!r}'"


def call(
    connection: Connection, name: str, parameters: Sequence[Parameter], rows: int | None
) -> ScriptResult:
    """What parameters come out with is the row that a CALL gives."""
    listed = ", ".join(
        f"{POSTGRES.quote(each.name.removeprefix('@'))} => "
        f"{'NULL' if each.direction == 'out' else literal(each.value)}"
        for each in parameters
    )
    _, table = _run(connection, f"CALL {POSTGRES.quoted(POSTGRES.parse(name))}({listed})", rows)
    if table is None:
        return ScriptResult()
    wanted = [each.name for each in parameters if each.direction != "in"]
    outputs = {name: table.column(name.removeprefix("@"))[0] for name in wanted}
    return ScriptResult(outputs=outputs)


def bound(text: str, parameters: Sequence[Parameter]) -> str:
    values = {each.name.removeprefix("@").lower(): literal(each.value) for each in parameters}
    return with_parameters(text, lambda name: values.get(name.lower()))


def literal(value: Any) -> str:
    """A value as PostgreSQL's SQL; a text is one whatever is in it."""
    if value is None:
        return "NULL"
    form = next((form for kind, form in _FORMS.items() if isinstance(value, kind)), None)
    return form(value) if form else POSTGRES.text(str(value))


def _run(connection: Connection, sql: str, rows: int | None) -> tuple[int, pa.Table | None]:
    """How many rows it changed, and the rows that it gives, where it gives any."""
    if _QUERY.match(sql) and not _CHANGES.search(sql):
        columns = columns_of(connection.describe(sql), "text")
        listed = ", ".join(column.sql for column in columns)
        limit = "" if rows is None else f" LIMIT {rows}"
        with connection.batches(f"SELECT {listed} FROM ({sql}\n) AS q{limit}", _BATCH) as reader:
            return 0, _table(reader, columns)
    with connection.cursor() as cursor:
        # COPY, in which the driver reads rows, takes few statements.
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        cursor.execute(sql)
        count = max(0, int(cursor.rowcount))
        with cursor.fetch_record_batch() as reader:
            if not reader.schema.names:
                return count, None
            table = _table(reader, columns_of(reader.schema, "text"))
            return table.num_rows, table


def _table(reader: pa.RecordBatchReader, columns: Sequence[Column]) -> pa.Table:
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            pairs = zip(batch.columns, columns, strict=True)
            arrays = [decode(values, column, "null") for values, column in pairs]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    schema = pa.schema([(column.name, column.type) for column in columns])
    table = gathered(schema, batches())
    for at, column in enumerate(columns):
        if column.code == "numeric":
            table = table.set_column(at, table.schema.names[at], _numbers(table.column(at)))
    return table


def _numbers(values: pa.ChunkedArray) -> Any:
    """Numerics of any length as decimals, where Arrow has one that holds them all."""
    import pyarrow as pa

    try:
        return pa.array([None if text is None else Decimal(text) for text in values.to_pylist()])
    except (pa.ArrowException, InvalidOperation):
        return values
