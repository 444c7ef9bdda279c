"""A SQL Server for a test: our own TDS server, or the live one that CROSSDOCK_TEST_MSSQL names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from crossdock import Location
from crossdock_connectors.sql.mssql_config import MssqlConfig
from crossdock_connectors.sql.mssql_connection import Connection, Server

from .tds import PASSWORD, TdsServer

LIVE = "CROSSDOCK_TEST_MSSQL"


@dataclass
class SqlServer:
    """``schema`` is the test's own. ``fake`` is our own server, with which a test can do more."""

    address: str
    schema: str
    options: dict[str, str] = field(default_factory=dict)
    fake: TdsServer | None = None

    def url(self, table: str = "") -> str:
        return self.address + (f"#{self.schema}.{table}" if table else "")

    def connect(self, **options: Any) -> Connection:
        config = MssqlConfig(**{**self.options, **options})
        return Server.of(config, Location.parse(self.address)).connect()

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in which ``{s}`` stands for the schema; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with self.connect() as connection:
            for each in statements:
                rows = connection.run(each.replace("{s}", f"[{self.schema}]"))
        return rows

    def tables(self) -> list[str]:
        """The names of the tables in the schema."""
        return sorted(
            name
            for (name,) in self.run(
                "SELECT t.name AS name FROM sys.tables AS t JOIN sys.schemas AS s "
                f"ON s.schema_id = t.schema_id WHERE s.name = N'{self.schema}'"
            )
        )


@contextmanager
def on_fake(server: TdsServer) -> Iterator[SqlServer]:
    """Its authority and password are in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(server.ca))
        patch.setenv("MSSQL_PASSWORD", PASSWORD)
        found = SqlServer(server.url(), f"s{uuid4().hex[:12]}", fake=server)
        found.run("CREATE SCHEMA {s}")
        try:
            yield found
        finally:
            server.database.forget()


@contextmanager
def on_live() -> Iterator[SqlServer]:
    """Skips the test without a live server; what it made is dropped."""
    address = os.environ.get(LIVE, "")
    if not address:
        pytest.skip(f"{LIVE} names no live server (mssql://user:password@host:1433/empty_database)")
    assert urlsplit(address).scheme == "mssql", f"{LIVE} is no mssql:// URL"
    # Servers in containers have certificates of their own making.
    found = SqlServer(address, f"s{uuid4().hex[:12]}", {"trust_server_certificate": "true"})
    found.run("CREATE SCHEMA {s}")
    try:
        yield found
    finally:
        _drop(found)


def _drop(server: SqlServer) -> None:
    owned = (
        ("PROCEDURE", "SELECT name FROM sys.procedures WHERE schema_id = {id}"),
        ("TABLE", "SELECT name FROM sys.tables WHERE schema_id = {id}"),
        ("TYPE", "SELECT name FROM sys.types WHERE is_user_defined = 1 AND schema_id = {id}"),
    )
    for kind, listed in owned:
        with suppress(Exception):
            for (name,) in server.run(listed.replace("{id}", f"SCHEMA_ID(N'{server.schema}')")):
                quoted = str(name).replace("]", "]]")
                server.run(f"DROP {kind} {{s}}.[{quoted}]")
    with suppress(Exception):
        server.run("DROP SCHEMA {s}")
