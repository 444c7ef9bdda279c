"""SQLite: tables of a database file, read and written as Arrow batches through its ADBC driver."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdock import Capabilities, ConnectorConfig, ConnectorSpec, Location, WriteMode

from ..queries import one_select
from .sqlite_errors import classify

if TYPE_CHECKING:
    from .sqlite_sink import SqliteSink
    from .sqlite_source import SqliteSource


class SqliteConfig(ConnectorConfig):
    """Options of SQLite tables."""

    query: str = Field(default="", description="Source: a SELECT to read instead of a table")
    partition: str = Field(
        default="rowid",
        description="Source: the indexed integer column whose ranges are read in parallel; none: one piece",
    )
    decimals: Literal["refuse", "text", "real"] = Field(
        default="refuse",
        description="Sink: SQLite has no decimals; keep their digits as text, round them, or refuse them",
    )
    nan: Literal["error", "null"] = Field(
        default="error", description="Sink: SQLite has no NaN; refuse it or store null"
    )
    journal_mode: Literal["", "delete", "truncate", "persist", "wal"] = Field(
        default="",
        description="Sink: set SQLite's journal mode; default: as the database is (a new one: delete)",
    )
    synchronous: Literal["off", "normal", "full"] = Field(
        default="full",
        description="Sink: what is forced to disk, for power failures; a kill loses nothing either way",
    )
    busy_timeout: float = Field(
        default=600.0, gt=0, le=86400, description="Seconds to wait while somebody else writes"
    )


def _open_source(config: SqliteConfig, location: Location) -> SqliteSource:
    from .sqlite_database import Database, path_of
    from .sqlite_source import SqliteSource

    database = Database(path_of(location), config.busy_timeout)
    query = one_select(config.query, "values")
    return SqliteSource(database, location.fragment, query, config.partition)


def _open_sink(config: SqliteConfig, location: Location) -> SqliteSink:
    from .sqlite_database import Database, path_of
    from .sqlite_sink import SqliteSink

    database = Database(path_of(location), config.busy_timeout, config.synchronous)
    return SqliteSink(database, location.fragment, config.decimals, config.nan, config.journal_mode)


def _absolute(location: Location) -> Location:
    return location.with_path("/" + os.path.abspath(location.path[1:])) if location.path[1:] else location


SPEC = ConnectorSpec(
    name="sqlite",
    summary="Tables of an SQLite database file",
    kind="table",
    config=SqliteConfig,
    schemes=("sqlite",),
    adf_types=("SqliteTable", "SqliteSource", "Sqlite"),
    capabilities=Capabilities(
        write_modes=frozenset(WriteMode),
        visibility="atomic",
        private_staging=True,
        read_back="before_commit",
        cheap_scan=True,
    ),
    open_source=_open_source,
    open_sink=_open_sink,
    classify=classify,
    absolute=_absolute,
    example="crossdock copy 'data/*.csv' sqlite:///warehouse.db",
    requires=("adbc_driver_sqlite", "adbc_driver_manager"),
    extra="crossdock[sqlite]",
)
