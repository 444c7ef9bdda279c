"""``crossdock pipeline-runs``: list, show, resume and forget the pipeline runs of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdock.cli import options
from crossdock.cli.session import Output

from .definition_options import need_parser

if TYPE_CHECKING:
    from ..pipeline.run.local_store import LocalRun

pipeline_runs = typer.Typer(help="List, show, resume or forget runs of pipelines.")


def _known(incomplete: str) -> list[str]:
    from ..pipeline.run.local_store import local_runs

    return [each.run_id for each in local_runs() if each.run_id.startswith(incomplete)]


RunId = Annotated[str, typer.Argument(metavar="ID", autocompletion=_known, help="The run.")]


@pipeline_runs.callback(invoke_without_command=True)
def default(
    context: typer.Context, output: options.OutputOption = Output.TEXT, verbose: options.VerboseOption = False
) -> None:
    """List, show, resume or forget the runs of pipelines that this machine has a record of."""
    need_parser()
    options.session_of(context).command = context.invoked_subcommand or "list"
    if context.invoked_subcommand is None:
        list_runs(context)


@pipeline_runs.command("list")
def list_runs(
    context: typer.Context, output: options.OutputOption = Output.TEXT, verbose: options.VerboseOption = False
) -> None:
    """List the runs, the newest first."""
    from ..pipeline.run.local_store import local_runs

    session, found = options.session_of(context), local_runs()
    if session.json:
        session.show_json({"pipelineRuns": [_as_json(each) for each in found]})
    elif found:
        from .run_text import runs_table

        session.show(runs_table(found))
    else:
        session.say("no runs of pipelines yet")


def _as_json(found: LocalRun) -> dict[str, Any]:
    run = found.run.as_json() if found.run else {"runId": found.run_id}
    return run | {"state": found.state} | ({"problem": found.error} if found.error else {})


@pipeline_runs.command("show")
def show_run(
    context: typer.Context,
    run_id: RunId,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Show a run and its activities."""
    from ..pipeline.run.local import recorded

    session = options.session_of(context)
    state, outcome = recorded(run_id)
    if session.json:
        session.show_json(outcome.as_json() | {"state": state})
    else:
        from .run_text import show

        show(session, outcome)
        session.show(f"state: {state}")


@pipeline_runs.command("resume")
def resume_run(
    context: typer.Context,
    run_id: RunId,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Go on with a run that was interrupted: what has ended is not run again, what was in flight is.

    Definitions, settings and secrets are read again from where they were; definitions must be the same.
    """
    from ..pipeline.run.local import prepare, recall, resume
    from .run import carry_out, checked

    session = options.session_of(context)
    prepared = prepare(recall(run_id))
    if prepared.exit_code:
        return checked(session, prepared)
    return carry_out(session, prepared, lambda watch: resume(run_id, prepared, watch))


@pipeline_runs.command("forget")
def forget_run(
    context: typer.Context,
    *,
    run_ids: Annotated[list[str], typer.Argument(metavar="ID", help="The runs.", show_default=False)],
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Remove the records of runs. They cannot be resumed afterwards."""
    from ..pipeline.run.local_store import forget

    session = options.session_of(context)
    for run_id in run_ids:
        forget(run_id)
    if session.json:
        session.show_json({"forgotten": run_ids})
    else:
        session.show(f"forgot {', '.join(run_ids)}")
