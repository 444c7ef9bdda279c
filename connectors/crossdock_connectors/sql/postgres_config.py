"""Options of PostgreSQL."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from crossdock import ConnectorConfig

from .parameters import Parameters, word


class PostgresConfig(ConnectorConfig):
    """Options of PostgreSQL tables."""

    password: SecretStr | None = Field(
        default=None, description="The user's password; else PGPASSWORD or ~/.pgpass"
    )
    sslmode: Literal["", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="",
        description="libpq's sslmode; default: verify-full, and prefer for this machine's own server",
    )
    sslrootcert: str = Field(
        default="",
        description="File of the certificates to trust; default: ~/.postgresql/root.crt or the system's",
    )
    schema_name: str = Field(default="", description="The schema of tables that are named without one")
    query_timeout: float = Field(
        default=0.0, ge=0, le=10**6, description="Seconds that one statement may take; 0: no limit"
    )
    lock_timeout: float = Field(
        default=0.0, ge=0, le=10**6, description="Seconds to wait for somebody's lock; 0: no limit"
    )
    query: str = Field(default="", description="Source: a SELECT to read instead of a table")
    procedure: str = Field(
        default="", description="Source: a function to read instead of a table, for the rows that it returns"
    )
    parameters: Parameters = Field(
        default={}, description="Source: parameters of the procedure, as JSON by name"
    )
    partition_option: Literal["auto", "None", "PhysicalPartitionsOfTable", "DynamicRange"] = Field(
        default="auto",
        description="Source: what is read in parallel; auto: ranges of partition_column, or places in the "
        "table's file; DynamicRange: ranges of partition_column, by default of what the table is clustered "
        "by or of its primary key",
    )
    partition_column: str = Field(
        default="",
        description="Source: ranges of this column are read in parallel instead; for a query the way",
    )
    partition_lower_bound: str = Field(
        default="",
        description="Source: where the ranges of partition_column begin; what is below is read as well",
    )
    partition_upper_bound: str = Field(
        default="",
        description="Source: where the ranges of partition_column end; what is above is read as well",
    )
    isolation_level: Literal["", "ReadCommitted", "RepeatableRead", "Serializable"] = Field(
        default="",
        description="Source: isolation level of the reading; default: RepeatableRead, in one snapshot; "
        "ReadCommitted: each split at its own time",
    )
    snapshot: bool = Field(
        default=True, description="Source: everything in one snapshot; false: each split at its own time"
    )
    decimals: str = Field(
        default="text",
        description="Source: what a numeric without a precision becomes: text, float, or decimal(38,10)",
    )
    unrepresentable: Literal["error", "null"] = Field(
        default="error",
        description="Source: NaN in decimals, infinite dates, 24:00:00: refuse them or read null",
    )
    write_behavior: Annotated[Literal["insert", "upsert", "stored_procedure"], BeforeValidator(word)] = Field(
        default="insert",
        description="Sink: upsert replaces rows with the same keys, stored_procedure hands the rows to a "
        "procedure; both need mode append",
    )
    keys: list[str] = Field(default=[], description="Sink: the columns that identify a row, for upsert")
    delivery: Literal["exactly-once", "at-least-once"] = Field(
        default="exactly-once",
        description="Sink: at-least-once loads straight into the table (mode append): faster; rows show "
        "split by split, and those of a split that was done when the process was killed may be there twice",
    )
    table_option: Literal["auto_create", "none"] = Field(
        default="auto_create", description="Sink: create a missing table, or refuse"
    )
    pre_copy_script: str = Field(
        default="", description="Sink: SQL that runs once, in the transaction that makes the rows visible"
    )
    keep_nulls: bool = Field(
        default=True, description="Sink: NULL stays NULL; false: it becomes the column's default"
    )
    fire_triggers: bool = Field(
        default=True, description="Sink: triggers of the table fire; false needs to be its owner"
    )
    table_lock: bool = Field(
        default=False, description="Sink: lock the table against other writers before rows are moved into it"
    )
    stored_procedure: str = Field(
        default="", description="Sink: the procedure or function that takes the rows, in the transaction"
    )
    stored_procedure_table_type: str = Field(
        default="",
        description="Sink: the composite type (or table) of whose rows the procedure takes an array",
    )
    stored_procedure_table_type_parameter_name: str = Field(
        default="", description="Sink: the parameter of the procedure that takes the rows"
    )
    stored_procedure_parameters: Parameters = Field(
        default={}, description="Sink: other parameters of the procedure, as JSON by name"
    )
    write_batch_size: int = Field(
        default=0, ge=0, description="Sink: rows of one call of the procedure; 0: 10,000"
    )
