"""Where in a run something happens: in which iterations, and what expressions see there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..definitions import Definition
from ..definitions.activities import Activity, activities
from ..expressions import ABSENT
from .records import ActivityRun, Problem, Status, moment, span


@dataclass(frozen=True, slots=True)
class Result:
    """How an activity ended, as other activities see it. ``run`` is the record of its last attempt."""

    status: Status
    output: Any = None
    error: Problem | None = None
    run: ActivityRun | None = None

    def as_value(self) -> Mapping[str, Any]:
        """What ``activity(name)`` is, under Data Factory's names.

        One that was skipped has null as its output, one that succeeded as its error.
        """
        found: dict[str, Any] = {
            "Status": self.status,
            "Output": self.output,
            "Error": self.error.as_json() if self.error else None,
        }
        if self.run is not None:
            found |= _of_run(self.run)
        return found


def _of_run(run: ActivityRun) -> dict[str, Any]:
    return {
        "ActivityName": run.activity,
        "ActivityType": run.type,
        "ActivityRunId": run.run_id,
        "PipelineName": run.pipeline,
        "PipelineRunId": run.pipeline_run_id,
        "StatusCode": 400 if run.status == "Failed" else 200,
        "ExecutionStartTime": moment(run.started),
        "ExecutionEndTime": moment(run.ended),
        "Duration": None if run.ended is None else span(run.ended - run.started),
    }


@dataclass(slots=True)
class Frame:
    """One list of activities in one iteration. ``prefix`` is what the keys of its activities begin with."""

    prefix: str = ""
    item: Any = ABSENT
    outer: Frame | None = None
    results: dict[str, Result] = field(default_factory=dict)

    def key(self, activity: Activity) -> str:
        return f"{self.prefix}{_escaped(activity.name)}"

    def inside(self, activity: Activity, number: int | None = None, item: Any = ABSENT) -> Frame:
        """The frame within a container; ``number`` counts iterations from 0."""
        index = "" if number is None else f"[{number}]"
        return Frame(f"{self.key(activity)}{index}/", self.item if item is ABSENT else item, self)

    def known(self) -> dict[str, Mapping[str, Any]]:
        """What ``activity()`` knows here: what has ended in this list and in those around it."""
        found = self.outer.known() if self.outer else {}
        found |= {name: result.as_value() for name, result in self.results.items()}
        return found


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F").replace("[", "%5B")


class Lists:
    """The lists of activities of one pipeline: its own, and those within containers."""

    def __init__(self, pipeline: Definition) -> None:
        self._found: dict[tuple[str, str], list[Activity]] = {}
        for each in activities(pipeline):
            around = each.within[-1].path if each.within else ""
            name = each.group.removeprefix(around).lower().removeprefix(".typeproperties.")
            self._found.setdefault((around, name if around else ""), []).append(each)

    def top(self) -> list[Activity]:
        return self._found.get(("", ""), [])

    def of(self, container: Activity, name: str) -> list[Activity]:
        """``name`` as below ``typeProperties``: ``activities``, ``cases[2].activities``."""
        return self._found.get((container.path, name.lower()), [])
