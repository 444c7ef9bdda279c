"""``COPY INTO``: Synapse and Fabric fetch staged Parquet files themselves, each into a staging table.

https://learn.microsoft.com/sql/t-sql/statements/copy-into-transact-sql
"""

# ruff: noqa: S608 - names go through MSSQL.quote(), texts through literal(); the statement takes no parameters.

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from crossdock import InternalError, NotSupportedError, Receipt, StagedFile

from .identifiers import MSSQL
from .mssql_staging import Staging, create_table

if TYPE_CHECKING:
    from .mssql_connection import Connection

Credential = Literal["stage", "managed_identity"]

# Azure Synapse Analytics (dedicated pools), and Fabric and serverless pools.
_EDITIONS = (6, 11)
_HOSTS = re.compile(
    r"https://[a-z0-9-]+(\.z\d+)?\.(blob|dfs)\.core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)/"
)


def literal(text: str) -> str:
    """A text as an SQL string; COPY INTO takes no national ones. NotSupportedError for other than ASCII."""
    if not text.isascii() or not text.isprintable():
        raise NotSupportedError("COPY INTO takes addresses and secrets of printable ASCII only")
    return "'" + text.replace("'", "''") + "'"


def statement(table: str, columns: Sequence[str], file: StagedFile, credential: Credential) -> str:
    """The COPY INTO of one file; the columns are those of the file, in its order. It holds the secret.

    Raises NotSupportedError for a file that the server cannot fetch.
    """
    if file.format != "parquet":
        raise NotSupportedError(f"COPY INTO does not load {file.format} from a stage")
    if not _HOSTS.match(file.url):
        raise NotSupportedError("COPY INTO fetches from Azure's own addresses only")
    listed = ", ".join(f"{MSSQL.quote(name)} {number}" for number, name in enumerate(columns, 1))
    options = ["FILE_TYPE = 'PARQUET'", *_credential(file, credential)]
    return f"COPY INTO {table} ({listed}) FROM {literal(file.url)} WITH ({', '.join(options)})"


def _credential(file: StagedFile, credential: Credential) -> list[str]:
    if credential == "managed_identity" or file.credential == "identity":
        return ["CREDENTIAL = (IDENTITY = 'Managed Identity')"]
    if file.credential == "none":
        return []
    identity = "Shared Access Signature" if file.credential == "sas" else "Storage Account Key"
    secret = literal(file.secret.removeprefix("?"))
    return [f"CREDENTIAL = (IDENTITY = {literal(identity)}, SECRET = {secret})"]


def load(
    connection: Connection, staging: Staging, name: str, file: StagedFile, credential: Credential
) -> Receipt:
    """Load the file into the staging table ``name``, made anew: the commit of the unit moves its rows.

    Raises NotSupportedError where the server has no COPY INTO.
    """
    columns, table = staging.schema.names, staging.table(name)
    copy = statement(table, columns, file, credential)
    edition = connection.value("SELECT CONVERT(int, SERVERPROPERTY('EngineEdition')) AS edition")
    if edition not in _EDITIONS:
        raise NotSupportedError(f"{connection.where} has no COPY INTO: that is Synapse's and Fabric's")
    connection.run(f"DROP TABLE IF EXISTS {table}")
    connection.run(create_table(table, columns, staging.staged))
    connection.run(copy)
    count = connection.value(f"SELECT COUNT_BIG(*) AS found FROM {table}")
    if count is None:
        raise InternalError(f"{connection.where} does not say how many rows it has loaded")
    return Receipt(name.encode(), 1, file.size, int(count))
