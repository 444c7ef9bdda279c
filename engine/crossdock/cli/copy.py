"""``crossdock copy`` as typer knows it: every option, its help and its default."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import typer

from ..errors import ConfigError
from ..report import CopyResult
from ..spi.data import WriteMode
from . import options
from .carrying import Progress, carry_out, route
from .key_values import key_values
from .session import Output

_NOTES = (
    "KEY=VALUE: 'crossdock connectors NAME' lists the keys. "
    "A secret never belongs on a command line: use KEY=env:VARIABLE or KEY=@FILE.\n\n"
    "Environment: CROSSDOCK_HOME (where journals are kept), CROSSDOCK_PARALLEL_COPIES, "
    "CROSSDOCK_BLOCK_SIZE, CROSSDOCK_MEMORY, CROSSDOCK_BANDWIDTH, CROSSDOCK_ISOLATE (connectors whose splits "
    "processes of their own carry).\n\n"
    "Exit codes: 0 done, 1 failed, 2 wrong request, 3 done with rows or files skipped, "
    "130 interrupted, 143 terminated."
)


def add_command(app: typer.Typer) -> None:
    # Extra arguments are let in so that a pattern which the shell expanded gets an answer that helps.
    app.command(
        "copy",
        context_settings={"allow_extra_args": True},
        epilog=_NOTES,
        rich_help_panel=options.COPYING,
    )(copy)


def copy(
    context: typer.Context,
    *,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A path, a quoted pattern or a URL.")],
    sink: Annotated[str, typer.Argument(metavar="SINK", help="A path or a URL.")],
    source_format: options.Format = None,
    sink_format: options.Format = None,
    source_option: options.SourceOptions = None,
    sink_option: options.SinkOptions = None,
    column_map: options.ColumnMap = None,
    add_column: options.AddedColumns = None,
    parallel_copies: options.ParallelCopies = "auto",
    block_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            envvar="CROSSDOCK_BLOCK_SIZE",
            show_envvar=False,
            help="How much is read and written at once, e.g. 8MiB.",
            rich_help_panel=options.LIMITS,
        ),
    ] = None,
    memory: options.Memory = "512MiB",
    bandwidth: options.Bandwidth = None,
    mode: options.Mode = WriteMode.ERROR,
    verify: options.Verify = False,
    verify_full: options.VerifyFull = False,
    stage: options.Stage = None,
    stage_option: options.StageOptions = None,
    keep_staging: Annotated[
        bool,
        typer.Option(
            "--keep-staging",
            help="Leave the staged files: a run that ends early can be resumed, and others can read them.",
            rich_help_panel=options.STAGE,
        ),
    ] = False,
    skip_rows: options.SkipRows = False,
    skip_files: options.SkipFiles = "missing",
    log: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Say in CSV files below this folder of a store what was left out.",
            rich_help_panel=options.SKIPPING,
        ),
    ] = None,
    log_option: options.LogOptions = None,
    log_level: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="warning: what was left out; info: also the files that were copied.",
            rich_help_panel=options.SKIPPING,
        ),
    ] = "warning",
    log_reliable: Annotated[
        bool,
        typer.Option(
            "--log-reliable",
            help="Write each file's lines before the file counts as done; else every ten seconds.",
            rich_help_panel=options.SKIPPING,
        ),
    ] = False,
    dry_run: options.DryRun = False,
    run_id: options.NewRunId = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Copy tables or files from SOURCE to SINK, in parallel, resumable, visible only when complete.

    crossdock copy 'data/*.csv' sqlite:///my.db

    crossdock copy sqlite:///my.db#flights flights.parquet --verify
    """
    session = options.session_of(context)
    session.command = "copy"
    if context.args:
        raise ConfigError(
            f"copy takes one source and one sink, but got {2 + len(context.args)} addresses",
            hint="quote a pattern so that the shell does not expand it: crossdock copy 'data/*.csv' out/",
        )
    source_options = key_values(source_option, "-s")
    sink_options = key_values(sink_option, "-k")
    stage_options = key_values(stage_option, "--stage-option")
    log_options = key_values(log_option, "--log-option")

    from .. import api

    def start(progress: Progress) -> CopyResult:
        return api.copy(
            source,
            sink,
            source_format=source_format,
            sink_format=sink_format,
            source_options=source_options,
            sink_options=sink_options,
            map=column_map,
            add_columns=add_column,
            # The parser made it so; typer's annotation only knows the text.
            parallel_copies=cast("int | Literal['auto']", parallel_copies),
            block_size=block_size,
            memory=memory,
            bandwidth=bandwidth,
            mode=mode.value,
            verify="full" if verify_full else verify,
            stage=stage,
            stage_options=stage_options,
            keep_staging=keep_staging,
            skip_rows=skip_rows,
            skip_files=skip_files,
            log=log,
            log_options=log_options,
            log_level=log_level,
            log_reliable=log_reliable,
            dry_run=dry_run,
            run_id=run_id,
            progress=progress,
        )

    return carry_out(session, route(source, sink), start)
