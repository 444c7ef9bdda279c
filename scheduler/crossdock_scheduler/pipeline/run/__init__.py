"""Running pipelines: ``Interpreter`` over a ``Store`` of records and a ``Carrier`` of leaf activities."""

from .carrier import Carrier, Threads
from .interpreter import Interpreter, divided
from .records import ActivityRun, PipelineRun, Problem
from .store import Change, Store
from .values import arguments

__all__ = [
    "ActivityRun",
    "Carrier",
    "Change",
    "Interpreter",
    "PipelineRun",
    "Problem",
    "Store",
    "Threads",
    "arguments",
    "divided",
]
