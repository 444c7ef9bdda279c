"""SQL Server and Azure SQL: tables, queries and procedures, as Arrow batches by mssql-python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from crossdock import Capabilities, ConfigError, ConnectorConfig, ConnectorSpec, Location, Secrets, WriteMode

from .mssql_errors import classify

if TYPE_CHECKING:
    from .mssql_sink import MssqlSink
    from .mssql_source import MssqlSource

PASSWORD_VARIABLE = "MSSQL_PASSWORD"  # noqa: S105 - the name of a variable


class MssqlConfig(ConnectorConfig):
    """Options of SQL Server and Azure SQL."""

    password: SecretStr | None = Field(
        default=None,
        description=f"Password of the login that the address names; default: {PASSWORD_VARIABLE}",
    )
    auth: Literal["auto", "sql", "entra", "integrated"] = Field(
        default="auto",
        description="How to sign in: with login and password, an Entra ID token, or as the user of this "
        "process (Kerberos); auto: sql where the address names a login, entra where it does not",
    )
    access_token: SecretStr | None = Field(
        default=None,
        description="Entra ID token for https://database.windows.net/, not one that azure-identity finds",
    )
    encrypt: Literal["yes", "strict", "no"] = Field(
        default="yes", description="Encrypt all data; strict: by TDS 8; no: only where the server insists"
    )
    trust_server_certificate: bool = Field(
        default=False,
        description="Take whatever certificate the server shows: somebody in between could read and change "
        "everything",
    )
    connect_timeout: int = Field(default=15, gt=0, le=3600, description="Seconds to wait for a connection")
    query_timeout: int = Field(
        default=7200, ge=0, le=86400, description="Seconds that a statement may take; 0: no limit"
    )
    table_schema: str = Field(default="dbo", description="Schema of tables whose name has none")
    query: str = Field(default="", description="Source: a SELECT to read instead of a table")
    procedure: str = Field(default="", description="Source: a stored procedure to read instead of a table")
    parameters: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="Source: parameters of the stored procedure, by name"
    )
    partition_option: Literal["auto", "None", "PhysicalPartitionsOfTable", "DynamicRange"] = Field(
        default="auto",
        description="Source: what is read in parallel; auto: DynamicRange where the clustered index or the "
        "primary key begins with a number, a date or a time",
    )
    partition_column: str = Field(
        default="", description="Source: column of DynamicRange; default: from the clustered index or the key"
    )
    partition_lower_bound: str = Field(
        default="", description="Source: first boundary of DynamicRange; rows below it are read as well"
    )
    partition_upper_bound: str = Field(
        default="", description="Source: last boundary of DynamicRange; rows above it are read as well"
    )
    isolation_level: Literal[
        "", "ReadCommitted", "ReadUncommitted", "RepeatableRead", "Serializable", "Snapshot"
    ] = Field(
        default="", description="Source: isolation level of each partition's SELECT; default: the database's"
    )
    datetime2: Literal["ns", "us"] = Field(
        default="ns",
        description="Source: datetime2(7) has more digits than microseconds. ns: kept, of the years 1678 to "
        "2261; us: cut off, of all years",
    )
    datetimeoffset: Literal["refuse", "utc", "text"] = Field(
        default="refuse",
        description="Source: Arrow has no offset per value. utc: as moments, cut off to microseconds; "
        "text: kept",
    )


def _open_source(config: MssqlConfig, location: Location) -> MssqlSource:
    from .mssql_connection import Server
    from .mssql_source import MssqlSource

    named = [bool(each) for each in (location.fragment, config.query, config.procedure)]
    if sum(named) > 1:
        raise ConfigError("name one of a table, a query and a procedure to read")
    return MssqlSource(Server.of(config, location), config, location.fragment)


def _open_sink(config: MssqlConfig, location: Location) -> MssqlSink:
    from .mssql_connection import Server
    from .mssql_sink import MssqlSink

    return MssqlSink(Server.of(config, location), location.fragment, config.table_schema)


SPEC = ConnectorSpec(
    name="mssql",
    summary="Tables of SQL Server and Azure SQL",
    kind="table",
    config=MssqlConfig,
    schemes=("mssql",),
    adf_types=(
        "SqlServer", "SqlServerTable", "SqlServerSource", "SqlServerSink", "AzureSqlDatabase",
        "AzureSqlTable",
        "AzureSqlSource", "AzureSqlSink", "AzureSqlMI", "AzureSqlMITable", "SqlMISource", "SqlMISink",
    ),
    capabilities=Capabilities(
        write_modes=frozenset(WriteMode), visibility="atomic", private_staging=True, cancel=True
    ),
    open_source=_open_source,
    open_sink=_open_sink,
    classify=classify,
    secrets=Secrets(environment={"": (PASSWORD_VARIABLE,), "password": (PASSWORD_VARIABLE,)}),
    example="crossdock copy 'mssql://reader@sql.example:1433/sales#dbo.orders' orders.parquet",
    requires=("mssql_python",),
    extra="crossdock[sql]",
)  # fmt: skip
