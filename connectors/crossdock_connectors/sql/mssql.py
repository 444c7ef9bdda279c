"""SQL Server, Azure SQL and Synapse: tables, queries and procedures, as Arrow batches by mssql-python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock import (
    BulkLoad,
    Capabilities,
    ConfigError,
    ConnectorSpec,
    CrossdockError,
    Location,
    Secrets,
    WriteMode,
)

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation

    from .mssql_config import MssqlConfig
    from .mssql_sink import MssqlSink
    from .mssql_source import MssqlSource

PASSWORD_VARIABLE = "MSSQL_PASSWORD"  # noqa: S105 - the name of a variable


def _config() -> type[MssqlConfig]:
    from .mssql_config import MssqlConfig  # imports pydantic

    return MssqlConfig


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

    table = location.fragment
    procedure = config.sink_procedure()
    if config.keys and config.write_behavior != "upsert":
        raise ConfigError("keys need write_behavior=upsert")
    if config.delivery == "at-least-once" and config.write_behavior != "insert":
        raise ConfigError(f"write_behavior={config.write_behavior} is exactly once; leave out delivery")
    if config.delivery == "at-least-once" and config.default_values:
        raise ConfigError("default_values needs staging tables; leave out delivery")
    if config.pre_copy_script and not (table or procedure):
        raise ConfigError("pre_copy_script needs a table that the address names, as mssql://...#schema.table")
    return MssqlSink(Server.of(config, location), config, table)


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .mssql_adf import from_adf

    return from_adf(end)


def _classify(error: BaseException) -> CrossdockError | None:
    from .mssql_errors import classify

    return classify(error)


SPEC = ConnectorSpec(
    name="mssql",
    summary="Tables of SQL Server, Azure SQL and Synapse",
    kind="table",
    config=_config,
    schemes=("mssql",),
    adf_types=(
        "SqlServer", "SqlServerTable", "SqlServerSource", "SqlServerSink", "AzureSqlDatabase",
        "AzureSqlTable",
        "AzureSqlSource", "AzureSqlSink", "SqlSource", "SqlSink", "AzureSqlDW", "AzureSqlDWTable",
        "SqlDWSource", "SqlDWSink", "SqlPoolTable", "SqlPoolSource", "SqlPoolSink", "AzureSqlMI",
        "AzureSqlMITable", "SqlMISource", "SqlMISink",
        "AmazonRdsForSqlServer", "AmazonRdsForSqlServerTable", "AmazonRdsForSqlServerSource",
    ),
    capabilities=Capabilities(
        write_modes=frozenset(WriteMode), visibility="atomic", private_staging=True,
        read_back="before_commit", cancel=True,
        bulk_load=BulkLoad(frozenset({"parquet"}), frozenset({"https"})),
    ),
    open_source=_open_source,
    open_sink=_open_sink,
    classify=_classify,
    from_adf=_from_adf,
    secrets=Secrets(environment={"": (PASSWORD_VARIABLE,), "password": (PASSWORD_VARIABLE,)}),
    example="crossdock copy 'mssql://reader@sql.example:1433/sales#dbo.orders' orders.parquet",
    requires=("mssql_python",),
    extra="crossdock[sql]",
)  # fmt: skip
