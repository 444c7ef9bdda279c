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
_LITERAL = 2000
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


def commit(
    connection: Connection, staging: Staging, staged: Sequence[str], config: MssqlConfig, *, rows: int
) -> None:
    """Make the rows of the staging tables visible, in their order. Twice is the same as once, but for the
    script where the first time failed. Raises StageLostError where the ledger or a staging table is gone,
    TransientError where somebody else is at it."""
    who = uuid4().hex
    preparing, committed = f"preparing {who}", f"{_COMMITTED}{who} {rows}"
    begin(connection)
    state = _change(connection, staging, preparing, _OPEN)
    connection.run("COMMIT TRANSACTION")
    if state.startswith(_COMMITTED):
        return
    if not staging.direct:
        _prepare(connection, staging, config, preparing)
    begin(connection)
    state = _change(connection, staging, committed, f"state = {MSSQL.text(preparing)}")
    if state != committed:
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
    return _settled_state(connection, staging).startswith(_COMMITTED)


def _settled_state(connection: Connection, staging: Staging) -> str:
    """Waits for a commit that is going on: a plain look would see what may be undone."""
    begin(connection)
    state = _change(connection, staging, "", "state = N'of nobody'")
    connection.run("COMMIT TRANSACTION")
    return state


def committed(connection: Connection, staging: Staging) -> int | None:
    """How many rows a commit has had; None where there was none, and can be none any more."""
    within, prefix = staging.within, staging.prefix
    if exists(connection, (within, LEDGER)) and _state(connection, staging) is not None:
        # Whoever was in the middle of it is waited for; whoever comes between the looks finds nothing staged.
        for _ in range(2):
            state = _settled_state(connection, staging)
            if state.startswith(_COMMITTED):
                return int(state.rpartition(" ")[2])
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


def _prepare(connection: Connection, staging: Staging, config: MssqlConfig, preparing: str = "") -> None:
    """Run the script and make a missing table. The script runs only while the ledger says ``preparing``:
    whoever was held up before it, and given up meanwhile, does not undo what others have committed."""
    script = config.pre_copy_script
    if script.strip() and preparing:
        # One batch: nothing of this process comes between the look and the script.
        condition = f"fact = {MSSQL.text(staging.prefix)} AND state = {MSSQL.text(preparing)}"
        connection.run(
            f"IF EXISTS (SELECT 1 AS found FROM {_ledger(staging)} WHERE {condition}) "
            f"EXEC ({_pieces(script)})"
        )
    elif script.strip():
        connection.run(script)
    if not exists(connection, staging.parts):
        _add(connection, staging, MADE)
        keys = staging.keys
        connection.run(create_table(staging.target, staging.columns, staging.declared, keys, pool=True))
    elif staging.mode is WriteMode.ERROR and _state(connection, staging, MADE) is None:
        raise AlreadyExistsError(f"{connection.where} has a table {staging.shown} already")


def _pieces(script: str) -> str:
    """A script as a sum of texts, each of a length that a literal may have."""
    pieces = (script[at : at + _LITERAL] for at in range(0, len(script), _LITERAL))
    return " + ".join(map(MSSQL.text, pieces))


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
