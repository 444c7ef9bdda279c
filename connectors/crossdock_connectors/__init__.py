"""The built-in connectors. They load through the entry-point group ``crossdock``, as anyone's do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from crossdock import Check, ConnectorSpec


@hookimpl
def crossdock_connectors() -> list[ConnectorSpec]:
    from .azure import adls, blob
    from .formats import avro, binary, delimited, excel, jsonlines, orc, parquet, xml
    from .sql import mssql, odbc, postgres
    from .stores import file
    from .tables import sqlite

    return [
        module.SPEC
        for module in (
            file,
            blob,
            adls,
            binary,
            parquet,
            delimited,
            jsonlines,
            orc,
            avro,
            excel,
            xml,
            sqlite,
            postgres,
            mssql,
            odbc,
        )
    ]


@hookimpl
def crossdock_commands(app: typer.Typer) -> None:
    from .demo import add_command

    add_command(app)


@hookimpl
def crossdock_checks() -> Iterator[Check]:
    from .sql.odbc_checks import checks

    return checks()
