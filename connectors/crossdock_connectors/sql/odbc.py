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

    query = one_select(config.query, "values")
    if query and location.fragment:
        raise ConfigError("name one of a table and a query to read")
    return OdbcSource(_database(config, location), config, location.fragment, query)


def _open_sink(config: OdbcConfig, location: Location) -> OdbcSink:
    from .odbc_sink import OdbcSink

    return OdbcSink(_database(config, location), location.fragment, config.schema_name)


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
