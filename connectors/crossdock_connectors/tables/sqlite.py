"""SQLite: tables of a database file, read and written as Arrow batches through its ADBC driver."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from crossdock import Capabilities, ConnectorSpec, CrossdockError, Location, WriteMode

if TYPE_CHECKING:
    from .sqlite_config import SqliteConfig
    from .sqlite_sink import SqliteSink
    from .sqlite_source import SqliteSource


def _config() -> type[SqliteConfig]:
    from .sqlite_config import SqliteConfig  # imports pydantic

    return SqliteConfig


def _open_source(config: SqliteConfig, location: Location) -> SqliteSource:
    from ..queries import one_select
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


def _classify(error: BaseException) -> CrossdockError | None:
    from .sqlite_errors import classify

    return classify(error)


SPEC = ConnectorSpec(
    name="sqlite",
    summary="Tables of an SQLite database file",
    kind="table",
    config=_config,
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
    classify=_classify,
    absolute=_absolute,
    example="crossdock copy 'data/*.csv' sqlite:///warehouse.db",
    requires=("adbc_driver_sqlite", "adbc_driver_manager"),
    extra="crossdock[sqlite]",
)
