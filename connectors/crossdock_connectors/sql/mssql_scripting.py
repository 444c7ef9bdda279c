"""Scripts and procedures of T-SQL with typed parameters; their results, counts, messages and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossdock import Parameter, ScriptResult, gathered

from .identifiers import MSSQL
from .mssql_columns import parts_of
from .mssql_connection import Connection
from .mssql_scripts import checked

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES = {
    "int16": "smallint", "int32": "int", "int64": "bigint", "float": "real", "double": "float",
    "bool": "bit", "datetime": "datetime2", "datetimeoffset": "datetimeoffset", "date": "date",
    "time": "time", "guid": "uniqueidentifier",
}  # fmt: skip
_ROWS = 8192
_WHO = re.compile(r"^(?:\[[^\]]*\])+")


def script(
    connection: Connection, text: str, parameters: Sequence[Parameter], rows: int | None
) -> ScriptResult:
    """Without parameters the text is the batch, so that it may begin as only a batch can."""
    if not parameters:
        return _run(connection, text, (), rows)
    signature = ", ".join(
        f"{_variable(each)} {_type(each)}{' OUTPUT' if each.direction != 'in' else ''}" for each in parameters
    )
    call = f"EXEC sp_executesql {MSSQL.text(text)}, {MSSQL.text(signature)}, {_arguments(parameters)}"
    return _run(connection, _declared(parameters) + call, parameters, rows)


def call(
    connection: Connection, name: str, schema: str, parameters: Sequence[Parameter], rows: int | None
) -> ScriptResult:
    sql = f"EXEC {MSSQL.quoted(parts_of(name, schema))} {_arguments(parameters)}".rstrip()
    return _run(connection, _declared(parameters) + sql, parameters, rows)


def _declared(parameters: Sequence[Parameter]) -> str:
    return "".join(
        f"DECLARE {_variable(each)} {_type(each)} = "
        f"{'NULL' if each.direction == 'out' else literal(each.value)};\n"
        for each in parameters
    )


def _arguments(parameters: Sequence[Parameter]) -> str:
    return ", ".join(
        f"{_variable(each)} = {_variable(each)}{' OUTPUT' if each.direction != 'in' else ''}"
        for each in parameters
    )


def _variable(parameter: Parameter) -> str:
    return f"@{checked(parameter.name)}"


def _type(parameter: Parameter) -> str:
    if parameter.type in ("string", "bytes"):
        base, most = ("nvarchar", 4000) if parameter.type == "string" else ("varbinary", 8000)
        size = parameter.size or 0
        return f"{base}({size if 0 < size <= most else 'max'})"
    if parameter.type == "decimal":
        scale = 18
        if isinstance(parameter.value, Decimal) and parameter.direction == "in":
            scale = max(0, -int(parameter.value.as_tuple().exponent))
        return f"decimal(38, {min(scale, 38)})"
    return _TYPES[parameter.type]


def literal(value: Any) -> str:
    """A value as T-SQL; a text is one whatever is in it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | Decimal):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    # With a T the server reads a moment the same, whatever a session's DATEFORMAT is.
    return MSSQL.text(value.isoformat() if isinstance(value, datetime) else str(value))


def _run(connection: Connection, sql: str, parameters: Sequence[Parameter], rows: int | None) -> ScriptResult:
    came_out = [each for each in parameters if each.direction != "in"]
    if came_out:
        listed = ", ".join(f"{_variable(each)} AS {MSSQL.quote(each.name)}" for each in came_out)
        sql = f"{sql};\nSELECT {listed}"
    tables: list[pa.Table] = []
    messages: list[str] = []
    affected = 0
    with connection.cursor() as cursor:
        cursor.execute(sql)
        while True:
            count = _count(cursor)
            if cursor.description:
                tables.append(_table(cursor, rows))
            else:
                affected += max(0, count)
            messages += [_WHO.sub("", text) for _, text in cursor.messages]
            # Errors of later statements come with their results.
            if not cursor.nextset():
                break
        messages += [_WHO.sub("", text) for _, text in cursor.messages]
    outputs = {}
    if came_out:
        last = tables.pop()
        outputs = {each.name: last.column(at)[0] for at, each in enumerate(came_out)}
    return ScriptResult(tuple(tables), affected, outputs, tuple(messages))


def _table(cursor: Any, rows: int | None) -> pa.Table:
    return gathered(cursor.arrow_batch(0).schema, _batches(cursor, min(rows or _ROWS, _ROWS)), rows)


def _batches(cursor: Any, size: int) -> Iterator[pa.RecordBatch]:
    while (batch := cursor.arrow_batch(size)).num_rows:
        yield batch


def _count(cursor: Any) -> int:
    """How many rows the result's statement changed: the cursor knows it of the first one only."""
    from mssql_python import ddbc_bindings

    count = getattr(ddbc_bindings, "DDBCSQLRowCount", None)
    return int(count(cursor.hstmt)) if count else -1
