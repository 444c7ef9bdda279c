"""Any database with an ODBC driver: tables and queries, read and written as Arrow batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock import Capabilities, ConfigError, ConnectorSpec, CrossdockError, Location, Secrets, WriteMode

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation

    from .odbc_config import OdbcConfig
    from .odbc_connection import Database
    from .odbc_sink import OdbcSink
    from .odbc_source import OdbcSource

PASSWORD_VARIABLE = "ODBC_PASSWORD"  # noqa: S105 - the name of a variable


def _database(config: OdbcConfig, location: Location) -> Database:
    from .odbc_address import attributes, check_trusted, connection_string, shown
    from .odbc_connection import Database
    from .odbc_drivers import odbc

    found = attributes(config, location)
    check_trusted(found, odbc())
    limits = (config.max_text_size, config.max_binary_size)
    return Database(
        connection_string(found, odbc()),
        shown(found),
        frozenset(found),
        config.login_timeout,
        config.query_timeout,
        limits,
    )


def _config() -> type[OdbcConfig]:
    from .odbc_config import OdbcConfig  # imports pydantic

    return OdbcConfig


def _open_source(config: OdbcConfig, location: Location) -> OdbcSource:
    from ..queries import one_select
    from .odbc_source import OdbcSource
    from .ranges import PLACEHOLDER

    query = one_select(config.query, "values")
    if sum(map(bool, (query, config.procedure, location.fragment))) > 1:
        raise ConfigError("name one of a table, a query and a procedure to read")
    bounds = (config.partition_lower_bound, config.partition_upper_bound)
    if any(bounds) and not (all(bounds) and config.partition_option == "DynamicRange"):
        raise ConfigError(
            "partition_lower_bound and partition_upper_bound go together, with partition_option=DynamicRange"
        )
    if PLACEHOLDER in query and not (config.partition_option == "DynamicRange" and config.partition_column):
        raise ConfigError(
            f"a query with {PLACEHOLDER} needs partition_option=DynamicRange and partition_column=..."
        )
    return OdbcSource(_database(config, location), config, location.fragment, query)


def _open_sink(config: OdbcConfig, location: Location) -> OdbcSink:
    from .odbc_sink import OdbcSink

    if config.keys and config.write_behavior != "upsert":
        raise ConfigError("keys need write_behavior=upsert")
    if config.pre_copy_script and not location.fragment:
        raise ConfigError("pre_copy_script needs a table that the address names, as odbc:///?dsn=...#table")
    if config.delivery == "at-least-once":
        named = ("pre_copy_script", "table_lock", "identity_insert")
        given = [name for name in named if getattr(config, name)] + ["keep_nulls=false"] * (
            not config.keep_nulls
        )
        if config.write_behavior != "insert" or given:
            what = "write_behavior=upsert" if config.write_behavior != "insert" else given[0]
            raise ConfigError(f"delivery=at-least-once has no transaction for {what}")
    return OdbcSink(_database(config, location), config, location.fragment)


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .odbc_adf import from_adf

    return from_adf(end)


def _classify(error: BaseException) -> CrossdockError | None:
    from .odbc_errors import classify

    return classify(error)


SPEC = ConnectorSpec(
    name="odbc",
    summary="Tables of any database with an ODBC driver",
    kind="table",
    config=_config,
    schemes=("odbc",),
    adf_types=("Odbc", "OdbcTable", "OdbcSource", "OdbcSink", "RelationalTable", "RelationalSource"),
    capabilities=Capabilities(
        write_modes=frozenset(WriteMode),
        visibility="atomic",
        private_staging=True,
        read_back="before_commit",
        cancel=True,
        # Drivers are anybody's: psqlODBC ends the process when its connection breaks in mid-result.
        isolated=True,
    ),
    open_source=_open_source,
    open_sink=_open_sink,
    classify=_classify,
    from_adf=_from_adf,
    secrets=Secrets(
        query=("connection_string",),
        environment={"": (PASSWORD_VARIABLE,), "password": (PASSWORD_VARIABLE,)},
    ),
    example="crossdock copy 'odbc:///?dsn=warehouse#sales.orders' orders.parquet",
    requires=("pyodbc", "arrow_odbc"),
    extra="crossdock[sql]",
)
