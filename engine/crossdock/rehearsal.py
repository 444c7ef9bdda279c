"""What a copy would do (``--dry-run``): how and why, how much, in how many pieces, with which columns."""

from __future__ import annotations

from itertools import islice
from typing import Any

from .context import Context
from .errors import CrossdockError
from .request import CopyRequest, Resolved
from .spi.data import PlanHint, Unit

_LOOKED_INTO = 100
"""Units whose splits are counted: planning opens each file."""


def rehearsed(context: Context) -> dict[str, Any]:
    """The plan of a run that has listed its units, as JSON. Reads the source, changes nothing.

    ``splits`` is None where there are too many units to look into; ``bytes`` where the source does not say.
    """
    totals = context.journal.totals()
    units = [row.unit for row in context.journal.open_units(0, _LOOKED_INTO)]
    plan: dict[str, Any] = {
        "reason": _reason(context.request, context.resolved),
        "units": totals.units,
        "bytes": totals.size,
        "splits": None if totals.units > _LOOKED_INTO else sum(_splits(context, unit) for unit in units),
        "parallelCopies": context.parallel,
        "names": [unit.name for unit in islice(units, 10)],
    }
    if context.resolved.payload == "tabular" and units:
        plan |= {"columnsOf": units[0].name, "columns": _columns(context, units[0])}
    return plan


def _reason(request: CopyRequest, resolved: Resolved) -> str:
    """Why the copy goes byte by byte, or by rows: what ``plan.decide`` has looked at."""
    source, sink = resolved.source, resolved.sink
    if resolved.payload == "binary":
        return "nothing asks to look into the files"
    if not source.format or not sink.format:
        return f"{sink.connector if source.format else source.connector} has tables"
    if source.format != sink.format:
        return f"{source.format} becomes {sink.format}"
    if request.map is not None or request.skip_rows:
        return "columns are mapped" if request.map is not None else "rows that do not fit are left out"
    if source.format_options or sink.format_options:
        return "options ask for another encoding of the files"
    return "many files become one" if source.merge else "the files change their shape"


def _splits(context: Context, unit: Unit) -> int:
    sink = context.resolved.sink
    able = context.source_spec.capabilities.cheap_scan
    hint = PlanHint(context.parallel, block=sink.block, cheap_scan=able)
    try:
        return sum(1 for _ in context.ask_source(lambda: list(context.source.plan(unit, hint))))
    except CrossdockError as error:
        if error.code != "NotFound":
            raise
        return 0  # it has vanished since it was listed


def _columns(context: Context, unit: Unit) -> list[dict[str, str]]:
    schema, _ = context.mapped(unit)
    columns = context.mapping.columns if context.mapping else ()
    origin = {each.sink[0]: each.origin for each in columns}
    return [
        {"name": column.name, "type": str(column.type), "source": origin.get(column.name, column.name)}
        for column in schema
    ]
