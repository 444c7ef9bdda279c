"""Runs and activities that have ended, as spans: runs that call each other are in the trace of the first."""

from __future__ import annotations

from ... import telemetry
from ...pipeline.activity_types import Attempt
from ...pipeline.run import ActivityRun, PipelineRun


def pipeline_ended(run: PipelineRun) -> None:
    if run.ended is not None:
        telemetry.ended(
            f"pipeline {run.pipeline}",
            run.group_id or run.run_id,
            run.run_id,
            parent=run.caller_run_id,
            times=(run.started, run.ended),
            problem="" if run.status == "Succeeded" else run.status,
            attributes={"crossdock.status": run.status, "crossdock.run_id": run.run_id},
        )


def activity_ended(group_id: str, run: ActivityRun) -> None:
    if run.ended is not None:
        told: dict[str, str | int] = {
            "crossdock.status": run.status,
            "crossdock.key": run.key,
            "crossdock.attempt": run.attempt,
        }
        telemetry.ended(
            f"{run.type} {run.activity}",
            group_id,
            run.run_id,
            parent=run.pipeline_run_id,
            times=(run.started, run.ended),
            problem=run.error.code if run.error else "",
            attributes=told,
        )


def traced(group_id: str, attempt: Attempt) -> dict[str, str]:
    """What goes with the job of an attempt, so that the node's spans belong to it."""
    found = telemetry.place(group_id, attempt.hop.folder if attempt.hop else attempt.run_id)
    return {"trace": found} if found else {}
