"""The one transaction in which staged rows become the table's, or a procedure's."""

# ruff: noqa: S608 - names and texts go through MSSQL.quote() and text(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crossdock import ConfigError, DataError

from . import mssql_staging as staging_
from .identifiers import MSSQL
from .mssql_columns import columns_of, defaults, exists, parts_of, triggers
from .mssql_connection import Connection
from .mssql_scripts import assignments
from .mssql_skip import Fitting
from .mssql_staging import READY, Staging

if TYPE_CHECKING:
    from .mssql_config import MssqlConfig


def begin(connection: Connection) -> None:
    """An error rolls back; so does the end of the connection."""
    connection.run("SET XACT_ABORT ON")
    connection.run("BEGIN TRANSACTION")


def run_script(connection: Connection, script: str) -> None:
    """Within the transaction. Raises ConfigError for a script that ends it."""
    if not script.strip():
        return
    connection.run(script)
    if connection.value("SELECT @@TRANCOUNT AS n") != 1:
        raise ConfigError(
            "pre_copy_script: it runs in a transaction, which it may not begin or end itself; "
            "what it committed stays"
        )


def make_ready(connection: Connection, staging: Staging, config: MssqlConfig) -> None:
    """Before rows go straight into the table: prepare it and run the script, once per run."""
    if staging_.is_noted(connection, staging, READY):
        return
    begin(connection)
    run_script(connection, config.pre_copy_script)
    if staging_.note(connection, staging, READY):
        staging_.prepare(connection, staging)
        connection.run("COMMIT TRANSACTION")


def commit(
    connection: Connection,
    staging: Staging,
    staged: Sequence[str],
    config: MssqlConfig,
    *,
    rows: int = 0,
    skipping: bool = False,
) -> None:
    """Make the rows of the staging tables visible, in their order, and note it. Twice is the same as once.

    ``rows``: how many there are, for ``committed``. ``skipping``: without those that the table refuses.
    Raises StageLostError where the ledger or a staging table is gone.
    """
    if staging_.is_noted(connection, staging):
        return
    begin(connection)
    if not staging.direct:
        # Before the note: a script could commit it.
        run_script(connection, config.pre_copy_script)
    if not staging_.note(connection, staging):
        return
    staging_.note_rows(connection, staging, rows)
    for name in staged:
        if not exists(connection, (staging.within, name)):
            raise staging.lost()
    if config.stored_procedure:
        _call(connection, staging, staged, config)
    elif not staging.direct:
        staging_.prepare(connection, staging)
        with _without_triggers(connection, staging, config):
            write(connection, staging, staged, config, skipping=skipping)
    connection.run("COMMIT TRANSACTION")


@contextmanager
def _without_triggers(connection: Connection, staging: Staging, config: MssqlConfig) -> Iterator[None]:
    """Triggers that fire do not, in this transaction, where the options say so."""
    names = [] if config.fire_triggers else triggers(connection, staging.parts)
    schema = MSSQL.quote(staging.parts[0])
    for name in names:
        connection.run(f"DISABLE TRIGGER {schema}.{MSSQL.quote(name)} ON {staging.target}")
    yield
    for name in names:
        connection.run(f"ENABLE TRIGGER {schema}.{MSSQL.quote(name)} ON {staging.target}")


def write(
    connection: Connection,
    staging: Staging,
    staged: Sequence[str],
    config: MssqlConfig,
    *,
    skipping: bool = False,
) -> None:
    """Put the staged rows into the table. ``skipping``: without those that it refuses."""
    there = columns_of(connection, staging.parts)
    identities = {column.name.lower() for column in there if column.identity}
    given = [name for name in staging.columns if name.lower() in identities]
    if given:
        connection.run(f"SET IDENTITY_INSERT {staging.target} ON")
    if staging.keys and staged:
        _upsert(connection, staging, staged, config, identities)
    else:
        fitting = Fitting(connection, staging) if skipping else None
        for each in staged:
            name = fitting.of(each) if fitting else each
            connection.run(_insert(connection, staging, f"{staging.table(name)} AS s", config))
    if given:
        connection.run(f"SET IDENTITY_INSERT {staging.target} OFF")


def _insert(connection: Connection, staging: Staging, rows: str, config: MssqlConfig) -> str:
    lock = config.table_lock if config.table_lock is not None else not staging.keys
    filled = {} if config.keep_nulls else defaults(connection, staging.parts)
    filled |= given_defaults(staging, config)
    items, names = [], list(staging.columns)
    for source, column, kind in zip(staging.schema.names, staging.columns, staging.declared, strict=True):
        item = f"s.{MSSQL.quote(source)}"
        if column in filled:
            # CAST: else the type of the default would be that of all values.
            item = f"COALESCE({item}, CAST({filled[column]} AS {kind}))"
        items.append(item)
    for column in sorted(filled.keys() - set(names)):
        if column in config.default_values:
            names.append(column)
            items.append(filled[column])
    hint = " WITH (TABLOCK)" if lock and not staging.pool else ""
    listed = ", ".join(map(MSSQL.quote, names))
    return f"INSERT INTO {staging.target}{hint} ({listed}) SELECT {', '.join(items)} FROM {rows}"


