"""The transaction that turns staged rows into the target's."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from crossdock import AlreadyExistsError, NotFoundError, WriteMode

from . import postgres_staging as staging_
from .postgres_columns import assigned, columns_of
from .postgres_database import Connection, literal, quote
from .postgres_procedure import Procedure, call
from .postgres_relation import Relation, find
from .postgres_skip import Moving
from .postgres_staging import Loaded, Staging


@dataclass(frozen=True, slots=True)
class How:
    """How rows go into a table that is there. ``keys``: they replace those with the same. ``script`` runs
    before them; ``nulls``: NULL stays NULL, else it becomes the column's default. ``procedure``: it takes
    them, and there is no table."""

    keys: Sequence[str] = ()
    script: Sequence[str] = ()
    nulls: bool = True
    triggers: bool = True
    lock: bool = False
    procedure: Procedure | None = None


def commit(connection: Connection, staging: Staging, loaded: Sequence[Loaded], how: How) -> None:
    """Make exactly these attempts' rows visible, in one transaction; a second time does nothing."""
    if staging_.is_committed(connection, staging):
        return
    staging_.end_late_writers(connection, staging)
    with connection.transaction():
        staging_.lock_ledger(connection, staging)
        if staging_.is_committed(connection, staging):
            return
        extra = staging_.others(connection, staging, loaded)
        for statement in how.script:
            connection.run(statement)
        existing = find(connection, staging.schema_name, staging.table)
        if how.procedure is not None:
            call(connection, staging, loaded, how.procedure)
        elif existing is None:
            _become(connection, staging, extra, how.keys)
        elif staging.mode is WriteMode.ERROR:
            raise AlreadyExistsError(f"{connection.shown} has a table {staging.table} already")
        elif staging.mode is WriteMode.APPEND:
            _move(connection, staging, existing, loaded, how)
        elif keeps(connection, staging, existing):
            connection.run(f"TRUNCATE {staging.target}")
            _move(connection, staging, existing, loaded, replace(how, keys=()))
        else:
            connection.run(f"DROP TABLE {staging.target}")
            _become(connection, staging, extra, how.keys)
        staging_.note_commit(connection, staging, sum(each.rows for each in loaded))


def keeps(connection: Connection, staging: Staging, existing: Relation) -> bool:
    """Whether overwriting keeps the table, with its indexes and grants: it has the same columns."""
    target = columns_of(connection, existing)
    if [column.name for column in target] != staging.schema.names:
        return False
    return [column.full for column in target] == [_full(kind) for kind in staging.types]


def _full(kind: str) -> str:
    """A type's name as ``format_type`` writes it."""
    inner, array = kind.removesuffix("[]"), "[]" if kind.endswith("[]") else ""
    zones = {"timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
             "time": "time without time zone"}  # fmt: skip
    return zones.get(inner, inner) + array


def _become(connection: Connection, staging: Staging, extra: Sequence[Loaded], keys: Sequence[str]) -> None:
    """The staging table becomes the target, without the rows of attempts that do not count."""
    if extra:
        connection.run(f"DELETE FROM {staging.staged} WHERE {staging_.of(extra)}")
    try:
        if (
            connection.value(
                f"SELECT relpersistence::text FROM pg_class WHERE oid = {literal(staging.staged)}::regclass"
            )
            == "u"
        ):
            connection.run(f"ALTER TABLE {staging.staged} SET LOGGED")
        connection.run(f"COMMENT ON TABLE {staging.staged} IS NULL")
        connection.run(f"ALTER TABLE {staging.staged} RENAME TO {quote(staging.table)}")
    except NotFoundError as error:
        raise staging.lost("its table does not exist") from error
    if keys:
        connection.run(f"ALTER TABLE {staging.target} ADD PRIMARY KEY ({', '.join(map(quote, keys))})")


def _move(
    connection: Connection,
    staging: Staging,
    existing: Relation,
    loaded: Sequence[Loaded],
    how: How,
) -> None:
    names = staging.schema.names
    target = columns_of(connection, existing)
    expressions = assigned(staging.table, names, staging.types, target)
    if not how.nulls:
        defaults = {column.name: column.default for column in target}
        pairs = zip(names, expressions, strict=True)
        expressions = [f"COALESCE({e}, {defaults[n]})" if defaults[n] else e for n, e in pairs]
    if how.lock:
        connection.run(f"LOCK TABLE {staging.target} IN SHARE ROW EXCLUSIVE MODE")
    always = any(column.always and column.name in names for column in target)
    wanted_rows = staging_.of(loaded) if staging_.others(connection, staging, loaded) else ""
    where = f" WHERE {wanted_rows}" if wanted_rows else ""
    into = f"{staging.target} ({', '.join(map(quote, names))}){' OVERRIDING SYSTEM VALUE' if always else ''}"
    ending = _on_conflict(names, how.keys)
    try:
        with nullcontext() if how.triggers else _without_triggers(connection, staging, existing):
            if staging.skip_rows:
                count = Moving(connection, staging, into, expressions, wanted_rows, ending).move(existing)
            else:
                count = connection.change(
                    f"INSERT INTO {into} SELECT {', '.join(expressions)} FROM {staging.staged}{where}{ending}"
                )
    except NotFoundError as error:
        raise staging.lost("its table does not exist") from error
    wanted = sum(each.rows for each in loaded)
    # A table that was emptied by a crash of the server, or a trigger that swallows rows.
    staged = connection.value(f"SELECT count(*) FROM {staging.staged}{where}") if count != wanted else wanted
    if staged != wanted:
        raise staging.lost(f"{staged:,} of {wanted:,} rows are there")


@contextmanager
def _without_triggers(connection: Connection, staging: Staging, existing: Relation) -> Iterator[None]:
    """The table's own triggers that fire do not, in this transaction; those of constraints do."""
    found = connection.run(
        f"SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE tgrelid = {existing.oid} "
        "AND NOT tgisinternal AND tgenabled IN ('O', 'A')"
    )
    for name, _ in found:
        connection.run(f"ALTER TABLE {staging.target} DISABLE TRIGGER {quote(name)}")
    yield
    for name, enabled in found:
        always = "ALWAYS " if enabled == "A" else ""
        connection.run(f"ALTER TABLE {staging.target} ENABLE {always}TRIGGER {quote(name)}")


def _on_conflict(names: Sequence[str], keys: Sequence[str]) -> str:
    if not keys:
        return ""
    listed = ", ".join(map(quote, keys))
    changed = ", ".join(f"{quote(name)} = EXCLUDED.{quote(name)}" for name in names if name not in keys)
    return f" ON CONFLICT ({listed}) DO " + (f"UPDATE SET {changed}" if changed else "NOTHING")
