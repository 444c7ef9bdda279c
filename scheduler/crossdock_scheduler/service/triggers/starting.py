"""Starts the pipelines of a trigger, in the transaction that writes down for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from ...pipeline.definitions import Factory
from ...pipeline.expressions import ExpressionError, Scope, evaluate
from ...pipeline.run.records import derived_id
from ...wire.sealing import replaced
from ..database.tables import trigger_runs
from ..definitions.factories import timestamp
from ..definitions.resources import Resource
from ..definitions.secrets import Keeper
from ..errors import ApiError
from ..runs.beginning import begin
from ..runs.snapshot import factory_now
from .reading import Starts
from .state import add_run

# What a run that goes on may be.
WAITING, BLOCKED, RUNNING = "Waiting", "Blocked", "Running"


class CannotStart(Exception):
    """Why a pipeline cannot be started, in a sentence."""


@dataclass(frozen=True)
class Firing:
    """One trigger, in one transaction, at one time."""

    connection: sa.Connection
    keeper: Keeper
    resource: Resource
    guid: str
    now: float

    @cached_property
    def definitions(self) -> Factory:
        return factory_now(self.connection, self.resource.factory)

    def add(self, tick: float, **values: Any) -> str:
        return add_run(self.connection, self.resource, self.guid, tick, again=0, now=self.now, **values)

    def change(self, run_id: str, **values: Any) -> None:
        same = sa.update(trigger_runs).where(trigger_runs.c.id == run_id)
        self.connection.execute(same.values(updated=self.now, **values))

    def start(self, starts: Starts, about: Mapping[str, Any], *place: str) -> tuple[str, str]:
        """The pipeline's name and the id of its run, which is made of ``place``.

        ``about`` is what expressions see as trigger(), without its name and time. Raises CannotStart.
        """
        moment = text(self.now)
        trigger = {"name": self.resource.name, "startTime": moment, **about}
        run_id = derived_id(*place)
        try:
            run = begin(
                self.connection, self.resource.factory, self.definitions, starts.pipeline,
                self._arguments(starts, trigger), keeper=self.keeper, run_id=run_id,
                started=datetime.fromtimestamp(self.now, UTC), trigger=trigger,
                trigger_type=self.resource.properties["type"], trigger_name=self.resource.name,
                trigger_time=moment,
            )  # fmt: skip
        except (ApiError, ExpressionError) as error:
            raise CannotStart(str(error)) from error
        return run.pipeline, run.run_id

    def _arguments(self, starts: Starts, trigger: Mapping[str, Any]) -> dict[str, Any]:
        scope = Scope(trigger=trigger, global_parameters=self.definitions.global_parameters or {})
        return dict(evaluate(replaced(starts.parameters, self._opened), scope))

    def _opened(self, secret: Mapping[str, Any], _: str) -> Any:
        if "locked" not in secret:
            return dict(secret)
        return {"type": "SecureString", "value": self.keeper.unlock(secret["locked"])}


def text(seconds: float) -> str:
    """A time as expressions and answers have it."""
    return timestamp(datetime.fromtimestamp(seconds, UTC))
