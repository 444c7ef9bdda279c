"""``crossdock stage``: the two hops of a staged copy apart, each where it can reach what it needs."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import typer

from ..report import CopyResult
from ..spi.data import WriteMode
from . import options
from .carrying import Progress, carry_out, route
from .key_values import key_values
from .session import Output

stage_app = typer.Typer(
    help="Stage tables on one machine, load them on another.", no_args_is_help=True, rich_markup_mode=None
)
Stage = Annotated[str, typer.Argument(metavar="STAGE", help="A folder of a store: a path or a URL.")]


def add_command(app: typer.Typer) -> None:
    app.add_typer(stage_app, name="stage", rich_help_panel=options.COPYING)


@stage_app.callback()
def stage(context: typer.Context) -> None:
    """Stage tables on one machine, load them on another."""
    options.session_of(context).command = f"stage {context.invoked_subcommand}"


@stage_app.command("out")
def out(
    context: typer.Context,
    *,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A path, a quoted pattern or a URL.")],
    stage: Stage,
    source_format: options.Format = None,
    source_option: options.SourceOptions = None,
    stage_option: options.StageOptions = None,
    column_map: options.ColumnMap = None,
    add_column: options.AddedColumns = None,
    parallel_copies: options.ParallelCopies = "auto",
    memory: options.Memory = "512MiB",
    bandwidth: options.Bandwidth = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read the staged files back; the manifest then has digests of all values.",
            rich_help_panel=options.SAFETY,
        ),
    ] = False,
    dry_run: options.DryRun = False,
    run_id: options.NewRunId = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Write the tables of SOURCE to the new folder STAGE, and a manifest when all are there.

    crossdock stage out 'sqlite:///my.db' az://landing/tonight --stage-option account=contoso
    """
    session = options.session_of(context)
    source_options = key_values(source_option, "-s")
    stage_options = key_values(stage_option, "--stage-option")

    from ..stages import stage_out

    def start(progress: Progress) -> CopyResult:
        return stage_out(
            source,
            stage,
            source_format=source_format,
            source_options=source_options,
            stage_options=stage_options,
            map=column_map,
            add_columns=add_column,
            parallel_copies=cast("int | Literal['auto']", parallel_copies),
            memory=memory,
            bandwidth=bandwidth,
            verify=verify,
            dry_run=dry_run,
            run_id=run_id,
            progress=progress,
        )

    return carry_out(session, route(source, stage), start)


@stage_app.command("in")
def into(
    context: typer.Context,
    *,
    stage: Stage,
    sink: Annotated[str, typer.Argument(metavar="SINK", help="A path or a URL.")],
    sink_format: options.Format = None,
    stage_option: options.StageOptions = None,
    sink_option: options.SinkOptions = None,
    parallel_copies: options.ParallelCopies = "auto",
    memory: options.Memory = "512MiB",
    bandwidth: options.Bandwidth = None,
    mode: options.Mode = WriteMode.ERROR,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read the sink back and compare all values, also with the manifest's.",
            rich_help_panel=options.SAFETY,
        ),
    ] = False,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Remove the stage once all is loaded.", rich_help_panel=options.STAGE),
    ] = False,
    dry_run: options.DryRun = False,
    run_id: options.NewRunId = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Load what is on STAGE into SINK, after a look whether it is what its manifest says.

    crossdock stage in az://landing/tonight mssql://loader@sql.example/sales --stage-option account=contoso
    """
    session = options.session_of(context)
    stage_options = key_values(stage_option, "--stage-option")
    sink_options = key_values(sink_option, "-k")

    from ..stages import stage_in

    def start(progress: Progress) -> CopyResult:
        return stage_in(
            stage,
            sink,
            sink_format=sink_format,
            stage_options=stage_options,
            sink_options=sink_options,
            parallel_copies=cast("int | Literal['auto']", parallel_copies),
            memory=memory,
            bandwidth=bandwidth,
            mode=mode.value,
            verify=verify,
            remove=remove,
            dry_run=dry_run,
            run_id=run_id,
            progress=progress,
        )

    return carry_out(session, route(stage, sink), start)


@stage_app.command("remove")
def remove(
    context: typer.Context,
    *,
    stage: Stage,
    stage_option: options.StageOptions = None,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Remove a stage, complete or not. Files that are not of it stay; the exit code is then 3."""
    session = options.session_of(context)
    stage_options = key_values(stage_option, "--stage-option")

    from ..credentials import public_url
    from ..stages import stage_remove

    whole = stage_remove(stage, stage_options=stage_options)
    where = public_url(stage)
    if session.json:
        session.show_json({"stage": where, "empty": whole})
    else:
        session.show(f"removed {where}" if whole else f"removed {where}; files of others stay there")
    return 0 if whole else 3
