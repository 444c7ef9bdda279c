"""Scripts and procedures through any ODBC driver: values are bound, results come as Python has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crossdock import DataError, NotSupportedError, Parameter, ScriptResult, gathered

from ..queries import with_parameters
from .odbc_connection import Connection
from .odbc_dialects import Traits

if TYPE_CHECKING:
    import pyarrow as pa

_ESCAPE = "{{CALL {}{}}}"
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
    values = [each.value for each in parameters]
    return _run(connection, called(connection.traits, name, ["?"] * len(values)), values, rows)


def parts_of(traits: Traits, procedure: str) -> tuple[str, ...]:
    """Its schema, where it is named with one, and its name. Raises ConfigError."""
    return traits.names.parse(procedure) if traits.names.opening else tuple(procedure.split("."))


def called(traits: Traits, procedure: str, arguments: Sequence[str], *, reading: bool = False) -> str:
    """SQL for the call of a procedure; ``reading``: of one that gives rows."""
    form = _ESCAPE if reading else traits.known.call
    # Without parameters the escape has no parentheses, and CALL has.
    listed = f"({', '.join(arguments)})" if arguments or not form.startswith("{{") else ""
    return form.format(traits.quoted(parts_of(traits, procedure)), listed)


def arguments(parameters: Mapping[str, str | int | float | bool | None]) -> tuple[list[str], list[str]]:
    """What stands in a call for parameters, and the texts for its marks."""
    listed, values = [], []
    for value in parameters.values():
        if value is None:
            listed.append("NULL")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            listed.append(repr(value))
        else:
            listed.append("?")
            # Not all databases know the words true and false.
            values.append(value if isinstance(value, str) else str(int(value)))
    return listed, values


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
