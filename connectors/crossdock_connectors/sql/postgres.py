"""PostgreSQL: tables and queries, read and written as Arrow batches with COPY through its ADBC driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock import Capabilities, ConfigError, ConnectorSpec, CrossdockError, Location, Secrets, WriteMode

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation

    from .postgres_config import PostgresConfig
    from .postgres_database import Database
    from .postgres_procedure import Procedure
    from .postgres_sink import PostgresSink
    from .postgres_source import PostgresSource


LEVELS = {"": "", "ReadCommitted": "READ COMMITTED", "RepeatableRead": "REPEATABLE READ",
          "Serializable": "SERIALIZABLE"}  # fmt: skip


def _database(config: PostgresConfig, location: Location) -> tuple[Database, str]:
    """The database and what the report says about a connection that is not verified."""
    from .postgres_address import connection_string, parameters, shown, weakness
    from .postgres_database import Database

    password = config.password.get_secret_value() if config.password else ""
    given = {"password": password, "sslmode": config.sslmode, "sslrootcert": config.sslrootcert}
    found = parameters(location, given)
    settings = {}
    if config.query_timeout:
        settings["statement_timeout"] = str(max(1, int(config.query_timeout * 1000)))
    if config.lock_timeout:
        settings["lock_timeout"] = str(max(1, int(config.lock_timeout * 1000)))
    return Database(connection_string(found), shown(found), settings), weakness(found)


def _named(config: PostgresConfig, location: Location) -> tuple[str, str]:
    """Schema and table of the address; each may be empty."""
    if not location.fragment:
        return config.schema_name, ""
    from .identifiers import POSTGRES

    *schema, table = parts = POSTGRES.parse(location.fragment)
    POSTGRES.quoted(parts)  # refuses what is no name
    return (schema[0] if schema else config.schema_name), table


def _config() -> type[PostgresConfig]:
    from .postgres_config import PostgresConfig  # imports pydantic

    return PostgresConfig


def _open_source(config: PostgresConfig, location: Location) -> PostgresSource:
    from ..queries import one_select
    from .postgres_source import PostgresSource

    query = one_select(config.query, "values", "table")
    if sum(map(bool, (query, config.procedure, location.fragment))) > 1:
        raise ConfigError("name one of a table, a query and a procedure to read")
    if config.procedure:
        from .postgres_scripting import reading

        query = reading(config.procedure, config.parameters)
    database, weakness = _database(config, location)
    schema, table = _named(config, location)
    _check_partition(config, query)
    bounds = (config.partition_lower_bound, config.partition_upper_bound)
    if any(bounds) and not (all(bounds) and config.partition_column):
        raise ConfigError(
            "partition_lower_bound and partition_upper_bound go together, with partition_column"
        )
    snapshot = config.snapshot and config.isolation_level != "ReadCommitted"
    return PostgresSource(
        database, schema, table, query, config.partition_option, config.partition_column,
        bounds if all(bounds) else None, snapshot, LEVELS[config.isolation_level], config.decimals,
        config.unrepresentable, weakness,
    )  # fmt: skip


def _check_partition(config: PostgresConfig, query: str) -> None:
    """Raises ConfigError for ways of cutting that do not fit together."""
    from .ranges import PLACEHOLDER

    option, column = config.partition_option, config.partition_column
    if option in ("None", "PhysicalPartitionsOfTable") and column:
        raise ConfigError("partition_column needs partition_option=DynamicRange or auto")
    if PLACEHOLDER in query and not column:
        raise ConfigError(f"a query with {PLACEHOLDER} needs partition_column=...")
    if config.procedure and option != "None" and (column or option != "auto"):
        raise ConfigError(f"partition_option={option}: what a procedure gives is read in one piece")
    if query and not column and option in ("DynamicRange", "PhysicalPartitionsOfTable"):
        raise ConfigError(f"partition_option={option}: a query is cut by a partition_column")


def _open_sink(config: PostgresConfig, location: Location) -> PostgresSink:
    from ..queries import statements
    from .postgres_commit import How
    from .postgres_sink import PostgresSink

    database, weakness = _database(config, location)
    schema, table = _named(config, location)
    keys = tuple(key.strip() for key in config.keys if key.strip())
    if (config.write_behavior == "upsert") != bool(keys):
        raise ConfigError("write_behavior=upsert needs keys=column,column, and keys need it")
    procedure = _procedure(config)
    if config.pre_copy_script and not (table or procedure):
        raise ConfigError("pre_copy_script needs a table that the address names, as postgresql://...#table")
    direct = config.delivery == "at-least-once"
    how = How(keys, tuple(statements(config.pre_copy_script)), config.keep_nulls, config.fire_triggers,
              config.table_lock, procedure)  # fmt: skip
    if direct and how != How():
        raise ConfigError(
            "delivery=at-least-once has no transaction for keys, pre_copy_script, keep_nulls=false, "
            "fire_triggers=false, table_lock or a stored procedure"
        )
    creates = config.table_option == "auto_create"
    return PostgresSink(database, schema, table, how, creates, direct, weakness)


def _procedure(config: PostgresConfig) -> Procedure | None:
    from .postgres_procedure import Procedure
    from .postgres_scripting import assignments

    given = config.sink_procedure()
    if given is None:
        return None
    return Procedure(*given, assignments(config.stored_procedure_parameters), config.write_batch_size)


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .postgres_adf import from_adf

    return from_adf(end)


def _classify(error: BaseException) -> CrossdockError | None:
    from .postgres_errors import classify

    return classify(error)


SPEC = ConnectorSpec(
    name="postgres",
    summary="Tables of a PostgreSQL database",
    kind="table",
    config=_config,
    schemes=("postgresql", "postgres"),
    adf_types=(
        "PostgreSqlV2Table", "PostgreSqlTable", "AzurePostgreSqlTable", "PostgreSqlV2Source",
        "PostgreSqlSource", "AzurePostgreSqlSource",
        "AzurePostgreSqlSink", "RelationalTable", "RelationalSource",
        "PostgreSqlV2", "PostgreSql", "AzurePostgreSql",
    ),
    capabilities=Capabilities(
        write_modes=frozenset(WriteMode),
        visibility="atomic",
        private_staging=True,
        read_back="before_commit",
        cancel=True,
    ),
    open_source=_open_source,
    open_sink=_open_sink,
    classify=_classify,
    from_adf=_from_adf,
    secrets=Secrets(environment={"password": ("PGPASSWORD",), "": ("PGPASSWORD",)}),
    example="crossdock copy 'data/*.csv' 'postgresql://user@host/db#sales.orders'",
    requires=("adbc_driver_postgresql", "adbc_driver_manager"),
    extra="crossdock[postgres]",
)  # fmt: skip
