"""Scripts of SQLite: one transaction, values as literals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from crossdock import NotSupportedError, Parameter, ScriptResult, gathered

from ..queries import statements, with_parameters
from .sqlite_database import Database
from .sqlite_database import literal as text_literal


def script(database: Database, text: str, parameters: Sequence[Parameter], rows: int | None) -> ScriptResult:
    if any(each.direction != "in" for each in parameters):
        raise NotSupportedError("SQLite's scripts have no parameters that come out; select what you want")
    values = {each.name.removeprefix("@").lower(): literal(each.value) for each in parameters}
    sql = with_parameters(text, lambda name: values.get(name.lower()))
    tables = []
    with database.write() as connection:
        before = connection.value("SELECT total_changes()")
        for each in statements(sql):
            with connection.batches(each) as reader:
                found = gathered(reader.schema, reader, rows)
            if found.schema.names:
                tables.append(found)
        affected = connection.value("SELECT total_changes()") - before
    return ScriptResult(tuple(tables), affected)


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | Decimal):
        return f"({int(value) if isinstance(value, bool) else value})"
    if isinstance(value, float):
        return f"({value!r})"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return text_literal(value.isoformat(" ") if isinstance(value, datetime) else str(value))
