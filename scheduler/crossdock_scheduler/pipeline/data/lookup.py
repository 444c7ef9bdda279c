"""Lookup: the first row, or all rows, of a dataset or a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import crossdock
from crossdock import ConfigError, NotSupportedError, Parameter

from ..activity_types import Attempt
from ..planning.ends import End
from ..planning.shape import shaped
from .activity import DataActivity, registered
from .parameters import by_name

MOST_BYTES = 64 << 20
# Options of connectors that say what is asked of a database in place of a table.
_ASKED = frozenset({"query", "procedure", "parameters"})


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is looked up. ``first``: the first row only. ``parameters`` are those of a procedure."""

    end: End
    first: bool = True
    parameters: Sequence[Parameter] = ()

    @property
    def asked(self) -> bool:
        """Whether there is a query that goes to the database as it is, or a procedure."""
        options = self.end.options
        ranges = options.get("partition_option", "None") != "None"
        return self.end.format is None and bool(options.keys() & _ASKED) and not ranges


class LookupActivity(DataActivity[Lookup]):
    """The rows are the output, so they are held in memory: no more than ``MOST_BYTES`` of them."""

    def plan(self) -> Lookup | None:
        source = self.properties.inner("source")
        end = self.uses(self.dataset(source))
        first = self.properties.flag("firstRowOnly", default=True)
        if end is None:
            return None
        if not end.tabular:
            self.wrong("dataset", "a file that is read as bytes has no rows")
        parameters = by_name(source.inner("storedProcedureParameters")) if end.format is None else ()
        return Lookup(end, first is not False, parameters)

    def carry_out(self, plan: Lookup, attempt: Attempt) -> Mapping[str, Any]:
        rows = _answered(plan, attempt) if plan.asked else None
        if rows is None:
            rows = _rows(plan, attempt)
        if plan.first:
            return {"firstRow": rows[0]} if rows else {}
        return {"count": len(rows), "value": rows}


def _answered(plan: Lookup, attempt: Attempt) -> list[dict[str, Any]] | None:
    """What a query or a procedure gives, which may do more than select; None where scripts are not run."""
    given = plan.end.given()
    query, procedure = given.get("query", ""), given.get("procedure", "")
    how: dict[str, Any] = {
        "options": {name: value for name, value in given.items() if name not in _ASKED},
        "rows": 1 if plan.first else None,
        "cancel": attempt.cancel,
    }
    try:
        if query:
            found = crossdock.run_script(plan.end.address, query, **how)
        else:
            found = crossdock.call_procedure(plan.end.address, procedure, parameters=plan.parameters, **how)
    except NotSupportedError:
        return None
    if len(found.tables) != 1:
        what = "the query" if query else "the procedure"
        raise ConfigError(f"source: {what} must give one result set, and it gave {len(found.tables)}")
    return list(crossdock.json_rows(found.tables[0]))


def _rows(plan: Lookup, attempt: Attempt) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    taken = 0
    batches = crossdock.read(
        plan.end.address,
        source_format=plan.end.format,
        source_options=plan.end.given(),
        map=shaped(None, plan.end.shape),
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
