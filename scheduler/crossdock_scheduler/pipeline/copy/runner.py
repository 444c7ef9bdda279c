"""Makes Copy a type of activity that can be run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock import ConfigError, CopyResult, Snapshot

from ..activity_types import ActivityType, Attempt, register
from ..definitions import Definition, Factory, Finding
from ..definitions.activities import Activity
from ..policy import Policy
from .hops import do_hop, of_hop, settle_hop
from .once import once, settled
from .output import activity_output
from .plan import CopyPlan, plan_copy


def _plan(factory: Factory, pipeline: Definition, activity: Activity, policy: Policy) -> list[Finding]:
    return plan_copy(factory, pipeline, activity, policy=policy)[1]


def _planned(attempt: Attempt) -> CopyPlan:
    """Raises ConfigError for a copy that cannot be done."""
    plan, findings = plan_copy(
        attempt.factory, attempt.pipeline, attempt.activity, scope=attempt.scope, policy=attempt.policy
    )
    if attempt.hop is not None:
        findings = of_hop(findings, attempt, attempt.hop)
    against = [each.message for each in findings if each.severity != "note"]
    if plan is None or against:
        raise ConfigError("; ".join(against) or "the copy has no source or no sink")
    return plan


def _run(attempt: Attempt) -> Mapping[str, Any]:
    plan = _planned(attempt)

    def progress(snapshot: Snapshot) -> None:
        attempt.progress({"dataRead": snapshot.bytes_done, "rowsCopied": snapshot.rows_done})

    more: dict[str, Any] = {"progress": progress, "cancel": attempt.cancel}
    if attempt.hop is not None:
        return do_hop(plan, attempt.hop, run_id=attempt.run_id, **more)

    def begin() -> CopyResult:
        return plan.run(activity_run_id=attempt.run_id, run_id=attempt.run_id, **more)

    return activity_output(once(attempt.run_id, begin, plan.again(attempt.run_id), **more), attempt)


def _settle(attempt: Attempt) -> None:
    plan = _planned(attempt)
    if attempt.hop is not None:
        settle_hop(plan, attempt.hop, attempt.run_id)
    else:
        settled(attempt.run_id, plan.again(attempt.run_id))


register(ActivityType("Copy", "rows or files from one dataset to another", _plan, _run, settle=_settle))
