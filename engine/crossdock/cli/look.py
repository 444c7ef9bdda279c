"""``crossdock test-connection``, ``browse``, ``schema`` and ``preview``: looking before copying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import TransientError
from . import failure, options
from .carrying import warn_of_faults
from .key_values import key_values
from .session import Output, Session

if TYPE_CHECKING:
    from .look_text import Answer

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="A path or a URL.")]


def add_command(app: typer.Typer) -> None:
    app.command("test-connection", rich_help_panel=options.LOOKING)(test_connection)
    for command in (browse, schema, preview):
        app.command(rich_help_panel=options.LOOKING)(command)


def _begin(
    context: typer.Context, command: str, source_format: str | None, given: list[str] | None
) -> tuple[Session, dict[str, Any]]:
    session = options.session_of(context)
    session.command = command
    warn_of_faults(session)
    return session, {"source_format": source_format, "source_options": key_values(given, "-s")}


def _answer(session: Session, found: Answer) -> None:
    if session.json:
        session.show_json(found.output())
        return
    from .look_text import show

    show(session, found)


def test_connection(
    context: typer.Context,
    address: Address,
    *,
    source_format: options.Format = None,  # noqa: PT028 - no test
    source_option: options.SourceOptions = None,  # noqa: PT028 - no test
    output: options.OutputOption = Output.TEXT,  # noqa: PT028 - no test
    verbose: options.VerboseOption = False,  # noqa: PT028 - no test
) -> int:
    """Reach a server or folder and sign in: what answered, as whom, in what time. Exit code 0 or 2.

    crossdock test-connection postgresql://me@db.example.com/sales
    """
    from .. import interactive

    session, given = _begin(context, "test-connection", source_format, source_option)
    try:
        _answer(session, interactive.test_connection(address, **given))
    except TransientError as error:
        # That it may work later is no answer to the question whether it works.
        failure.report(error, session)
        return 2
    return 0


def browse(
    context: typer.Context,
    address: Address,
    *,
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many entries.")] = 1000,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on where an earlier answer ended.")
    ] = None,
    source_format: options.Format = None,
    source_option: options.SourceOptions = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """List what is there, one level: files and folders; schemas, tables (#schema.), columns (#schema.table).

    crossdock browse 'postgresql://me@db.example.com/sales#public.'
    """
    from .. import interactive

    session, given = _begin(context, "browse", source_format, source_option)
    _answer(session, interactive.browse(address, limit=limit, after=after, **given))


def schema(
    context: typer.Context,
    address: Address,
    *,
    source_format: options.Format = None,
    source_option: options.SourceOptions = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Show the columns of a table or file, as a copy would read them.

    crossdock schema orders.parquet
    """
    from .. import interactive

    session, given = _begin(context, "schema", source_format, source_option)
    _answer(session, interactive.schema(address, **given))


def preview(
    context: typer.Context,
    address: Address,
    *,
    rows: Annotated[int, typer.Option(metavar="N", help="How many rows.")] = 10,
    source_format: options.Format = None,
    source_option: options.SourceOptions = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Show the first rows of a table or file. Reads no more than it needs.

    crossdock preview 'data/*.csv' --rows 3
    """
    from .. import interactive

    session, given = _begin(context, "preview", source_format, source_option)
    _answer(session, interactive.preview(address, rows=rows, **given))
