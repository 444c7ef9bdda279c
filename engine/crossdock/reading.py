"""Rows without a sink: for those who look them up. Nothing is journaled, nothing changes."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CancelledError
from .interactive import only_unit
from .mapping import Apply, ColumnMapping, compile_mapping
from .mapping.parsing import MapText, parse_map
from .opening import blaming, open_end
from .plugins import registry
from .sides import Side, find_source
from .spelling import snake_case
from .spi.data import PlanHint, Unit
from .spi.endpoints import Source
from .stopping import stopping

if TYPE_CHECKING:
    import pyarrow as pa


def read(
    address: str | Path,
    *,
    source_format: str | None = None,
    source_options: Mapping[str, str] | None = None,
    map: MapText | None = None,  # noqa: A002 - the option's name
    rows: int | None = None,
    cancel: threading.Event | None = None,
) -> Generator[pa.RecordBatch]:
    """The rows of a table, of a query, or of all files of an address; at most ``rows``.

    Files may have different columns: each batch has those of its own. Addresses, options and ``map`` are
    those of ``copy``. Raises CrossdockError, and CancelledError soon after ``cancel`` is set.
    """
    ended = cancel or threading.Event()
    given, mapping = snake_case(source_options), parse_map(map, None)
    side = Side(registry(), str(address), source_format, given, "source", ended)
    end = find_source(side)
    with (
        blaming(end.connector, "source"),
        closing(open_end(end, "tabular")) as source,
        stopping(source, ended),
    ):
        for unit in _units(source, side):
            apply = _mapped(source, unit, mapping) if mapping else None
            # Of an item of a list comes more than one row, or none.
            for batch in _batches(source, unit, None if mapping and mapping.unfold else rows):
                if ended.is_set():
                    raise CancelledError
                made = apply(batch) if apply else batch
                found = made if rows is None else made.slice(0, rows)
                yield found
                if rows is not None:
                    rows -= found.num_rows
                    if rows <= 0:
                        return


def _mapped(source: Source[Any], unit: Unit, mapping: ColumnMapping) -> Apply | None:
    schema = source.schema(unit)
    assert schema is not None  # noqa: S101 - these have columns
    return compile_mapping(schema, mapping, unit.name, [])[1]


def _units(source: Source[Any], side: Side) -> Iterator[Unit]:
    if side.spec.kind == "table":
        yield only_unit(source, side)
        return
    for page in source.units():
        yield from page.units


def _batches(source: Source[Any], unit: Unit, rows: int | None) -> Iterator[pa.RecordBatch]:
    for split in source.plan(unit, PlanHint(max_splits=1, first_rows=rows)):
        with source.read(split) as batches:
            yield from batches
