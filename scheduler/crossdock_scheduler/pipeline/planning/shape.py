"""Columns that datasets of Data Factory's first model name, as a part of the mapping."""

from __future__ import annotations

from dataclasses import replace

from crossdock import AdfTranslation, ColumnMapping, MappedColumn

_AS_IT_IS = AdfTranslation()


def shaped(
    mapping: ColumnMapping | None, source: AdfTranslation, sink: AdfTranslation = _AS_IT_IS
) -> ColumnMapping | None:
    """The mapping, whose columns of the source are those that its dataset names.

    Without one, these are what is copied. Levels in names of columns become those of nested values.
    """
    made = mapping or ColumnMapping()
    if not made.columns:
        named = tuple(MappedColumn((name,), source=name) for name in source.columns)
        made = replace(made, columns=named)
    columns = tuple(_within(_of(each, source), sink.nesting) for each in made.columns)
    made = replace(made, columns=columns, unfold=made.unfold or source.unfold)
    return None if mapping is None and made == ColumnMapping() else made


def _of(column: MappedColumn, source: AdfTranslation) -> MappedColumn:
    """Where a column comes from that the mapping only names."""
    place = source.columns.get(column.source)
    if isinstance(place, int):
        return replace(column, source="", ordinal=place)
    if place is not None:
        return replace(column, source="", path=place)
    if not source.columns and source.nesting and source.nesting in column.source:
        steps = (
            each.replace("\\", "\\\\").replace("'", "\\'") for each in column.source.split(source.nesting)
        )
        return replace(column, source="", path="$" + "".join(f"['{each}']" for each in steps))
    return column


def _within(column: MappedColumn, nesting: str) -> MappedColumn:
    if not nesting or len(column.sink) != 1 or nesting not in column.sink[0]:
        return column
    return replace(column, sink=tuple(column.sink[0].split(nesting)))
