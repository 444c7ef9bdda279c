"""Runs pipelines: the order of activities, their attempts, and a record of each.

A run is deterministic but for what its activities return: the keys of records, the ids of activity runs and
those of pipelines that it calls follow from its own id. So a run that was killed is resumed by running it
again over its store: what has ended there is taken from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from ... import clock
from ..checks.parameters import parameters_of
from ..definitions import Definition, Factory
from ..policy import Policy
from .carrier import Carrier
from .failure import ActivityFailed
from .records import ActivityRun, PipelineRun
from .running import Running
from .store import Store
from .values import arguments, without_secrets


def _unseen(_: ActivityRun) -> None:
    """Nobody watches."""


@dataclass
class Interpreter:
    """Runs pipelines of one factory. ``watch`` is told of each change of an activity run, from any thread."""

    factory: Factory
    store: Store
    carrier: Carrier
    policy: Policy = field(default_factory=Policy)
    watch: Callable[[ActivityRun], None] = _unseen
    _background: TaskGroup | None = None

    async def run(self, run: PipelineRun, secrets: Mapping[str, Any] | None = None) -> PipelineRun:
        """Run or resume a pipeline and return its record at the end, whatever became of it.

        ``secrets`` are the SecureStrings among its parameters. Pipelines that it called without waiting for
        them have ended too. Cancelling leaves records from which it can be resumed.
        """
        async with anyio.create_task_group() as self._background:
            for each in await self.store.detached(run.group_id or run.run_id):
                self._background.start_soon(self.pipeline, each)
            return await self.pipeline(run, secrets or {})
        raise AssertionError  # a task group passes no exception over

    async def pipeline(self, run: PipelineRun, secrets: Mapping[str, Any] | None = None) -> PipelineRun:
        """One pipeline from its first activity, or from where its record ends, to its end."""
        if (before := await self.store.pipeline_run(run.run_id)) is not None:
            if before.ended is not None:
                return before
            run = before
        else:
            await self.store.save_pipeline_run(run)
        definition = self.factory.find("pipeline", run.pipeline)
        if definition is None:
            return await self._end(run, f"the pipeline {run.pipeline!r} does not exist")
        parameters, wrong = arguments(definition, {**run.parameters, **(secrets or {})})
        if wrong:
            return await self._end(run, "; ".join(wrong))
        running = Running(self, definition, run, parameters)
        message = await running.execute()
        return await self._end(replace(run, return_value=running.return_value), message)

    async def _end(self, run: PipelineRun, message: str) -> PipelineRun:
        run = replace(run, status="Failed" if message else "Succeeded", ended=clock.moment(), message=message)
        kept = without_secrets(run.return_value)
        await self.store.save_pipeline_run(replace(run, return_value=kept, whole=kept == run.return_value))
        return run

    async def call(self, run: PipelineRun, given: Mapping[str, Any]) -> PipelineRun:
        """Run a pipeline for another one with what that gives it, in the background if it is ``detached``."""
        definition = self.factory.find("pipeline", run.pipeline)
        if definition is None:
            raise ActivityFailed("NotFound", f"the pipeline {run.pipeline!r} does not exist")
        parameters, wrong = arguments(definition, given)
        if wrong:
            raise ActivityFailed("InvalidParameter", "; ".join(wrong))
        open_ones, secrets = divided(definition, parameters)
        run = replace(run, parameters=open_ones)
        if not run.detached:
            return await self.pipeline(run, secrets)
        if self._background is None:
            raise RuntimeError("nothing is being run")
        if await self.store.pipeline_run(run.run_id) is None:
            await self.store.save_pipeline_run(run)
        self._background.start_soon(self.pipeline, run, secrets)
        return run

    def factory_name(self) -> str:
        return next((each.name for each in self.factory.of_kind("factory")), self.factory.source)


def divided(pipeline: Definition, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters of a run that records may have, and those that are secrets or have some in them."""
    declared = parameters_of(pipeline)
    secure = {
        name
        for name, value in parameters.items()
        if declared[name.lower()].type == "securestring" or without_secrets(value) != value
    }
    return (
        {name: value for name, value in parameters.items() if name not in secure},
        {name: value for name, value in parameters.items() if name in secure},
    )
