"""Lanes of lists, structs, maps and unions. They number a whole array at once, for they are rarer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pt

from .digest_mix import BLOCK, U64, chain, keys

Lane = Callable[[int, int, U64], U64]
Prepare = Callable[[pa.Array, str], Lane]
"""Makes the lane of a child; the text names the child."""

_STRUCT, _POSITION, _ELEMENT, _MIX, _LENGTH, _UNION = keys(0x11, 6)
_FIELDS = 0x57


def whole(lane: Lane, length: int) -> U64:
    """Everything a lane has, in memory of its own."""
    out = np.empty(length, np.uint64)
    for start in range(0, length, BLOCK):
        part = out[start : start + BLOCK]
        found = lane(start, start + len(part), part)
        if found is not part:
            np.copyto(part, found)
    return out


def nested_lane(array: pa.Array, prepare: Prepare) -> Lane:
    """The lane of a nested array without a look at its own nulls."""

    def number(child: pa.Array, name: str) -> U64:
        return whole(prepare(child, name), len(child))

    if pt.is_struct(array.type):
        fields = [number(array.field(i), str(i)) for i in range(array.type.num_fields)]
        numbers = _struct(fields, len(array))
    elif pt.is_union(array.type):
        numbers = _union(array, number)
    elif pt.is_list_view(array.type) or pt.is_large_list_view(array.type):
        numbers = _list_views(array, number)
    else:
        bounds = _bounds(array)
        begin, count = int(bounds[0]), int(bounds[-1] - bounds[0])
        numbers = _lists(_elements(array, begin, count, number), bounds - begin)
    return lambda start, stop, out: numbers[start:stop]


def _struct(fields: list[U64], length: int) -> U64:
    value, scratch = np.full(length, _STRUCT), np.empty(length, np.uint64)
    for key, field in zip(keys(_FIELDS, len(fields)), fields, strict=True):
        chain(value, field, key, scratch)
    return value


def _bounds(array: pa.Array) -> npt.NDArray[np.int64]:
    """Where each list begins in its values, and where the last one ends."""
    if pt.is_fixed_size_list(array.type):
        rows = np.arange(array.offset, array.offset + len(array) + 1, dtype=np.int64)
        return rows * int(array.type.list_size)
    dtype = np.int64 if pt.is_large_list(array.type) else np.int32
    bounds = np.frombuffer(array.buffers()[1], dtype, array.offset + len(array) + 1)
    return bounds[array.offset :].astype(np.int64)


def _elements(array: pa.Array, begin: int, count: int, number: Callable[[pa.Array, str], U64]) -> U64:
    if not pt.is_map(array.type):
        return number(array.values.slice(begin, count), "e")
    sides = [number(array.keys.slice(begin, count), "k"), number(array.items.slice(begin, count), "i")]
    return _struct(sides, count)


def _list_views(array: pa.Array, number: Callable[[pa.Array, str], U64]) -> U64:
    """As lists, whose elements are first brought into the order of the rows."""
    starts = np.asarray(array.offsets).astype(np.int64)
    # Arrow lets the slot of a null point anywhere.
    sizes = np.where(np.asarray(array.is_valid()), np.asarray(array.sizes), 0).astype(np.int64)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    rows = np.repeat(starts - bounds[:-1], sizes) + np.arange(bounds[-1])
    if not len(rows):
        return _lists(np.empty(0, np.uint64), bounds)
    begin = int(rows.min())
    values = number(array.values.slice(begin, int(rows.max()) - begin + 1), "e")
    return _lists(values[rows - begin], bounds)


def _lists(elements: U64, bounds: npt.NDArray[np.int64]) -> U64:
    """Per list the sum over its elements, each mixed with its position, and its length."""
    lengths = np.diff(bounds)
    position = np.arange(len(elements)) - np.repeat(bounds[:-1], lengths)
    value, scratch = np.full(len(elements), _POSITION), np.empty(len(elements), np.uint64)
    chain(value, position.view(np.uint64), _ELEMENT, scratch)
    chain(value, elements, _MIX, scratch)
    sums = np.zeros(len(elements) + 1, np.uint64)
    np.cumsum(value, out=sums[1:])
    return sums[bounds[1:]] - sums[bounds[:-1]] + lengths.view(np.uint64) * _LENGTH


def _union(array: pa.UnionArray, number: Callable[[pa.Array, str], U64]) -> U64:
    # Not ``array.type_codes`` and ``array.offsets``: they take a slice for its beginning.
    part = slice(array.offset, array.offset + len(array))
    buffers = array.buffers()
    codes = np.frombuffer(buffers[1], np.int8)[part]
    places = np.frombuffer(buffers[2], np.int32)[part] if array.type.mode == "dense" else None
    value = np.empty(len(array), np.uint64)
    for index, code in enumerate(array.type.type_codes):
        rows = np.flatnonzero(codes == code)
        numbers = number(array.field(index), str(index))
        value[rows] = numbers[rows if places is None else places[rows]]
    start, scratch = codes.astype(np.uint64), np.empty(len(array), np.uint64)
    chain(start, np.broadcast_to(_UNION, len(array)), _MIX, scratch)
    chain(start, value, _ELEMENT, scratch)
    return start
