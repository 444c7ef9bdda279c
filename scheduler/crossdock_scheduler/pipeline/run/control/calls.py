"""ExecutePipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock import AdfProperties

from .... import clock
from ...definitions.links import link_of
from ..failure import ActivityFailed
from ..records import PipelineRun, derived_id, moment
from ..step import Step
from . import ControlType, register
from .planning import Checked, plan_of


async def _execute(step: Step) -> Mapping[str, Any]:
    name = _name(step.properties)
    given = step.evaluate("parameters") or {}
    waits = bool(step.properties.flag("waitOnCompletion"))
    caller, now = step.run, clock.moment()
    step.input = {"pipeline": {"referenceName": name}, "waitOnCompletion": waits, "parameters": given}
    run = await step.call(
        PipelineRun(
            run_id=derived_id(caller.run_id, step.record.key),
            pipeline=name,
            started=now,
            trigger_type="PipelineActivity",
            trigger_name=step.activity.name,
            trigger_time=moment(now) or "",
            group_id=caller.group_id or caller.run_id,
            caller=step.record.key,
            caller_run_id=caller.run_id,
            caller_pipeline=caller.pipeline,
            detached=not waits,
        ),
        given,
    )
    if waits and run.status == "Failed":
        raise ActivityFailed("PipelineFailed", run.message)
    if waits and not run.whole:
        message = (
            f"the pipeline {name} returned a secret, which records of runs do not keep; begin the run anew"
        )
        raise ActivityFailed("SecretLost", message)
    found: dict[str, Any] = {"pipelineName": run.pipeline, "pipelineRunId": run.run_id}
    return found | ({"pipelineReturnValue": run.return_value} if waits and run.return_value else {})


def _name(properties: AdfProperties) -> str:
    reference = properties.inner("pipeline")
    link = link_of(dict(reference), reference.path, {})
    return link.name if link else ""


def _check(checked: Checked) -> None:
    checked.need("pipeline")
    checked.properties.ignore("parameters")
    checked.properties.flag("waitOnCompletion")
    reference = checked.properties.inner("pipeline")
    if checked.properties.get("pipeline") is not None and not _name(checked.properties):
        checked.say("BrokenDefinition", "pipeline must be a reference to a pipeline", "pipeline")
    reference.ignore_all()


register(ControlType("ExecutePipeline", "another pipeline, whole", plan_of(_check), _execute))
