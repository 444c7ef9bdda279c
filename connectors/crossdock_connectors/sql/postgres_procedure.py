"""A procedure that takes the rows of a copy, as an array of a composite type."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossdock import AccessDeniedError, NotFoundError

from . import postgres_staging as staging_
from .identifiers import POSTGRES
from .postgres_columns import assigned, columns_of
from .postgres_database import Connection, literal, quote
from .postgres_relation import Relation
from .postgres_staging import Loaded, Staging

_BATCH = 10_000
_PART, _PLACE = "_crossdock_part", "_crossdock_place"


@dataclass(frozen=True, slots=True)
class Procedure:
    """``parameter`` takes the rows, of the composite type ``type`` (or a table's); ``others`` is SQL for the
    other parameters. ``size``: rows of a call; 0: as many as are usual."""

    name: str
    type: str
    parameter: str
    others: str = ""
    size: int = 0


def _parts(text: str, schema: str) -> tuple[str, str]:
    *given, name = POSTGRES.parse(text)
    return (given[0] if given else schema), name


def check(
    connection: Connection, procedure: Procedure, schema: str, staged: Sequence[tuple[str, str]]
) -> None:
    """``staged``: names and SQL types of the columns. Raises NotFoundError, AccessDeniedError, and what
    ``assigned`` raises."""
    _call(connection, procedure, schema)
    _row(connection, procedure, schema, staged)


def _call(connection: Connection, procedure: Procedure, schema: str) -> str:
    """How it is called, from within a block of PL/pgSQL."""
    schema, name = _parts(procedure.name, schema)
    found = connection.run(
        "SELECT p.prokind::text, has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p "
        f"JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = {literal(schema)} "
        f"AND p.proname = {literal(name)} AND p.prokind IN ('p', 'f')"
    )
    if not found:
        raise NotFoundError(f"{connection.shown} has no procedure {schema}.{name}")
    kind, allowed = found[0]
    if not allowed:
        raise AccessDeniedError(f"{connection.shown}: the user may not execute {schema}.{name}")
    return f"{'CALL' if kind == 'p' else 'PERFORM'} {POSTGRES.quoted((schema, name))}"


def _row(
    connection: Connection, procedure: Procedure, schema: str, staged: Sequence[tuple[str, str]]
) -> tuple[str, str]:
    """The type of the rows, and one of them, both as SQL."""
    schema, name = _parts(procedure.type, schema)
    oid = connection.value(
        "SELECT t.typrelid::bigint FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
        f"WHERE n.nspname = {literal(schema)} AND t.typname = {literal(name)} AND t.typtype = 'c'"
    )
    if not oid:
        raise NotFoundError(f"{connection.shown} has no composite type {schema}.{name}")
    kind = POSTGRES.quoted((schema, name))
    columns = columns_of(connection, Relation(name, kind, oid))
    names = [each for each, _ in staged]
    values = dict(zip(names, assigned(name, names, [each for _, each in staged], columns), strict=True))
    return kind, f"ROW({', '.join(values.get(column.name, 'NULL') for column in columns)})::{kind}"


def call(connection: Connection, staging: Staging, loaded: Sequence[Loaded], procedure: Procedure) -> None:
    """Hand it the rows of these attempts, a batch at a time, within the transaction."""
    staged = list(zip(staging.schema.names, staging.types, strict=True))
    kind, row = _row(connection, procedure, staging.schema_name, staged)
    where = f" WHERE {staging_.of(loaded)}"
    wanted = sum(each.rows for each in loaded)
    try:
        count = connection.value(f"SELECT count(*) FROM {staging.staged}{where}")
    except NotFoundError as error:
        raise staging.lost("its table does not exist") from error
    if count != wanted:
        raise staging.lost(f"{count:,} of {wanted:,} rows are there")
    parts = (
        f"SELECT *, ctid AS {_PLACE}, (row_number() OVER (ORDER BY ctid) - 1) / {procedure.size or _BATCH} "
        f"AS {_PART} FROM {staging.staged}{where}"
    )
    batch = f"array_agg({row} ORDER BY {_PLACE}) AS rows"
    rows = f"SELECT {batch} FROM ({parts}) s GROUP BY {_PART} ORDER BY {_PART}"
    others = f", {procedure.others}" if procedure.others else ""
    called = _call(connection, procedure, staging.schema_name)
    connection.run(
        "DO "
        + literal(
            f"DECLARE r record; BEGIN FOR r IN {rows} LOOP {called}"
            f"({quote(procedure.parameter)} => r.rows::{kind}[]{others}); END LOOP; END"
        )
    )
