"""Makes Copy a type of activity that can be run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock import ConfigError, Snapshot

from ..activity_types import ActivityType, Attempt, register
from ..definitions import Definition, Factory, Finding
from ..definitions.activities import Activity
from ..policy import Policy
from .output import activity_output
from .plan import plan_copy


def _plan(factory: Factory, pipeline: Definition, activity: Activity, policy: Policy) -> list[Finding]:
    return plan_copy(factory, pipeline, activity, policy=policy)[1]


def _run(attempt: Attempt) -> Mapping[str, Any]:
    plan, findings = plan_copy(
        attempt.factory, attempt.pipeline, attempt.activity, scope=attempt.scope, policy=attempt.policy
    )
    against = [each.message for each in findings if each.severity != "note"]
    if plan is None or against:
        raise ConfigError("; ".join(against) or "the copy has no source or no sink")

    def progress(snapshot: Snapshot) -> None:
        attempt.progress({"dataRead": snapshot.bytes_done, "rowsCopied": snapshot.rows_done})

    result = plan.run(activity_run_id=attempt.run_id, progress=progress, cancel=attempt.cancel)
    return activity_output(result, attempt)


register(ActivityType("Copy", "rows or files from one dataset to another", _plan, _run))
