"""Makes Copy a type of activity that can be run."""

from __future__ import annotations

from ..activity_types import ActivityType, register
from ..definitions import Definition, Factory, Finding
from ..definitions.activities import Activity
from ..policy import Policy
from .plan import CopyPlan, plan_copy


def _plan(
    factory: Factory, pipeline: Definition, activity: Activity, policy: Policy
) -> tuple[CopyPlan | None, list[Finding]]:
    return plan_copy(factory, pipeline, activity, policy=policy)


register(ActivityType("Copy", "rows or files from one dataset to another", _plan, CopyPlan.run))
