"""Makes Copy a type of activity that can be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import crossdock
from crossdock import ConfigError, NotFoundError, Snapshot

from ..activity_types import ActivityType, Attempt, register
from ..definitions import Definition, Factory, Finding
from ..definitions.activities import Activity
from ..policy import Policy
from .hops import do_hop, of_hop
from .output import activity_output
from .plan import CopyPlan, plan_copy


def _plan(factory: Factory, pipeline: Definition, activity: Activity, policy: Policy) -> list[Finding]:
    return plan_copy(factory, pipeline, activity, policy=policy)[1]


def _run(attempt: Attempt) -> Mapping[str, Any]:
    plan, findings = plan_copy(
        attempt.factory, attempt.pipeline, attempt.activity, scope=attempt.scope, policy=attempt.policy
    )
    if attempt.hop is not None:
        findings = of_hop(findings, attempt, attempt.hop)
    against = [each.message for each in findings if each.severity != "note"]
    if plan is None or against:
        raise ConfigError("; ".join(against) or "the copy has no source or no sink")

    def progress(snapshot: Snapshot) -> None:
        attempt.progress({"dataRead": snapshot.bytes_done, "rowsCopied": snapshot.rows_done})

    if attempt.hop is not None:
        more = {"run_id": attempt.run_id, "progress": progress, "cancel": attempt.cancel}
        return do_hop(plan, attempt.hop, **more)
    return activity_output(_copied(plan, attempt, progress), attempt)


def _copied(plan: CopyPlan, attempt: Attempt, progress: Callable[[Snapshot], None]) -> Mapping[str, Any]:
    """Copy once, also where this attempt was made before and who made it was killed."""
    more: dict[str, Any] = {"progress": progress, "cancel": attempt.cancel}
    try:
        before = crossdock.show(attempt.run_id)
    except NotFoundError:
        before = None
    if before is not None and before.state == "succeeded" and before.output is not None:
        return before.output
    if before is not None and before.state == "interrupted":
        return plan.go_on(attempt.run_id, **more).output()
    if before is not None:
        plan.clear_away(attempt.run_id)
    return plan.run(activity_run_id=attempt.run_id, run_id=attempt.run_id, **more).output()


register(ActivityType("Copy", "rows or files from one dataset to another", _plan, _run))
