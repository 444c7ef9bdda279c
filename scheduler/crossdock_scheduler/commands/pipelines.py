"""``crossdock pipeline``: pipelines at a service, and their runs there."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .at_service import Remote, command, names_of, table
from .definition_options import need_parser
from .run import pairs

if TYPE_CHECKING:
    from ..pipeline.run.local import Outcome

pipeline = typer.Typer(
    name="pipeline",
    help="Pipelines at the service, and their runs. (crossdock run runs one on this machine.)",
    no_args_is_help=True,
)
RunId = Annotated[str, typer.Argument(metavar="ID", help="The run.")]
FollowOption = Annotated[bool, typer.Option("--follow", help="Show its activities until it has ended.")]
_DAY = 86_400.0


@command(pipeline, "list")
def list_pipelines(remote: Remote) -> None:
    """List the pipelines of the factory."""
    found = list(remote.api.pages(remote.place.path("pipelines")))
    rows = [
        (
            each["name"], len(each["properties"].get("activities") or []),
            ", ".join(each["properties"].get("parameters") or {}), each["properties"].get("description"),
        )
        for each in found
    ]  # fmt: skip
    remote.show({"value": found}, lambda: table(("name", "activities", "parameters", "description"), rows))


@command(pipeline, "run")
def run(
    remote: Remote,
    name: Annotated[
        str,
        typer.Argument(metavar="PIPELINE", autocompletion=names_of("pipelines"), help="The pipeline."),
    ],
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A parameter; env:NAME and @FILE are read there, lists and objects are JSON.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    follow: FollowOption = False,
) -> int:
    """Run a pipeline at the service, on the nodes of its runtimes. Without --wait, its id is the answer.

    With --wait or --follow it ends with 0 if the run succeeded, 1 if it failed or was cancelled.
    """
    need_parser()
    from ..client.runs import begin

    run_id = begin(remote.api, remote.place, name, pairs(param))
    if wait or follow:
        return _followed(remote, run_id, live=follow)
    remote.show({"runId": run_id}, lambda: run_id)
    return 0


def _followed(remote: Remote, run_id: str, *, live: bool) -> int:
    from ..client.runs import follow
    from . import run_text

    display = run_text.display(remote.session) if live else None
    try:
        with display or nullcontext(lambda _: None) as watch:
            outcome = follow(remote.api, remote.place, run_id, watch)
    except KeyboardInterrupt:
        remote.session.say(
            f"the run goes on; crossdock pipeline show {run_id} --follow watches it, pipeline cancel ends it"
        )
        raise
    _show(remote, outcome)
    return 0 if outcome.run.status == "Succeeded" else 1


def _show(remote: Remote, outcome: Outcome) -> None:
    from .run_text import show

    if remote.session.json:
        remote.session.show_json(outcome.as_json())
    else:
        show(remote.session, outcome)


@command(pipeline, "runs")
def list_runs(
    remote: Remote,
    name: Annotated[
        str,
        typer.Option("--pipeline", autocompletion=names_of("pipelines"), help="Only runs of this pipeline."),
    ] = "",
    status: Annotated[str, typer.Option(help="Only runs that are, say, Failed.")] = "",
    days: Annotated[float, typer.Option(min=0.0, help="How far back.")] = 7.0,
) -> None:
    """List the runs, the newest first."""
    need_parser()
    from ..client.runs import pipeline_run, window
    from .run_text import took

    wanted = {"PipelineName": name, "Status": status}
    filters = [
        {"operand": operand, "operator": "Equals", "values": [value]}
        for operand, value in wanted.items()
        if value
    ]
    asked = window(time.time() - days * _DAY) | {
        "filters": filters, "orderBy": [{"orderBy": "RunStart", "order": "DESC"}],
    }  # fmt: skip
    found = list(remote.api.query(remote.place.path() + "/queryPipelineRuns", asked))

    def shown() -> Any:
        rows = []
        for each in map(pipeline_run, found):
            started = each.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            rows.append((each.run_id, each.pipeline, each.status, started, took(each), each.message))
        return table(("run", "pipeline", "status", "started", "took", "message"), rows)

    remote.show({"value": found}, shown)


@command(pipeline, "show")
def show(remote: Remote, run_id: RunId, follow: FollowOption = False) -> int:
    """Show a run and its activities; with --follow until it has ended, and then its end is the exit code."""
    need_parser()
    from ..client.runs import shown

    if follow:
        return _followed(remote, run_id, live=True)
    _show(remote, shown(remote.api, remote.place, run_id))
    return 0


@command(pipeline, "cancel")
def cancel(remote: Remote, run_id: RunId) -> None:
    """End a run, and those that it called. One that has ended stays as it is."""
    remote.api.post(remote.place.path("pipelineruns", run_id) + "/cancel")
    remote.show({"runId": run_id, "cancelled": True}, lambda: f"run {run_id} is told to end")
