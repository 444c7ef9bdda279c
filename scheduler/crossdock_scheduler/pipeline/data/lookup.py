"""Lookup: the first row, or all rows, of a dataset or a query."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import crossdock
from crossdock import ConfigError

from ..activity_types import Attempt
from ..copy.ends import End
from .activity import DataActivity, registered

MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is looked up. ``first``: the first row only."""

    end: End
    first: bool = True


class LookupActivity(DataActivity[Lookup]):
    """The rows are the output, so they are held in memory: no more than ``MOST_BYTES`` of them."""

    def plan(self) -> Lookup | None:
        end = self.uses(self.dataset(self.properties.inner("source")))
        first = self.properties.flag("firstRowOnly", default=True)
        if end is None:
            return None
        if not end.tabular:
            self.wrong("dataset", "a file that is read as bytes has no rows")
        return Lookup(end, first is not False)

    def carry_out(self, plan: Lookup, attempt: Attempt) -> Mapping[str, Any]:
        rows = _rows(plan, attempt)
        if plan.first:
            return {"firstRow": rows[0]} if rows else {}
        return {"count": len(rows), "value": rows}


def _rows(plan: Lookup, attempt: Attempt) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    taken = 0
    batches = crossdock.read(
        plan.end.address,
        source_format=plan.end.format,
        source_options=plan.end.given(),
        rows=1 if plan.first else None,
        cancel=attempt.cancel,
    )
    with closing(batches):
        for batch in batches:
            taken += batch.nbytes
            if taken > MOST_BYTES:
                raise ConfigError(
                    f"the rows take more than {MOST_BYTES >> 20} MiB, too much for an activity's output; "
                    "look up fewer, or copy them"
                )
            rows += crossdock.json_rows(batch)
    return rows


registered("Lookup", "rows of a dataset or a query, as the activity's output", LookupActivity)
