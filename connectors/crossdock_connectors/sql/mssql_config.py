"""Options of SQL Server and Azure SQL."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from crossdock_connectors.entra import EntraOptions

from .mssql import PASSWORD_VARIABLE
from .options import ProcedureOptions
from .parameters import Parameters, seconds


class MssqlConfig(EntraOptions, ProcedureOptions):
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
    instance: str = Field(
        default="",
        description="Name of an instance, whose port the SQL Server Browser of its machine tells; an address "
        "with a port needs none",
    )
    encrypt: Literal["yes", "strict", "no"] = Field(
        default="yes", description="Encrypt all data; strict: by TDS 8; no: only where the server insists"
    )
    trust_server_certificate: bool = Field(
        default=False,
        description="Take whatever certificate the server shows: somebody in between could read and change "
        "everything",
    )
    driver: str = Field(
        default="",
        description="ODBC driver for statements (metadata, scripts, commit), as odbcinst.ini names it; rows "
        "go through mssql-python all the same. The path of a library only where the environment variable "
        "CROSSDOCK_ODBC_DRIVERS lists it",
    )
    connect_timeout: int = Field(default=15, gt=0, le=3600, description="Seconds to wait for a connection")
    query_timeout: int = Field(
        default=7200, ge=0, le=10**6, description="Seconds that a statement may take; 0: no limit"
    )
    table_schema: str = Field(default="dbo", description="Schema of tables whose name has none")
    partition_option: Literal["auto", "None", "PhysicalPartitionsOfTable", "DynamicRange"] = Field(
        default="auto",
        description="Source: what is read in parallel; auto: DynamicRange where the clustered index or the "
        "primary key begins with a number, a date or a time",
    )
    partition_column: str = Field(
        default="", description="Source: column of DynamicRange; default: from the clustered index or the key"
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
        description="Source: Arrow has no offset per value. utc: as moments; text: kept",
    )
    keys: list[str] = Field(
        default=[], description="Sink: the columns that identify a row, for upsert; default: the primary key"
    )
    delivery: Literal["exactly-once", "at-least-once"] = Field(
        default="exactly-once",
        description="Sink: at-least-once loads straight into the table: faster, rows show at once, and those "
        "of a split that is tried again are there twice",
    )
    identity_insert: bool = Field(
        default=False, description="Sink: identity columns take the values of the source"
    )
    table_lock: bool | None = Field(
        default=None,
        description="Sink: lock the whole table while rows are inserted; default: only where a transaction "
        "inserts them all",
    )
    bulk_copy: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Sink: auto: where the server refuses a bulk copy, rows go as arrays of parameters "
        "(fast_executemany), about ten times slower; never: they go so from the beginning",
    )
    write_batch_size: int = Field(
        default=0,
        ge=0,
        description="Sink: rows per batch of the bulk copy, or per call of the procedure; 0: all",
    )
    write_batch_timeout: Annotated[int, BeforeValidator(seconds)] = Field(
        default=7200,
        ge=0,
        le=10**6,
        description="Sink: seconds (or 02:00:00) that a bulk copy or a statement of the commit may take; "
        "0: no limit",
    )
    allow_copy_command: bool = Field(
        default=False,
        description="Sink: Synapse fetches staged Parquet from Azure itself (COPY INTO), where a copy goes "
        "by a stage there",
    )
    copy_command_identity: Literal["stage", "managed_identity"] = Field(
        default="stage",
        description="Sink: what COPY INTO reads the stage with: the stage's own key or SAS, or the server's "
        "managed identity, with which a stage that is signed in to with Entra ID is read in any case",
    )
    copy_command_options: Parameters = Field(
        default={},
        description='Sink: further options of COPY INTO, as JSON by name: {"MAXERRORS": "0"}; texts with '
        "their quotes",
    )
    default_values: Parameters = Field(
        default={},
        description="Sink: values instead of NULL, and for columns that the source lacks, as JSON by column",
    )
    interim_schema_name: str = Field(
        default="", description="Sink: schema of the staging tables; default: that of the table"
    )
