"""The copy activity: planned as a request that ``crossdock.copy`` takes, and carried out by it."""

from .plan import CopyPlan, plan_copy

__all__ = ["CopyPlan", "plan_copy"]
