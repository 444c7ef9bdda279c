"""Functions that return what surrounds an expression: the run, activities before it, the item of a loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import did_you_mean, short
from ..registry import function
from ..scope import ABSENT
from ..values import find_key

if TYPE_CHECKING:
    from ..evaluation import Context

_SUBJECT = "Context"

SYSTEM_NAMES = (
    "DataFactory",
    "Pipeline",
    "RunId",
    "GroupId",
    "TriggerType",
    "TriggerId",
    "TriggerName",
    "TriggerTime",
    "TriggeredByPipelineName",
    "TriggeredByPipelineRunId",
)
"""What ``pipeline()`` has besides parameters; null where a run has no such thing."""


@function(
    _SUBJECT,
    "pipeline()",
    "The run: parameters, globalParameters, libraryVariables, " + ", ".join(SYSTEM_NAMES) + ".",
    scoped=True,
)
def pipeline(context: Context) -> dict[str, Any]:
    scope = context.scope
    return {
        **dict.fromkeys(SYSTEM_NAMES),
        **{(find_key(dict.fromkeys(SYSTEM_NAMES), key) or key): value for key, value in scope.system.items()},
        "parameters": scope.parameters,
        "globalParameters": scope.global_parameters,
        "libraryVariables": scope.library_variables,
    }


@function(
    _SUBJECT,
    "activity(name: string)",
    "An activity that ran before, and its output: activity('Lookup1').output.firstRow.",
    scoped=True,
)
def activity(context: Context, name: str) -> Any:
    return _named(context.scope.activities, name, "knows no activity")


@function(_SUBJECT, "variables(name: string)", "The value of a pipeline's variable.", scoped=True)
def variables(context: Context, name: str) -> Any:
    return _named(context.scope.variables, name, "knows no variable")


def _named(known: Mapping[str, Any], name: str, missing: str) -> Any:
    found = find_key(known, name)
    if found is None:
        raise ValueError(f"{missing} '{short(name)}'{did_you_mean(name, known)}")
    return known[found]


@function(_SUBJECT, "item()", "What a ForEach or Filter is at.", scoped=True)
def item(context: Context) -> Any:
    if context.scope.item is ABSENT:
        raise ValueError("is for the activities of a ForEach and the condition of a Filter only")
    return context.scope.item


@function(_SUBJECT, "dataset()", "The parameters of the dataset that the expression is in.", scoped=True)
def dataset(context: Context) -> Any:
    return _present(context.scope.dataset, "is for datasets only")


@function(
    _SUBJECT,
    "linkedService()",
    "The parameters of the linked service that the expression is in.",
    scoped=True,
)
def linked_service(context: Context) -> Any:
    return _present(context.scope.linked_service, "is for linked services only")


@function(
    _SUBJECT,
    "trigger()",
    "The trigger: startTime, scheduledTime, outputs.windowStartTime, outputs.windowEndTime, outputs.body.",
    scoped=True,
)
def trigger(context: Context) -> Any:
    return _present(context.scope.trigger, "is for runs that a trigger starts")


@function(_SUBJECT, "triggerOutputs()", "The same as trigger().outputs.", scoped=True)
def trigger_outputs(context: Context) -> Any:
    outputs = trigger(context)
    key = find_key(outputs, "outputs")
    return outputs[key] if key is not None else {}


@function(
    _SUBJECT,
    "triggerBody()",
    "The same as trigger().outputs.body: the file or event that was the cause.",
    scoped=True,
)
def trigger_body(context: Context) -> Any:
    outputs = trigger_outputs(context)
    key = find_key(outputs, "body") if isinstance(outputs, Mapping) else None
    return outputs[key] if key is not None else None


def _present(value: Any, missing: str) -> Any:
    if value is None:
        raise ValueError(missing)
    return value
