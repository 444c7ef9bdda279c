"""``crossdock runs``: list, show, resume and forget the runs that have a journal on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError
from ..report import camel
from . import figures, options
from .carrying import Progress, carry_out
from .key_values import key_values
from .session import Output, Session, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from ..report import CopyResult, RunInfo

_WIDE = 120
_STYLES = {
    "running": "cyan",
    "interrupted": "yellow",
    "failed": "red",
    "unreadable": "red",
    "succeeded": "green",
}

runs_app = typer.Typer(help="List, show, resume or forget runs.")


def add_command(app: typer.Typer) -> None:
    app.add_typer(runs_app, name="runs", rich_help_panel=options.COPYING)


@runs_app.callback(invoke_without_command=True)
def default(
    context: typer.Context, output: options.OutputOption = Output.TEXT, verbose: options.VerboseOption = False
) -> None:
    """List, show, resume or forget the runs that this machine has a journal of."""
    options.session_of(context).command = context.invoked_subcommand or "list"
    if context.invoked_subcommand is None:
        list_runs(context)


@runs_app.command("list")
def list_runs(
    context: typer.Context, output: options.OutputOption = Output.TEXT, verbose: options.VerboseOption = False
) -> None:
    """List the runs, the newest first."""
    from .. import api

    session = options.session_of(context)
    found = api.runs()
    if session.json:
        session.show_json({"runs": [as_json(run) for run in found]})
    elif found:
        session.show(_table(found, session))
    else:
        session.say("no runs yet")


@runs_app.command("show")
def show_run(
    context: typer.Context,
    run_id: options.RunId,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            dir_okay=False,
            writable=True,
            help="Also write where its time went as a page that needs nothing else.",
        ),
    ] = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Show how far a run got and, where it is over, what came out and where the time went."""
    from .. import api

    session = options.session_of(context)
    run = api.show(run_id)
    if session.json:
        session.show_json(as_json(run))
    else:
        from .explained import explained

        session.show(_details(run))
        if (more := explained(run)) is not None:
            session.show(more)
    if html is not None:
        _write_page(run, html)


