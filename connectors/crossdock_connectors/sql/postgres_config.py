"""Options of PostgreSQL."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from .options import ProcedureOptions


class PostgresConfig(ProcedureOptions):
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
    keys: list[str] = Field(default=[], description="Sink: the columns that identify a row, for upsert")
    delivery: Literal["exactly-once", "at-least-once"] = Field(
        default="exactly-once",
        description="Sink: at-least-once loads straight into the table (mode append): faster; rows show "
        "split by split, and those of a split that was done when the process was killed may be there twice",
    )
    table_lock: bool = Field(
        default=False, description="Sink: lock the table against other writers before rows are moved into it"
    )
    write_batch_size: int = Field(
        default=0, ge=0, description="Sink: rows of one call of the procedure; 0: 10,000"
    )
