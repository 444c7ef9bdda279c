"""The copy activity: planned as a request that ``crossdock.copy`` takes, and carried out by it."""

from ..attempts import Attempts
from .plan import CopyPlan, plan_copy

__all__ = ["Attempts", "CopyPlan", "plan_copy"]
