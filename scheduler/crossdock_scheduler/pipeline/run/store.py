"""Where the records of runs are: what a run writes down, and what it finds again when it is resumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from .records import ActivityRun, PipelineRun


@dataclass(frozen=True, slots=True)
class Change:
    """What an activity has made of a variable. ``whole`` is whether nothing was left out of the value.

    The name ``""`` is the pipeline's return value.
    """

    name: str
    value: Any
    whole: bool = True


class Store(Protocol):
    """Records by deterministic keys. What it is given holds no secrets.

    A run whose process was killed is resumed by running it again over the same store: an activity whose
    record has ended is not run again. All methods may be called by several tasks at once.
    """

    async def pipeline_run(self, run_id: str) -> PipelineRun | None:
        """The run as it was saved last."""

    async def save_pipeline_run(self, run: PipelineRun) -> None:
        """Put it in the place of the one with the same id."""

    async def detached(self, group_id: str) -> list[PipelineRun]:
        """Runs of a group that nobody waits for and that have not ended."""

    async def activity_run(self, run_id: str, key: str, attempt: int) -> ActivityRun | None:
        """The attempt as it was saved last."""

    async def save_activity_run(self, run: ActivityRun, change: Change | None = None) -> None:
        """Put it in the place of the one with the same run, key and attempt, and the change with it or not
        at all."""

    async def variables(self, run_id: str) -> list[Change]:
        """The last change of each variable of a run."""
