"""SqlServerStoredProcedure: calls a procedure of a database."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import crossdock
from crossdock import Parameter

from ..activity_types import Attempt
from ..planning.ends import End
from .activity import DataActivity, registered
from .parameters import by_name


@dataclass(frozen=True, slots=True)
class Procedure:
    end: End
    name: str
    parameters: Sequence[Parameter]


class StoredProcedureActivity(DataActivity[Procedure]):
    """What the procedure selects is not read: a Lookup or a Script does that."""

    def plan(self) -> Procedure | None:
        end = self.uses(self.database())
        name = self.properties.text("storedProcedureName")
        if not name:
            self.wrong("storedProcedureName", "a procedure is needed")
        parameters = by_name(self.properties.inner("storedProcedureParameters"))
        return Procedure(end, name, parameters) if end else None

    def carry_out(self, plan: Procedure, attempt: Attempt) -> Mapping[str, Any]:
        began = time.monotonic()
        crossdock.call_procedure(
            plan.end.address, plan.name, parameters=plan.parameters, rows=1, options=plan.end.given(),
            cancel=attempt.cancel,
        )  # fmt: skip
        return {"executionDuration": round(time.monotonic() - began)}


registered(
    "SqlServerStoredProcedure",
    "a procedure of a database, called once",
    StoredProcedureActivity,
    repeats=False,
)
