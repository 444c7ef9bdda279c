"""What takes the values at the end of a path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ..json_text import is_list, list_offsets
from .path_text import ANY, Step

Array: TypeAlias = pa.Array
Take = Callable[[Array], Array]


def follow(kind: pa.DataType, steps: Sequence[Step]) -> tuple[pa.DataType, list[Take]] | None:
    """The type at the end of a path within ``kind``, and what takes values there; None: no such path."""
    taking: list[Take] = []
    for number, step in enumerate(steps):
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
            taking.append(lambda values: values.dictionary_decode())
        if step == ANY and is_list(kind):
            inner = follow(kind.value_type, steps[number + 1 :])
            return inner and (inner[0], [*taking, _any(inner[1])])
        if isinstance(step, int) and step != ANY and is_list(kind):
            kind = kind.value_type
            taking.append(_item(step))
        elif isinstance(step, str) and pa.types.is_struct(kind) and kind.get_field_index(step) >= 0:
            kind = kind.field(step).type
            taking.append(_field(step))
        elif isinstance(step, str) and pa.types.is_map(kind) and pa.types.is_string(kind.key_type):
            kind = kind.item_type
            taking.append(_key(step))
        else:
            return None
    return kind, taking


def _field(name: str) -> Take:
    return lambda values: pc.struct_field(values, [name])


def _key(name: str) -> Take:
    return lambda values: pc.map_lookup(values, pa.scalar(name), "last")


def _item(index: int) -> Take:
    def take(values: Array) -> Array:
        starts = list_offsets(values)[:-1]
        there = pc.greater(pc.list_value_length(values), index)
        return values.flatten().take(pc.if_else(there, pc.add(starts, index), None))

    return take


def _any(taking: Sequence[Take]) -> Take:
    def take(values: Array) -> Array:
        found = taken(values.flatten(), taking)
        there = pc.is_valid(found)
        rows = pa.table({
            "row": pc.list_parent_indices(values).filter(there), "at": pc.indices_nonzero(there),
        })  # fmt: skip
        first = rows.group_by("row", use_threads=False).aggregate([("at", "min")]).sort_by("row")
        all_rows = pc.subtract(pc.cumulative_sum(pa.repeat(1, len(values))), 1)
        have = pc.is_in(all_rows, first["row"].combine_chunks().cast(all_rows.type))
        nothing = pa.nulls(len(values), first["at_min"].type)
        return found.take(pc.replace_with_mask(nothing, have, first["at_min"].combine_chunks()))

    return take


def taken(values: Array, taking: Sequence[Take]) -> Array:
    """The values at the end of a path."""
    for take in taking:
        values = take(values)
    return values
