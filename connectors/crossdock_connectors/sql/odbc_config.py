"""Options of databases behind an ODBC driver."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from crossdock import ConnectorConfig

from .odbc import PASSWORD_VARIABLE


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
        default=7200, ge=0, le=10**6, description="Seconds that a statement may take; 0: no limit"
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