def _write_page(run: RunInfo, file: Path) -> None:
    from .explained_page import page

    try:
        file.write_text(page(run), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html {file}: {error.strerror}") from error


@runs_app.command("resume")
def resume_run(
    context: typer.Context,
    *,
    run_id: options.RunId,
    source: options.SourceAgain = None,
    sink: options.SinkAgain = None,
    source_option: options.SourceOptions = None,
    sink_option: options.SinkOptions = None,
    stage: options.StageAgain = None,
    stage_option: options.StageOptions = None,
    log: options.LogAgain = None,
    log_option: options.LogOptions = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Go on with a run that was interrupted or failed.

    Journals keep no secrets: those from env:NAME or @FILE are read there again.
    Give others again as -s, -k, --source or --sink; a terminal asks for them.
    """
    from .. import api

    session = options.session_of(context)
    source_options = key_values(source_option, "-s")
    sink_options = key_values(sink_option, "-k")
    stage_options = key_values(stage_option, "--stage-option")
    log_options = key_values(log_option, "--log-option")

    def start(progress: Progress) -> CopyResult:
        return api.resume(
            run_id,
            source=source,
            sink=sink,
            source_options=source_options,
            sink_options=sink_options,
            stage=stage,
            stage_options=stage_options,
            log=log,
            log_options=log_options,
            ask=options.asking(session),
            progress=progress,
        )

    return carry_out(session, f"run {run_id}", start)


@runs_app.command("forget")
def forget_run(
    context: typer.Context,
    *,
    run_ids: Annotated[list[str], typer.Argument(metavar="ID", help="The runs.", show_default=False)],
    sink: options.SinkAgain = None,
    sink_option: options.SinkOptions = None,
    stage: options.StageAgain = None,
    stage_option: options.StageOptions = None,
    journal_only: Annotated[
        bool,
        typer.Option("--journal-only", help="Leave the sink alone: it is gone, or may keep what is staged."),
    ] = False,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Remove the journal of runs and what they have staged. They cannot be resumed afterwards."""
    from .. import api

    session = options.session_of(context)
    sink_options = key_values(sink_option, "-k")
    stage_options = key_values(stage_option, "--stage-option")
    left: dict[str, int | None] = {}
    for run_id in run_ids:
        left[run_id] = api.forget(
            run_id,
            sink=sink,
            sink_options=sink_options,
            stage=stage,
            stage_options=stage_options,
            ask=options.asking(session),
            journal_only=journal_only,
        )
        if not session.json:
            session.show(f"forgot {one_line(run_id)}{_left(left[run_id])}")
    if session.json:
        session.show_json({"forgotten": run_ids, "unitsLeft": left})


def _left(units: int | None) -> str:
    if units is None:
        return "; what it may have staged at the sink is not known and stays there"
    return f"; what it has staged of {figures.count(units, 'unit')} stays at the sink" if units else ""


def as_json(run: RunInfo) -> dict[str, Any]:
    """A run with the keys in the camel case of the copy output."""
    return {camel(key): value for key, value in asdict(run).items()}


def _table(found: list[RunInfo], session: Session) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    arrow = "→" if session.out.is_terminal else "->"
    # What ``runs show`` tells too gives way on a narrow terminal: where a run goes says most about it.
    wide = session.out.width >= _WIDE
    headings = ("RUN", "STATE", *(("CREATED", "DONE", "ROWS", "BYTES") if wide else ("DONE",)))
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("ROWS", "BYTES") else "left")
    table.add_column(f"FROM {arrow} TO", overflow="fold", min_width=20)
    for run in found:
        table.add_row(
            Text(one_line(run.run_id)),
            Text(run.state, style=_STYLES[run.state]),
            *((_when(run), _done(run), _rows(run), _bytes(run)) if wide else (_done(run),)),
            Text(one_line(run.error if run.state == "unreadable" else f"{run.source} {arrow} {run.sink}")),
        )
    return table


def _details(run: RunInfo) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    rows = [
        ("run", run.run_id),
        ("state", run.state),
        ("created", _when(run)),
        ("source", run.source),
        ("sink", run.sink),
        ("done", _done(run)),
        ("visible", _visible(run)),
        ("bytes", _bytes(run)),
        ("rows", _rows(run)),
        ("error", run.error),
        ("resume", f"crossdock runs resume {run.run_id}" if run.state in ("interrupted", "failed") else ""),
    ]
    for label, value in rows:
        if value:
            style = _STYLES.get(value, "") if label == "state" else ""
            grid.add_row(Text(label), Text(one_line(value), style=style))
    return grid


def _done(run: RunInfo) -> str:
    """A journal keeps units and splits only as long as some are open."""
    if run.state == "succeeded":
        return "all"
    splits = f"{run.splits_done:,} of {run.splits_total:,} splits"
    return splits if run.units_total <= 1 else f"{run.units_done:,} of {run.units_total:,} units, {splits}"


def _visible(run: RunInfo) -> str:
    """What a run that did not end well has left at the sink for all to see."""
    if run.state == "succeeded" or run.units_total <= 1 or not run.units_visible:
        return ""
    return f"{run.units_visible:,} of {run.units_total:,} units can be seen at the sink"


def _rows(run: RunInfo) -> str:
    rows = run.output.get("rowsCopied") if run.output else run.rows_done
    return "" if rows is None else f"{rows:,}"


def _bytes(run: RunInfo) -> str:
    return figures.size(
        (run.output["dataRead"] or run.output["dataWritten"]) if run.output else run.bytes_done
    )


def _when(run: RunInfo) -> str:
    return run.created.astimezone().strftime("%Y-%m-%d %H:%M:%S")
