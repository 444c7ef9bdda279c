"""Runs of pipelines at the service: begun, watched to their end, and told as those of this machine are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from crossdock import ConfigError
from crossdock.credentials import Fetched, fetch
from crossdock.redact import remember

from ..pipeline.checks.parameters import parameters_of
from ..pipeline.definitions import Definition
from ..pipeline.definitions.findings import Place as Where
from ..pipeline.run.local import Outcome
from ..pipeline.run.records import ActivityRun, PipelineRun, Problem, Status, moment
from .api import Api, Place

ENDED = ("Succeeded", "Failed", "Cancelled")
_FIRST, _LONGEST = 0.25, 2.0
# What changed while the answer before was on its way is asked for once more.
_OVERLAP = 10.0
Watch = Callable[[ActivityRun], None]


def begin(api: Api, place: Place, pipeline: str, given: Mapping[str, str]) -> str:
    """The id of a new run. Raises ConfigError for a secret in the clear; the service checks the rest."""
    found = api.get(place.path("pipelines", pipeline))
    values = _arguments(Definition("pipeline", found["name"], found["properties"], Where("")), given)
    answer = api.post(place.path("pipelines", pipeline) + "/createRun", values)
    return str(answer["runId"])


def _arguments(pipeline: Definition, given: Mapping[str, str]) -> dict[str, str]:
    declared, found = parameters_of(pipeline), {}
    for name, text in given.items():
        value = fetch(text, f"--param {name}")
        parameter = declared.get(name.lower())
        if parameter is not None and parameter.type == "securestring":
            remember([str(value)])
            if not isinstance(value, Fetched):
                raise ConfigError(
                    f"--param {name}: a secret is not given on the command line, where others see it; give "
                    f"{name}=env:NAME or {name}=@FILE"
                )
        found[name] = str(value)
    return found


def follow(api: Api, place: Place, run_id: str, watch: Watch) -> Outcome:
    """Watch a run to its end. ``watch`` is told of each activity run when it begins and when it ends."""
    seen: dict[str, dict[str, Any]] = {}
    since, wait = 0.0, _FIRST
    while True:
        # The run first: what its activities are once it has ended is all that they will be.
        run = api.get(place.path("pipelineruns", run_id))
        now = api.now
        for each in activities(api, place, run_id, since):
            before = seen.get(each["activityRunId"])
            seen[each["activityRunId"]] = each
            if before is None or before["status"] != each["status"]:
                watch(activity_run(each))
                wait = _FIRST
        if run["status"] in ENDED:
            return outcome(run, seen.values())
        since = now - _OVERLAP
        time.sleep(wait)
        wait = min(wait * 1.3, _LONGEST)


def shown(api: Api, place: Place, run_id: str) -> Outcome:
    """A run as it is now."""
    return outcome(api.get(place.path("pipelineruns", run_id)), activities(api, place, run_id))


def activities(api: Api, place: Place, run_id: str, since: float = 0.0) -> Iterable[dict[str, Any]]:
    """The activity runs that have changed since a moment."""
    path = place.path("pipelineruns", run_id) + "/queryActivityruns"
    return api.query(path, window(since) | {"orderBy": [{"orderBy": "ActivityRunStart", "order": "ASC"}]})


def window(since: float) -> dict[str, Any]:
    return {
        "lastUpdatedAfter": moment(datetime.fromtimestamp(max(since, 0.0), UTC)),
        "lastUpdatedBefore": "2999-12-31T00:00:00Z",
    }


def outcome(run: Mapping[str, Any], activities: Iterable[Mapping[str, Any]]) -> Outcome:
    """As runs of this machine are told."""
    found = sorted(map(activity_run, activities), key=lambda each: each.started)
    whole = pipeline_run(run)
    return Outcome(whole, found, [whole])


def pipeline_run(said: Mapping[str, Any]) -> PipelineRun:
    return PipelineRun(
        said["runId"], said["pipelineName"], _time(said["runStart"]) or datetime.now(UTC),
        said.get("parameters") or {}, cast("Status", said["status"]), _time(said.get("runEnd")),
        said.get("message") or "", said.get("pipelineReturnValue"), group_id=said.get("runGroupId") or "",
    )  # fmt: skip


def activity_run(said: Mapping[str, Any]) -> ActivityRun:
    """Its key is that of its iteration, and its name: the service says no more of what is around it."""
    name, error = said["activityName"], said.get("error") or {}
    key = f"{said['iteration']}/{name}" if said.get("iteration") else name
    problem = Problem(error.get("errorCode", ""), error["message"]) if error.get("message") else None
    return ActivityRun(
        said["pipelineName"], said["pipelineRunId"], key, name, said["activityType"],
        cast("Status", said["status"]), _time(said["activityRunStart"]) or datetime.now(UTC),
        said.get("retryAttempt") or 0, _time(said.get("activityRunEnd")), said.get("input"),
        said.get("output"), problem,
    )  # fmt: skip


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
