"""``COPY INTO``: a dedicated SQL pool of Synapse fetches staged Parquet files, each into a staging table.

https://learn.microsoft.com/sql/t-sql/statements/copy-into-transact-sql
"""

# ruff: noqa: S608 - names go through MSSQL.quote(), texts through literal(); the statement takes no parameters.

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from crossdock import ConfigError, DataError, InternalError, NotSupportedError, Receipt, StagedFile

from .identifiers import MSSQL
from .mssql_staging import Staging, create_table
from .mssql_types import Type, declaration

if TYPE_CHECKING:
    import pyarrow as pa

    from .mssql_connection import Connection

Credential = Literal["stage", "managed_identity"]

_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 7}
_NARROW = ("char", "varchar")
# What is said here of the file and its credential, and what would leave rows out.
OURS = frozenset(("FILE_TYPE", "FILE_FORMAT", "CREDENTIAL", "MAXERRORS", "ERRORFILE", "ERRORFILE_CREDENTIAL"))
_NAME = re.compile(r"[A-Za-z_]+")
_VALUE = re.compile(r"\d{1,9}|[A-Za-z_0-9]+|'(?:[^'\x00-\x1f]|'')*'")
_HOSTS = re.compile(
    r"https://[a-z0-9-]+(\.z\d+)?\.(blob|dfs)\.core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)/"
)


def literal(text: str) -> str:
    """A text as an SQL string; COPY INTO takes no national ones. NotSupportedError for other than ASCII."""
    if not text.isascii() or not text.isprintable():
        raise NotSupportedError("COPY INTO takes addresses and secrets of printable ASCII only")
    return "'" + text.replace("'", "''") + "'"


def further(options: Mapping[str, object]) -> list[str]:
    """Options of the statement as the user gives them. Raises ConfigError for what is not theirs."""
    found = []
    for name, value in options.items():
        text = str(value).strip()
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(text):
            raise ConfigError(f"copy_command_options: {name!r} = {text!r} is no option of COPY INTO")
        if name.upper() in OURS and text.strip("'0"):
            raise ConfigError(
                f"copy_command_options: {name} is not the user's to give: the files are of this copy's own "
                "making, and none of their rows may be left out"
            )
        if name.upper() not in OURS:
            found.append(f"{name.upper()} = {text}")
    return found


def statement(
    table: str,
    columns: Sequence[str],
    file: StagedFile,
    credential: Credential,
    options: Mapping[str, object] | None = None,
) -> str:
    """The COPY INTO of one file; the columns are those of the file, in its order. It holds the secret.

    Raises NotSupportedError for a file that the server cannot fetch.
    """
    if file.format != "parquet":
        raise NotSupportedError(f"COPY INTO does not load {file.format} from a stage")
    if not _HOSTS.match(file.url):
        raise NotSupportedError("COPY INTO fetches from Azure's own addresses only")
    listed = ", ".join(f"{MSSQL.quote(name)} {number}" for number, name in enumerate(columns, 1))
    given = ["FILE_TYPE = 'PARQUET'", *_credential(file, credential), *further(options or {})]
    return f"COPY INTO {table} ({listed}) FROM {literal(file.url)} WITH ({', '.join(given)})"


def _credential(file: StagedFile, credential: Credential) -> list[str]:
    if credential == "managed_identity" or file.credential == "identity":
        return ["CREDENTIAL = (IDENTITY = 'Managed Identity')"]
    if file.credential == "none":
        return []
    identity = "Shared Access Signature" if file.credential == "sas" else "Storage Account Key"
    secret = literal(file.secret.removeprefix("?"))
    return [f"CREDENTIAL = (IDENTITY = {literal(identity)}, SECRET = {secret})"]


def fetched(column: pa.Field, target: str, staged: str) -> str:
    """The type of the staging table's column for one of a file, in which each of its values stays what it is.

    Raises NotSupportedError where rows have to be looked at, or changed, before they are loaded.
    """
    import pyarrow as pa

    kind, own = Type.parse(target), Type.parse(staged)
    if pa.types.is_timestamp(column.type) or pa.types.is_time(column.type):
        exact = "datetime2" if pa.types.is_timestamp(column.type) else "time"
        digits = _DIGITS[column.type.unit]
        if kind.name != exact or kind.scale < digits or getattr(column.type, "tz", None):
            raise NotSupportedError(f"COPY INTO does not look at the moments of {column.name!r} for {kind}")
    if own.name in _NARROW:
        # In a narrow column characters would be lost before anybody could see it.
        return str(Type("nvarchar", own.length if 0 < own.length <= 4000 else -1))
    if "char" in own.name or "binary" in own.name:
        return staged
    return declaration(column)


def load(
    connection: Connection,
    staging: Staging,
    name: str,
    file: StagedFile,
    *given: Any,
) -> Receipt:
    """Load the file into the staging table ``name``, made anew: the commit of the unit moves its rows.
    ``given`` is what ``statement`` takes after the file.

    Raises NotSupportedError where the server has no COPY INTO, DataError for a text that the target would
    change.
    """
    columns, table = staging.schema.names, staging.table(name)
    copy = statement(table, columns, file, *given)
    kinds = list(map(fetched, staging.schema, staging.declared, staging.staged))
    if not staging.pool:
        raise NotSupportedError(
            f"{connection.where} has no COPY INTO, as dedicated SQL pools of Synapse have"
        )
    connection.run(f"DROP TABLE IF EXISTS {table}")
    connection.run(create_table(table, columns, kinds, pool=True, heap=True))
    connection.run(copy)
    for column, kind in zip(columns, map(Type.parse, staging.staged), strict=True):
        if kind.name in _NARROW:
            _check_narrow(connection, table, column, kind)
    count = connection.value(f"SELECT COUNT_BIG(*) AS found FROM {table}")
    if count is None:
        raise InternalError(f"{connection.where} does not say how many rows it has loaded")
    return Receipt(name.encode(), 1, file.size, int(count))


def _check_narrow(connection: Connection, table: str, column: str, kind: Type) -> None:
    named = MSSQL.quote(column)
    there_and_back = f"CONVERT(nvarchar(max), CONVERT(varchar(max), {named}))"
    if connection.run(
        f"SELECT TOP (1) 1 AS found FROM {table} "
        f"WHERE CONVERT(varbinary(max), {there_and_back}) <> CONVERT(varbinary(max), {named})"
    ):
        raise DataError(f"column {column!r} has characters that {kind} would change; use nvarchar")
