"""``crossdock bench``: measures a copy under several settings, and says which to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError
from ..spi.data import WriteMode
from . import figures, options
from .key_values import key_values
from .session import Output, Session

if TYPE_CHECKING:
    from ..bench.advice import Advice
    from ..bench.sweep import Findings, Step

_SWEEP = "What is tried"
_NOTES = (
    "Each copy goes into a target of its own beside SINK, which is removed after it: SINK itself is neither "
    "read nor changed. A list of values is in ascending order; none: that setting is left as it is."
)

bench_app = typer.Typer(help="Measure a copy under several settings.")


def add_command(app: typer.Typer) -> None:
    app.add_typer(bench_app, name="bench", rich_help_panel=options.COPYING)


@bench_app.callback()
def default() -> None:
    """Measure a copy under several settings, and say which to take."""


@bench_app.command("sweep", epilog=_NOTES)
def sweep(
    context: typer.Context,
    *,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="As for copy.")],
    sink: Annotated[str, typer.Argument(metavar="SINK", help="As for copy; copies go beside it.")],
    parallel_copies: Annotated[
        str,
        typer.Option(metavar="N,N,..", help="Numbers of splits carried at once.", rich_help_panel=_SWEEP),
    ] = "1,2,4,8,16",
    block_size: Annotated[
        str,
        typer.Option(
            metavar="SIZE,SIZE,..", help="Sizes of blocks; for sinks with files.", rich_help_panel=_SWEEP
        ),
    ] = "4,8,16MiB",
    concurrent_jobs: Annotated[
        str,
        typer.Option(
            metavar="N,N,..", help="Numbers of such copies at the same time.", rich_help_panel=_SWEEP
        ),
    ] = "1,2,4,8",
    grid: Annotated[
        bool,
        typer.Option(
            "--grid", help="Try every combination, not one setting after the other.", rich_help_panel=_SWEEP
        ),
    ] = False,
    runs: Annotated[
        int, typer.Option(min=3, max=100, help="Runs of each setting; medians count.", rich_help_panel=_SWEEP)
    ] = 5,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place",
            help="Write to SINK itself, which each copy replaces; takes --mode overwrite.",
            rich_help_panel=_SWEEP,
        ),
    ] = False,
    confirm: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The --output json of an earlier sweep: does what it recommends hold?",
            rich_help_panel=_SWEEP,
        ),
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curves.", rich_help_panel=_SWEEP)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with curves and figures.", rich_help_panel=_SWEEP),
    ] = None,
    source_format: options.Format = None,
    sink_format: options.Format = None,
    source_option: options.SourceOptions = None,
    sink_option: options.SinkOptions = None,
    column_map: options.ColumnMap = None,
    add_column: options.AddedColumns = None,
    memory: options.Memory = "512MiB",
    bandwidth: options.Bandwidth = None,
    mode: options.Mode = WriteMode.ERROR,
    verify: options.Verify = False,
    verify_full: options.VerifyFull = False,
    stage: options.Stage = None,
    stage_option: options.StageOptions = None,
    skip_rows: options.SkipRows = False,
    skip_files: options.SkipFiles = "missing",
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Find how many parallel copies, which blocks and how many concurrent jobs suit this copy and machine.

    crossdock bench sweep data/orders.csv out/orders.parquet --html sweep.html
    """
    session = options.session_of(context)
    session.command = "bench sweep"
    if in_place and mode is not WriteMode.OVERWRITE:
        raise ConfigError("--in-place replaces what is at the sink; say so with --mode overwrite")
    from ..bench import answer
    from ..bench.advice import advise
    from ..bench.scratch import Copy
    from ..bench.settings import MOST, Tried, counts, sizes
    from ..bench.sweep import sweep as measure

    if png or html:
        from ..bench.chart import need

        need()
        _writable(png, html)
    earlier = answer.read(confirm) if confirm else None
    tried = Tried(
        counts(parallel_copies, "--parallel-copies", MOST["parallel"]),
        sizes(block_size, "--block-size"),
        counts(concurrent_jobs, "--concurrent-jobs", MOST["jobs"]),
    )
    if not any((tried.parallel, tried.block, tried.jobs)):
        raise ConfigError("there is nothing to try: every list of values is none")
    given = {
        "source_format": source_format,
        "sink_format": sink_format,
        "source_options": key_values(source_option, "-s"),
        "sink_options": key_values(sink_option, "-k"),
        "map": column_map,
        "add_columns": add_column,
        "memory": memory,
        "bandwidth": bandwidth,
        "mode": mode.value,
        "verify": "full" if verify_full else verify,
        "stage": stage,
        "stage_options": key_values(stage_option, "--stage-option"),
        "skip_rows": skip_rows,
        "skip_files": skip_files,
    }
    _hide_secrets(source, sink, given)
    copy = Copy(source, sink, given)
    with _telling(session) as tell:
        found = measure(copy, tried, runs=runs, grid=grid, in_place=in_place, tell=tell)
    advice = advise(found)
    held = None if earlier is None else answer.confirmed(found, earlier)
    _draw(found, advice, png, html)
    if session.json:
        session.show_json(answer.as_json(found, advice) | ({} if held is None else {"confirms": held}))
    else:
        from .bench_text import lines

        for line in lines(found, advice, held):
            session.show(line)
    return 0


def _writable(*files: Path | None) -> None:
    """Before minutes of measuring."""
    for file in files:
        if file is not None and not file.absolute().parent.is_dir():
            raise ConfigError(f"{file} cannot be written: there is no folder {file.absolute().parent}")


def _hide_secrets(source: str, sink: str, given: dict[str, Any]) -> None:
    from ..credentials import know
    from ..spelling import snake_case

    ends = {side: snake_case(given[f"{side}_options"]) for side in ("source", "sink")}
    know(source, sink, ends)
    if given["stage"]:
        know("", given["stage"], {"source": {}, "sink": snake_case(given["stage_options"])})


@contextmanager
def _telling(session: Session) -> Iterator[Callable[[Step], None]]:
    """A line for each run; where a person looks, one that changes."""
    import sys

    from ..bench.settings import Setting

    def text(step: Step) -> str:
        said = f"run {min(step.number + 1, step.total)} of {step.total}: {step.setting.label()}"
        if step.sample is None:
            return said
        rate = step.sample.rate
        speed = figures.megabytes_per_second(rate) if step.sample.amount else f"{rate:,.0f} rows/s"
        return f"run {step.number} of {step.total}: {step.setting.label()}: {speed}"

    if not sys.stderr.isatty() or session.err.is_dumb_terminal:

        def tell(step: Step) -> None:
            if step.sample is not None:
                session.say(text(step))

        yield tell
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        BarColumn(20), TimeRemainingColumn(), TextColumn("{task.description}", markup=False),
        console=session.err, transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task(f"warming up: {Setting().label()}", total=None)
        yield lambda step: progress.update(
            task, description=text(step), completed=step.number, total=step.total
        )


def _draw(found: Findings, advice: Advice, png: Path | None, html: Path | None) -> None:
    if not (png or html):
        return
    from ..bench import chart
    from .bench_text import lines

    if png:
        png.write_bytes(chart.png(found))
    if html:
        from ..bench.page import page

        html.write_text(page(advice, chart.svg(found), "\n".join(lines(found, advice, None))), "utf-8")
