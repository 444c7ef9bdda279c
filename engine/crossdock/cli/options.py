"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Literal

import typer

from ..spi.data import WriteMode
from .session import Output, Session

ENDS, LIMITS, SAFETY, STAGE = "Source and sink", "Speed and limits", "Safety", "Staged copy"
SKIPPING = "What does not fit"
# Groups of commands in the help.
COPYING, LOOKING, HELP = "Copy", "Look first", "Help and set-up"


def session_of(context: typer.Context) -> Session:
    """The session of this invocation."""
    return context.ensure_object(Session)


def _set_output(context: typer.Context, value: Output) -> Output:
    if value is Output.JSON:
        session_of(context).output = value
    return value


def _set_verbose(context: typer.Context, value: bool) -> bool:
    if value:
        session_of(context).be_verbose()
    return value


def _formats(incomplete: str) -> list[str]:
    from ..plugins import registry

    return [spec.name for spec in registry().of_kind("format") if spec.name.startswith(incomplete)]


def _run_ids(incomplete: str) -> list[tuple[str, str]]:
    from ..api import runs

    known = runs()
    return [(r.run_id, f"{r.state}: {r.source}") for r in known if r.run_id.startswith(incomplete)]


# Eager, so that an error about another option is already answered as asked.
OutputOption = Annotated[
    Output,
    typer.Option("--output", is_eager=True, callback=_set_output, help="Text for people or one JSON object."),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", is_eager=True, callback=_set_verbose, help="Detail and tracebacks on stderr."
    ),
]
SourceOptions = Annotated[
    list[str] | None,
    typer.Option(
        "-s", "--source-option", metavar="KEY=VALUE", help="An option of the source.", rich_help_panel=ENDS
    ),
]
SinkOptions = Annotated[
    list[str] | None,
    typer.Option(
        "-k", "--sink-option", metavar="KEY=VALUE", help="An option of the sink.", rich_help_panel=ENDS
    ),
]
StageOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--stage-option", metavar="KEY=VALUE", help="An option of the stage.", rich_help_panel=STAGE
    ),
]
LogOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--log-option",
        metavar="KEY=VALUE",
        help="An option of the log's store.",
        rich_help_panel=SKIPPING,
    ),
]
LogAgain = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="ADDRESS",
        help="The log's address again, with its secret.",
        rich_help_panel=SKIPPING,
    ),
]
StageAgain = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="ADDRESS",
        help="The stage's address again, with its secret.",
        rich_help_panel=STAGE,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        autocompletion=_formats,
        help="Default: by the file extension.",
        rich_help_panel=ENDS,
    ),
]
SourceAgain = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="ADDRESS",
        help="The source's address again, with its secret.",
        rich_help_panel=ENDS,
    ),
]
SinkAgain = Annotated[
    str | None,
    typer.Option(
        "--sink",
        metavar="ADDRESS",
        help="The sink's address again, with its secret.",
        rich_help_panel=ENDS,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check and plan; write nothing.", rich_help_panel=SAFETY)
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Read back and prove the content: tables by every value; files by every byte and, where "
        "they are written in a format, by the values of about one row in 16.",
        rich_help_panel=SAFETY,
    ),
]
VerifyFull = Annotated[
    bool,
    typer.Option(
        "--verify-full",
        help="As --verify, with every value decoded again: about half as long again.",
        rich_help_panel=SAFETY,
    ),
]
Stage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Go by compressed Parquet files below this folder of a store.",
        rich_help_panel=STAGE,
    ),
]
SkipRows = Annotated[
    bool,
    typer.Option(
        "--skip-rows",
        help="Leave out rows that do not fit: values that do not convert, lines with too few or too many "
        "columns, keys that are taken. They are counted; exit code 3.",
        rich_help_panel=SKIPPING,
    ),
]
SkipFiles = Annotated[
    str,
    typer.Option(
        metavar="REASONS",
        help="Of many files, leave out those that are missing by now, forbidden or inconsistent "
        "(changed, or not what was read, with --verify); none: they end the copy.",
        rich_help_panel=SKIPPING,
    ),
]
NewRunId = Annotated[
    str | None,
    typer.Option("--run-id", metavar="ID", help="Name the run; default: made up.", rich_help_panel=SAFETY),
]
Mode = Annotated[
    WriteMode,
    typer.Option(
        metavar="MODE", help="A sink that exists: error, append or overwrite.", rich_help_panel=SAFETY
    ),
]
ColumnMap = Annotated[
    str | None,
    typer.Option(
        "--map",
        metavar="'A=B,C:TYPE=D'",
        help="Columns to copy, their names at the sink and, behind a colon, their types there: int64, "
        "decimal(10,2), date, timestamp, string, ...",
        rich_help_panel=ENDS,
    ),
]
AddedColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--add-column",
        metavar="NAME=VALUE",
        help="A column to add to the source's: with a text, $$FILEPATH (the path of the file), or "
        "$$COLUMN:NAME (another column again).",
        rich_help_panel=ENDS,
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        envvar="CROSSDOCK_MEMORY",
        show_envvar=False,
        help="At most this much for buffers.",
        rich_help_panel=LIMITS,
    ),
]
Bandwidth = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        envvar="CROSSDOCK_BANDWIDTH",
        show_envvar=False,
        help="At most this fast, e.g. 100MB/s.",
        rich_help_panel=LIMITS,
    ),
]
RunId = Annotated[str, typer.Argument(metavar="ID", autocompletion=_run_ids, help="The run.")]


def parallel_copies(text: str) -> int | Literal["auto"]:
    """``auto`` or a count from 1; anything else is a usage error."""
    if text.strip().lower() == "auto":
        return "auto"
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is neither 'auto' nor a number from 1.")
    return int(text)


ParallelCopies = Annotated[
    str,
    typer.Option(
        metavar="N|auto",
        parser=parallel_copies,
        envvar="CROSSDOCK_PARALLEL_COPIES",
        show_envvar=False,
        help="How many splits are carried at once.",
        rich_help_panel=LIMITS,
    ),
]


def asking(session: Session) -> Callable[[str], str] | None:
    """Asks on the terminal for a secret, unseen; None where nobody would answer."""
    if session.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(what: str) -> str:
        from getpass import getpass

        try:
            return getpass(f"{what}: ", stream=sys.stderr)
        except EOFError:
            raise KeyboardInterrupt from None

    return ask
