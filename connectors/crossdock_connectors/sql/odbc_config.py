"""Options of databases behind an ODBC driver."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from .odbc import PASSWORD_VARIABLE
from .options import TableOptions
from .parameters import Parameters, word


class OdbcConfig(TableOptions):
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
        default=7200, ge=0, le=10**6, description="Seconds that a statement may take; 0: no limit"
    )
    procedure: str = Field(
        default="",
        description="Source: a stored procedure to read instead of a table; it runs once more for its "
        "columns, which is taken back where the database can",
    )
    parameters: Parameters = Field(
        default={}, description="Source: parameters of the stored procedure, as JSON in its order"
    )
    partition_option: Literal["None", "DynamicRange"] = Field(
        default="None",
        description="Source: DynamicRange reads ranges of a key in parallel, with about equally many rows, "
        "each at its own time: ODBC has no snapshot for several connections",
    )
    partition_column: str = Field(
        default="",
        description="Source: column of DynamicRange; default: the first of the clustered index or the key",
    )
    isolation_level: Literal[
        "", "ReadCommitted", "ReadUncommitted", "RepeatableRead", "Serializable", "Snapshot"
    ] = Field(default="", description="Source: isolation level of each SELECT; default: the database's")
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
    write_behavior: Annotated[Literal["insert", "upsert"], BeforeValidator(word)] = Field(
        default="insert", description="Sink: upsert replaces rows with the same keys (mode append)"
    )
    keys: list[str] = Field(
        default=[], description="Sink: the columns that identify a row, for upsert; default: the primary key"
    )
    delivery: Literal["exactly-once", "at-least-once"] = Field(
        default="exactly-once",
        description="Sink: at-least-once inserts straight into the table (mode append): faster; rows show "
        "split by split, and those of a split that is tried again may be there twice",
    )
    identity_insert: bool = Field(
        default=False,
        description="Sink: columns that number themselves take the values of the source (PostgreSQL, SQL "
        "Server)",
    )
    table_lock: bool = Field(
        default=False,
        description="Sink: lock the table before rows are moved into it (PostgreSQL, SQL Server); an upsert "
        "does so anyway where that is known",
    )
    write_batch_size: int = Field(
        default=0, ge=0, le=10**6, description="Sink: rows of one round trip; 0: as many as fit into memory"
    )
