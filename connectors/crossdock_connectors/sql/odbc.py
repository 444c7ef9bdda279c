"""Any database with an ODBC driver: tables and queries, read and written as Arrow batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from crossdock import Capabilities, ConfigError, ConnectorConfig, ConnectorSpec, Location, Secrets, WriteMode

from ..queries import one_select
from .odbc_errors import classify

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation

    from .odbc_connection import Database
    from .odbc_sink import OdbcSink
    from .odbc_source import OdbcSource

PASSWORD_VARIABLE = "ODBC_PASSWORD"  # noqa: S105 - the name of a variable


class OdbcConfig(ConnectorConfig):
    """Options of databases behind an ODBC driver."""

    dsn: str = Field(default="", description="Name of a data source in odbc.ini")
    driver: str = Field(
        default="",
        description="Name of an installed driver, as odbcinst.ini has it; the path of a library only where "
        "the environment variable CROSSDOCK_ODBC_DRIVERS lists it",
    )
    server: str = Field(default="", description="Attribute Server of the connection")
    port: int = Field(default=0, ge=0, le=65535, description="Attribute Port of the connection; 0: none")
    database: str = Field(default="", description="Attribute Database of the connection")
    user: str = Field(default="", description="Attribute UID of the connection")
    password: SecretStr | None = Field(
        default=None, description=f"Attribute PWD of the connection; default: {PASSWORD_VARIABLE}"
    )
    connection_string: SecretStr | None = Field(
        default=None, description="A whole ODBC connection string; other options come before its parts"
    )
    schema_name: str = Field(default="", description="The schema of tables that are named without one")
    login_timeout: int = Field(default=15, gt=0, le=3600, description="Seconds to wait for a connection")
    query_timeout: int = Field(
        default=7200, ge=0, le=86400, description="Seconds that a statement may take; 0: no limit"
    )
    query: str = Field(default="", description="Source: a SELECT to read instead of a table")
    partition_option: Literal["None", "DynamicRange"] = Field(
        default="None",
        description="Source: DynamicRange reads ranges of a key in parallel, each at its own time: ODBC has "
        "no snapshot for several connections",
    )
    partition_column: str = Field(
        default="", description="Source: column of DynamicRange; default: the first of the primary key"
    )
    isolation_level: Literal["", "ReadCommitted", "ReadUncommitted", "RepeatableRead", "Serializable"] = (
        Field(default="", description="Source: isolation level of each SELECT; default: the database's")
    )
    max_text_size: int = Field(
        default=65_536, ge=16, le=1 << 27,
        description="Source: characters (UTF-16) that a text without a declared length may have; a longer "
        "one is an error. Rows of a batch are as many as fit into memory at that size",
    )  # fmt: skip
    max_binary_size: int = Field(
        default=65_536, ge=16, le=1 << 28,
        description="Source: bytes that a binary value without a declared length may have",
    )  # fmt: skip
    decimals: Literal["declared", "text"] = Field(
        default="declared",
        description="Source: decimals as they are declared (more digits are an error), or as text",
    )


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


def _open_source(config: OdbcConfig, location: Location) -> OdbcSource:
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


SPEC = ConnectorSpec(
    name="odbc",
    summary="Tables of any database with an ODBC driver",
    kind="table",
    config=OdbcConfig,
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
    classify=classify,
    from_adf=_from_adf,
    secrets=Secrets(
        query=("connection_string",),
        environment={"": (PASSWORD_VARIABLE,), "password": (PASSWORD_VARIABLE,)},
    ),
    example="crossdock copy 'odbc:///?dsn=warehouse#sales.orders' orders.parquet",
    requires=("pyodbc", "arrow_odbc"),
    extra="crossdock[sql]",
)