def _upsert(
    connection: Connection, staging: Staging, staged: Sequence[str], config: MssqlConfig, fixed: set[str]
) -> None:
    """Update the rows whose keys are there, insert the others. ``fixed``: columns that cannot be updated."""
    names = ", ".join(map(MSSQL.quote, staging.schema.names))
    parts = " UNION ALL ".join(f"SELECT {names} FROM {staging.table(name)}" for name in staged)
    rows = f"({parts}) AS s"
    keys = [(MSSQL.quote(staging.columns[at]), MSSQL.quote(staging.schema.names[at])) for at in staging.keys]
    _check_keys(connection, staging, rows, [source for _, source in keys])
    same = " AND ".join(f"t.{column} = s.{source}" for column, source in keys)
    lock = ", TABLOCKX" if config.table_lock else ""
    pairs = [
        (MSSQL.quote(column), MSSQL.quote(source))
        for at, (column, source) in enumerate(zip(staging.columns, staging.schema.names, strict=True))
        if at not in staging.keys and column.lower() not in fixed
    ]
    if pairs and staging.pool:
        _update_pool(connection, staging, staged, pairs, keys)
    elif pairs:
        changed = ", ".join(f"{column} = s.{source}" for column, source in pairs)
        connection.run(
            f"UPDATE t SET {changed} FROM {staging.target} AS t WITH (UPDLOCK, HOLDLOCK{lock}) "
            f"INNER JOIN {rows} ON {same}"
        )
    hint = "" if staging.pool else " WITH (UPDLOCK, HOLDLOCK)"
    connection.run(
        f"{_insert(connection, staging, rows, config)} WHERE NOT EXISTS "
        f"(SELECT 1 FROM {staging.target} AS t{hint} WHERE {same})"
    )


def _update_pool(
    connection: Connection,
    staging: Staging,
    staged: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    keys: Sequence[tuple[str, str]],
) -> None:
    """A pool joins what it updates with one table, and in no other form."""
    changed = ", ".join(f"{column} = s.{source}" for column, source in pairs)
    same = " AND ".join(f"{staging.target}.{column} = s.{source}" for column, source in keys)
    for name in staged:
        connection.run(f"UPDATE {staging.target} SET {changed} FROM {staging.table(name)} AS s WHERE {same}")


def given_defaults(staging: Staging, config: MssqlConfig) -> dict[str, str]:
    """The values of ``default_values`` as SQL, by the name of the column as it is written to."""
    known = {name.lower(): name for name in staging.columns}
    return {
        known.get(name.lower(), name): MSSQL.text(str(int(value) if isinstance(value, bool) else value))
        for name, value in config.default_values.items()
        if value is not None
    }


def _check_keys(connection: Connection, staging: Staging, rows: str, keys: Sequence[str]) -> None:
    """Raises DataError for a row without a key, or two with the same one."""
    shown = ", ".join(staging.schema.names[at] for at in staging.keys)
    missing = " OR ".join(f"s.{key} IS NULL" for key in keys)
    if connection.run(f"SELECT TOP (1) 1 AS found FROM {rows} WHERE {missing}"):
        raise DataError(f"upsert into {staging.shown}: a row has NULL among its keys ({shown})")
    listed = ", ".join(f"s.{key}" for key in keys)
    if connection.run(f"SELECT TOP (1) 1 AS found FROM {rows} GROUP BY {listed} HAVING COUNT_BIG(*) > 1"):
        raise DataError(f"upsert into {staging.shown}: two rows have the same keys ({shown})")


def _call(connection: Connection, staging: Staging, staged: Sequence[str], config: MssqlConfig) -> None:
    """Hand the rows to the procedure, a batch at a time."""
    kind = MSSQL.quoted(parts_of(config.stored_procedure_table_type, config.table_schema))
    procedure = MSSQL.quoted(parts_of(config.stored_procedure, config.table_schema))
    parameter = config.stored_procedure_table_type_parameter_name.removeprefix("@")
    call = f"EXEC {procedure} {assignments({parameter: '@crossdock_rows'}, raw=True)}"
    if config.stored_procedure_parameters:
        call += f", {assignments(config.stored_procedure_parameters)}"
    taken = ", ".join(f"deleted.{MSSQL.quote(name)}" for name in staging.schema.names)
    names = ", ".join(map(MSSQL.quote, staging.columns))
    for name in staged:
        table = staging.table(name)
        rows = int(connection.value(f"SELECT COUNT_BIG(*) AS n FROM {table}") or 0)
        size = config.write_batch_size or rows
        for _ in range(0, rows, max(1, size)):
            connection.run(
                f"DECLARE @crossdock_rows {kind}; "
                f"DELETE TOP ({size}) FROM {table} OUTPUT {taken} INTO @crossdock_rows ({names}); {call}"
            )
