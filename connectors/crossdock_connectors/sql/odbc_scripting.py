"""Scripts and procedures through any ODBC driver: values are bound, results come as Python has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crossdock import DataError, NotSupportedError, Parameter, ScriptResult, gathered

from ..queries import with_parameters
from .odbc_connection import Connection

if TYPE_CHECKING:
    import pyarrow as pa

_WHO = re.compile(r"^(?:\[[^\]]*\])+")


def script(
    connection: Connection, text: str, parameters: Sequence[Parameter], rows: int | None
) -> ScriptResult:
    """All statements go to the driver at once, whose database may take several or not."""
    _only_in(parameters)
    given = {each.name.removeprefix("@").lower(): each for each in parameters}
    values: list[Any] = []

    def mark(name: str) -> str | None:
        if name.lower() not in given:
            return None
        values.append(given[name.lower()].value)
        return "?"

    return _run(connection, with_parameters(text, mark), values, rows)


def call(
    connection: Connection, name: str, parameters: Sequence[Parameter], rows: int | None
) -> ScriptResult:
    """By the order of the parameters: ODBC's escape for calls has no names."""
    _only_in(parameters)
    parts = connection.traits.names.parse(name)
    known = connection.traits.known
    marks = ", ".join("?" for _ in parameters)
    # Without parameters the escape has no parentheses, and CALL has.
    listed = f"({marks})" if marks or not known.call.startswith("{{") else ""
    sql = known.call.format(connection.traits.quoted(parts), listed)
    return _run(connection, sql, [each.value for each in parameters], rows)


def _only_in(parameters: Sequence[Parameter]) -> None:
    for each in parameters:
        if each.direction != "in":
            raise NotSupportedError(
                f"the parameter {each.name!r}: ODBC gives no parameters that come out; select what you want"
            )


def _run(connection: Connection, sql: str, values: Sequence[Any], rows: int | None) -> ScriptResult:
    tables: list[pa.Table] = []
    messages: list[str] = []
    affected = 0
    with connection.cursor() as cursor:
        cursor.execute(sql, *values)
        while True:
            messages += [_WHO.sub("", text) for _, text in cursor.messages or ()]
            if cursor.description:
                tables.append(_table(cursor, rows))
            else:
                affected += max(0, cursor.rowcount)
            if not cursor.nextset():
                break
    return ScriptResult(tuple(tables), affected, messages=tuple(messages))


def _table(cursor: Any, most: int | None) -> pa.Table:
    """Types are those of the values: the driver's are as many as there are databases."""
    import pyarrow as pa

    rows = cursor.fetchall() if most is None else cursor.fetchmany(most)
    names = [column[0] for column in cursor.description]
    arrays = []
    for at, name in enumerate(names):
        values = [str(row[at]) if isinstance(row[at], UUID) else row[at] for row in rows]
        try:
            arrays.append(pa.array(values))
        except pa.ArrowException as error:
            raise DataError(f"the column {name!r} has values that Arrow cannot hold: {error}") from error
    batch = pa.RecordBatch.from_arrays(arrays, names=names)
    return gathered(batch.schema, [batch])
