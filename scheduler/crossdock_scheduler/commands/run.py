"""``crossdock run``: a pipeline of a Data Factory, on this machine."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdock.cli import options
from crossdock.cli.session import Output, Session

from .definition_options import (
    AllowPath,
    ForbidPrivate,
    LinkedServiceValues,
    SettingsFile,
    TemplateParameters,
    need_parser,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..pipeline.run.local import Outcome, Prepared, Watch

INTERRUPTED = 128
"""What is added to the number of a signal."""


def run(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|FILE",
            help="A Git folder of Data Factory or Synapse, an ARM template, or one object.",
        ),
    ],
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="The name of the pipeline.")],
    *,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A parameter; env:NAME and @FILE are read there, lists and objects are JSON.",
        ),
    ] = None,
    linked_service: LinkedServiceValues = None,
    settings: SettingsFile = None,
    template_parameters: TemplateParameters = None,
    allow_path: AllowPath = None,
    forbid_private: ForbidPrivate = False,
    run_id: options.NewRunId = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and plan; run nothing.")] = False,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Run a pipeline here, with a record from which it can be resumed.

    All that it uses is checked first; nothing runs while something of it is wrong or not supported.
    Ends with 0 if it succeeded, 1 if it failed, 2 if something is wrong, 130 if it was interrupted.
    """
    need_parser()
    from ..pipeline.run.local import Request, begin, prepare

    session = options.session_of(context)
    session.command = "run"
    request = Request(
        source=str(path.absolute()),
        pipeline=pipeline,
        parameters=pairs(param),
        template_parameters=str(template_parameters.absolute()) if template_parameters else None,
        linked_services=tuple(linked_service or ()),
        settings=str(settings.absolute()) if settings else None,
        allow_path=tuple(allow_path) if allow_path else None,
        forbid_private=forbid_private,
    )
    prepared = prepare(request)
    if prepared.exit_code or dry_run:
        return checked(session, prepared)
    return carry_out(session, prepared, lambda watch: begin(request, prepared, run_id, watch))


def pairs(given: list[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter("--param takes NAME=VALUE")
        if name.lower() in map(str.lower, found):
            raise typer.BadParameter(f"--param gives {name!r} twice")
        found[name] = value
    return found


def checked(session: Session, prepared: Prepared) -> int:
    """Say what stands against a run; nothing, where it is a dry one."""
    code = prepared.exit_code
    if session.json:
        session.show_json(
            {
                "runId": None,
                "status": {0: "Planned", 1: "Unsupported", 2: "Invalid"}[code],
                "pipelineName": prepared.pipeline.name,
                "parameters": dict(prepared.parameters),
                "wrong": list(prepared.wrong),
                "findings": [each.as_json() for each in prepared.report.findings],
            }
        )
    else:
        from .run_text import show_checks

        show_checks(session, prepared)
    return code


def carry_out(session: Session, prepared: Prepared, start: Callable[[Watch], Outcome]) -> int:
    """Run with a live display where there is a terminal, answer, and return the exit code."""
    from . import run_text

    for each in prepared.report.findings:
        if each.code == "ValueNeeded":
            session.say(f"warning: {each}", style="yellow")
    with run_text.display(session) or nullcontext(lambda _: None) as watch:
        outcome = start(watch)
    if session.json:
        session.show_json(outcome.as_json())
    else:
        run_text.show(session, outcome)
    if outcome.signal is not None:
        session.say("interrupted")
        session.tell(f"resume with: crossdock pipeline-runs resume {outcome.run.run_id}")
        return INTERRUPTED + outcome.signal
    return 0 if outcome.run.status == "Succeeded" else 1
