"""The commit in a dedicated SQL pool of Synapse: its transactions take no DDL, and it enforces no keys.

The unit's row of the ledger says who commits it. Changing that row takes a lock on the ledger which lasts as
long as the transaction, so that one of several committers moves the rows and the others see that it has. What
takes DDL (the pre-copy script, which mostly truncates, and a new table) comes before that transaction.

https://learn.microsoft.com/azure/synapse-analytics/sql-data-warehouse/sql-data-warehouse-develop-transactions
"""

# ruff: noqa: S608 - names and texts go through MSSQL.quote() and text(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from crossdock import AlreadyExistsError, NotFoundError, TransientError, WriteMode

from .identifiers import MSSQL
from .mssql_columns import exists
from .mssql_commit import begin, write
from .mssql_staging import LEDGER, MADE, READY, Staging, cleanup, create_table

if TYPE_CHECKING:
    from .mssql_config import MssqlConfig
    from .mssql_connection import Connection

_COMMITTED = "committed "
_OPEN = f"SUBSTRING(state, 1, {len(_COMMITTED)}) <> {MSSQL.text(_COMMITTED)}"


def open_unit(connection: Connection, staging: Staging) -> None:
    """Make the unit's row of the ledger, where it is missing."""
    _add(connection, staging, "")


def make_ready(connection: Connection, staging: Staging, config: MssqlConfig) -> None:
    """Before rows go straight into the table. A process that is killed meanwhile does it once more."""
    if _state(connection, staging, READY) is not None:
        return
    _prepare(connection, staging, config)
    if staging.mode is WriteMode.OVERWRITE:
        connection.run(f"DELETE FROM {staging.target}")
    _add(connection, staging, READY)


def commit(connection: Connection, staging: Staging, staged: Sequence[str], config: MssqlConfig) -> None:
    """Make the rows of the staging tables visible, in their order. Twice is the same as once, but for the
    script where the first time failed. Raises StageLostError where the ledger or a staging table is gone,
    TransientError where somebody else is at it."""
    who = uuid4().hex
    begin(connection)
    state = _change(connection, staging, f"preparing {who}", _OPEN)
    connection.run("COMMIT TRANSACTION")
    if state.startswith(_COMMITTED):
        return
    if not staging.direct:
        _prepare(connection, staging, config)
    begin(connection)
    state = _change(connection, staging, _COMMITTED + who, f"state = {MSSQL.text(f'preparing {who}')}")
    if state != _COMMITTED + who:
        connection.run("ROLLBACK TRANSACTION")
        if not state.startswith(_COMMITTED):
            raise TransientError(f"{connection.where}: somebody else commits {staging.shown}")
        return
    for name in staged:
        if not exists(connection, (staging.within, name)):
            raise staging.lost()
    if not staging.direct:
        if staging.mode is WriteMode.OVERWRITE:
            connection.run(f"DELETE FROM {staging.target}")
        write(connection, staging, staged, config)
    connection.run("COMMIT TRANSACTION")


def is_committed(connection: Connection, staging: Staging) -> bool:
    """Waits for a commit that is going on: a plain look would see what may be undone."""
    begin(connection)
    state = _change(connection, staging, "", "state = N'of nobody'")
    connection.run("COMMIT TRANSACTION")
    return state.startswith(_COMMITTED)


def committed(connection: Connection, staging: Staging) -> int | None:
    """0 where it is committed; None where it is not, and cannot be any more."""
    within, prefix = staging.within, staging.prefix
    if exists(connection, (within, LEDGER)) and _state(connection, staging) is not None:
        # Whoever was in the middle of it is waited for; whoever comes between the looks finds nothing staged.
        for _ in range(2):
            if is_committed(connection, staging):
                return 0
            cleanup(connection, within, prefix, facts=False)
    cleanup(connection, within, prefix)
    return None


def unmake(connection: Connection, staging: Staging) -> None:
    """Drop a table that was made for rows which never came."""
    if _state(connection, staging, MADE) is None or (_state(connection, staging) or "").startswith(
        _COMMITTED
    ):
        return
    if exists(connection, staging.parts) and not connection.run(
        f"SELECT TOP (1) 1 AS found FROM {staging.target}"
    ):
        connection.run(f"DROP TABLE {staging.target}")


def _prepare(connection: Connection, staging: Staging, config: MssqlConfig) -> None:
    """Run the script and make a missing table."""
    if config.pre_copy_script.strip():
        connection.run(config.pre_copy_script)
    if not exists(connection, staging.parts):
        _add(connection, staging, MADE)
        keys = staging.keys
        connection.run(create_table(staging.target, staging.columns, staging.declared, keys, pool=True))
    elif staging.mode is WriteMode.ERROR and _state(connection, staging, MADE) is None:
        raise AlreadyExistsError(f"{connection.where} has a table {staging.shown} already")


def _ledger(staging: Staging) -> str:
    return MSSQL.quoted((staging.within, LEDGER))


def _add(connection: Connection, staging: Staging, what: str) -> None:
    fact, ledger = MSSQL.text(staging.prefix + what), _ledger(staging)
    connection.run(
        f"INSERT INTO {ledger} (fact, state) SELECT {fact}, N'' "
        f"WHERE NOT EXISTS (SELECT 1 FROM {ledger} WHERE fact = {fact})"
    )


def _state(connection: Connection, staging: Staging, what: str = "") -> str | None:
    """What the ledger says; None where it says nothing."""
    fact = MSSQL.text(staging.prefix + what)
    try:
        found = connection.value(f"SELECT state FROM {_ledger(staging)} WHERE fact = {fact}")
    except NotFoundError as error:
        raise staging.lost() from error
    return None if found is None else str(found)


def _change(connection: Connection, staging: Staging, state: str, where: str) -> str:
    """Let the ledger say ``state`` of the unit, if ``where``; returns what it says then. Waits for whoever is
    changing it, and keeps others from it until the transaction ends."""
    fact = MSSQL.text(staging.prefix)
    try:
        connection.run(
            f"UPDATE {_ledger(staging)} SET state = {MSSQL.text(state)} WHERE fact = {fact} AND {where}"
        )
    except NotFoundError as error:
        raise staging.lost() from error
    found = _state(connection, staging)
    if found is None:
        raise staging.lost()
    return found
