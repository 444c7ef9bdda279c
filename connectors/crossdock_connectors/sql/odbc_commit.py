"""The one transaction that makes staged rows visible."""

# ruff: noqa: S608 - names go through Traits.quote(); SQL has no parameters for names.

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from crossdock import AlreadyExistsError, CrossdockError, DataError, NotFoundError, WriteMode

from ..queries import statements
from . import odbc_catalog as catalog
from .odbc_catalog import Name
from .odbc_connection import Connection, Database
from .odbc_dialects import Traits
from .odbc_errors import is_taken
from .odbc_staging import (
    COMMITTED,
    CREATED,
    Loaded,
    Staging,
    cleanup,
    drop_staged,
    facts,
    is_committed,
)

if TYPE_CHECKING:
    from .odbc_config import OdbcConfig

# In the ledger: how many rows were committed, counted down from here.
_ROWS, _MOST_ROWS = -1, 1 << 31
_CHANGING = re.compile(r"\s*(?:delete|insert|merge|update|with)\b", re.IGNORECASE)


def commit(database: Database, staging: Staging, loaded: Sequence[Loaded], config: OdbcConfig) -> None:
    """Make the rows of these tables visible and note it, in one transaction; a second time does nothing."""
    filled = [each for each in loaded if each.rows]
    with database.connect() as connection:
        noted = facts(connection, staging)
        if noted is None:
            raise staging.lost("its ledger does not exist")
        if COMMITTED in noted:
            return
        if not connection.traits.exact:
            _create_before(connection, staging, noted)
        if staging.keys and not connection.traits.known.update:
            _index(connection, staging, filled)
    try:
        with database.connect(autocommit=database.traits.transactions == 0) as connection:
            # Before the note: a script could commit it.
            run_script(connection, config.pre_copy_script)
            # Another committer waits here until this one has ended, and then finds the row.
            _note(connection, staging, COMMITTED)
            if (rows := sum(each.rows for each in filled)) < _MOST_ROWS:
                _note(connection, staging, _ROWS - rows)
            if connection.traits.exact:
                _prepare(connection, staging)
            elif staging.mode is WriteMode.OVERWRITE:
                connection.run(f"DELETE FROM {staging.sql(connection.traits)}")
            _write(connection, staging, filled, config)
    except CrossdockError as error:
        if (is_taken(error) or config.pre_copy_script) and is_committed(database, staging):
            return
        raise


def committed(database: Database, name: Name, prefix: str) -> int | None:
    """How many rows a commit has had, 0 where nobody knows; None where none has ended, and none can."""
    import pyarrow as pa

    staging, exact = Staging(name, prefix, WriteMode.APPEND, pa.schema([]), (), ()), database.traits.exact
    with database.connect() as connection:
        begun = facts(connection, staging) is not None
    if begun:
        try:
            with database.connect(autocommit=False) as held:
                # Whoever is in the middle of a commit is waited for; another one waits here.
                _note(held, staging, COMMITTED)
                with nullcontext(held) if exact else database.connect() as connection:
                    drop_staged(connection, name, prefix)
                held.run(f"DELETE FROM {staging.ledger(held.traits)} WHERE fact = {COMMITTED}")
        except CrossdockError as error:
            with database.connect() as connection:
                noted = facts(connection, staging) or set()
            if is_taken(error) and COMMITTED in noted:
                return max((_ROWS - fact for fact in noted if fact <= _ROWS), default=0)
            raise
    cleanup(database, name, prefix)
    return None


def run_script(connection: Connection, script: str) -> None:
    if not script.strip():
        return
    with connection.cursor() as cursor:
        cursor.execute(script)
        # Errors of later statements come with their results.
        while cursor.nextset():
            pass


def check_script(connection: Connection, script: str) -> None:
    """Before any data, as far as the database can look at a statement that it does not run: up to the first
    that may define what a later one needs.
    """
    dry = connection.traits.known.dry
    for statement in takewhile(_CHANGING.match, statements(script) if dry else ()):
        connection.run(dry.format(statement))


def _note(connection: Connection, staging: Staging, fact: int) -> None:
    connection.run(f"INSERT INTO {staging.ledger(connection.traits)} (fact) VALUES ({fact})")


def _prepare(connection: Connection, staging: Staging) -> None:
    """The target as the mode wants it, ready for the rows."""
    there = catalog.exists(connection, staging.name)
    target = staging.sql(connection.traits)
    if there and staging.mode is WriteMode.ERROR:
        raise AlreadyExistsError(f"{connection.where} has a table {staging.name.shown} already")
    if there and staging.mode is WriteMode.OVERWRITE:
        if staging.keep:
            connection.run(f"DELETE FROM {target}")
            return
        connection.run(f"DROP TABLE {target}")
        there = ""
    if not there:
        create_target(connection, staging)


def create_target(connection: Connection, staging: Staging) -> None:
    names = [column.name for column in staging.columns]
    connection.run(create_table(connection.traits, staging.name, names, staging.types))


def create_table(traits: Traits, name: Name, columns: Sequence[str], types: Sequence[str]) -> str:
    pairs = zip(columns, types, strict=True)
    listed = ", ".join(f"{traits.quote(column)} {kind}" for column, kind in pairs)
    return f"CREATE TABLE {traits.quoted((name.schema, name.table))} ({listed})"


def _create_before(connection: Connection, staging: Staging, noted: set[int]) -> None:
    """Where creating a table is no part of a transaction: it is there, empty, before the rows are.

    The ledger knows before that it is ours, for a process that goes on with the commit.
    """
    if catalog.exists(connection, staging.name):
        if staging.mode is WriteMode.ERROR and CREATED not in noted:
            raise AlreadyExistsError(f"{connection.where} has a table {staging.name.shown} already")
        return
    if CREATED not in noted:
        _note(connection, staging, CREATED)
    create_target(connection, staging)


def _write(connection: Connection, staging: Staging, filled: Sequence[Loaded], config: OdbcConfig) -> None:
    known, target = connection.traits.known, staging.sql(connection.traits)
    if known.lock and (config.table_lock or staging.keys):
        connection.run(known.lock.format(target))
    before, clause, after = known.identity if config.identity_insert else ("", "", "")
    if before:
        connection.run(before.format(target))
    try:
        if staging.keys and filled:
            _upsert(connection, staging, filled, clause)
        else:
            for each in filled:
                _move(connection, staging, each, clause)
    except NotFoundError as error:
        raise staging.lost("a staging table does not exist") from error
    if after:
        connection.run(after.format(target))


def insert_into(traits: Traits, staging: Staging, clause: str, rows: str) -> str:
    """The statement that inserts staged ``rows``, which goes behind FROM and ends with the alias s."""
    names = ", ".join(traits.quote(column.name) for column in staging.columns)
    values = ", ".join(
        f"COALESCE({column.value(number)}, {column.filled})" if column.filled else column.value(number)
        for number, column in enumerate(staging.columns, 1)
    )
    return f"INSERT INTO {staging.sql(traits)} ({names}) {clause}SELECT {values} FROM {rows}"


def _move(connection: Connection, staging: Staging, loaded: Loaded, clause: str) -> None:
    traits = connection.traits
    rows = f"{staging.sql(traits, loaded.table)} s"
    count = connection.change(insert_into(traits, staging, clause, rows))
    if count not in (-1, loaded.rows):
        raise staging.lost(f"{count:,} of {loaded.rows:,} rows of a split are there")


def _upsert(connection: Connection, staging: Staging, filled: Sequence[Loaded], clause: str) -> None:
    """Update the rows whose keys are there, insert the others."""
    traits, target = connection.traits, staging.sql(connection.traits)
    listed = ", ".join(f"c{number}" for number in range(1, len(staging.columns) + 1))
    tables = [staging.sql(traits, each.table) for each in filled]
    rows = f"({' UNION ALL '.join(f'SELECT {listed} FROM {table}' for table in tables)}) s"
    _check_rows(connection, staging, rows, sum(each.rows for each in filled))
    columns = list(enumerate(staging.columns, 1))
    keys = [(traits.quote(c.name), c.value(n)) for n, c in columns if c.name in staging.keys]
    pairs = [(traits.quote(c.name), c.value(n)) for n, c in columns if c.name not in staging.keys]
    same = " AND ".join(f"t.{name} = {value}" for name, value in keys)
    if pairs and traits.known.update:
        changed = ", ".join(f"{name} = {value}" for name, value in pairs)
        sql = traits.known.update.format(target=target, changed=changed, rows=rows, same=same)
        connection.run(sql)
    elif pairs:
        equal = " AND ".join(f"{target}.{name} = {value}" for name, value in keys)
        for table in tables:
            found = f"FROM {table} s WHERE {equal}"
            changed = ", ".join(f"{name} = (SELECT {value} {found})" for name, value in pairs)
            connection.run(f"UPDATE {target} SET {changed} WHERE EXISTS (SELECT 1 {found})")
    there = f"SELECT 1 FROM {target} t WHERE {same}"
    connection.run(f"{insert_into(traits, staging, clause, rows)} WHERE NOT EXISTS ({there})")


def _check_rows(connection: Connection, staging: Staging, rows: str, wanted: int) -> None:
    """Raises DataError for a row without a key, or two with the same one."""
    numbers = [n for n, column in enumerate(staging.columns, 1) if column.name in staging.keys]
    shown, what = ", ".join(staging.keys), f"upsert into {staging.name.shown}"
    count = int(connection.value(f"SELECT COUNT(*) FROM {rows}"))
    if count != wanted:
        raise staging.lost(f"{count:,} of {wanted:,} rows are there")
    missing = " OR ".join(f"s.c{number} IS NULL" for number in numbers)
    if connection.value(f"SELECT COUNT(*) FROM {rows} WHERE {missing}"):
        raise DataError(f"{what}: a row has NULL among its keys ({shown})")
    listed = ", ".join(f"s.c{number}" for number in numbers)
    twice = f"SELECT {listed} FROM {rows} GROUP BY {listed} HAVING COUNT(*) > 1"
    if connection.value(f"SELECT COUNT(*) FROM ({twice}) d"):
        raise DataError(f"{what}: two rows have the same keys ({shown})")


def _index(connection: Connection, staging: Staging, filled: Sequence[Loaded]) -> None:
    """Staged rows are looked up by their keys, as far as the database can index those."""
    numbers = [n for n, column in enumerate(staging.columns, 1) if column.name in staging.keys]
    listed = ", ".join(f"c{number}" for number in numbers)
    for each in filled:
        table, name = staging.sql(connection.traits, each.table), connection.traits.quote(f"{each.table}_k")
        with suppress(CrossdockError):
            connection.run(f"CREATE INDEX {name} ON {table} ({listed})")
