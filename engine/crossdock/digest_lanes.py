"""One 64-bit number per value of an Arrow array, by numpy on views of the array's buffers.

A *lane* is a function ``(start, stop, out)`` that returns the numbers of the rows ``start`` to ``stop``:
in ``out`` (of that length), or a view of the data that must not be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from .digest_bytes import bytes_lane, fixed_lane
from .digest_mix import NULL, U64, Workspace, keys
from .digest_nested import nested_lane, whole
from .digest_types import is_bytes, is_view, nanoseconds

Lane = Callable[[int, int, U64], U64]

Values = npt.NDArray[Any]

_NAN = np.float64("nan").view(np.uint64)
_SIGN = np.int64(63)
_WIDE = keys(0xDEC, 3)


def prepare(array: pa.Array, work: Workspace, path: str) -> Lane:
    """The lane of any array; ``path`` names its place in the schema. The lane may keep its buffers."""
    array = _simple(array)
    kind = array.type
    if pt.is_null(kind) or not len(array):
        return _nothing
    if pt.is_dictionary(kind):
        return _with_nulls(array.indices, _dictionary(array, work, path))
    if pt.is_nested(kind):
        return _with_nulls(
            array, nested_lane(array, lambda child, name: prepare(child, work, f"{path}.{name}"))
        )
    if is_bytes(kind) or pt.is_interval(kind):
        fixed = pt.is_fixed_size_binary(kind) or pt.is_interval(kind)
        return _with_nulls(array, fixed_lane(array, work) if fixed else bytes_lane(array, work))
    return _with_nulls(array, _number(array))


def _simple(array: pa.Array) -> pa.Array:
    """The same values in a layout that has a lane."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _simple(array.storage)
    if pt.is_run_end_encoded(kind):
        return _simple(pc.run_end_decode(array))
    if is_view(kind):
        return pc.cast(array, pa.large_binary())
    return array


def _number(array: pa.Array) -> Lane:
    kind = array.type
    if pt.is_boolean(kind):
        return _integer(unpack(array.buffers()[1], array.offset, len(array)))
    if pt.is_floating(kind):
        return _real(_view(array, _dtype("f", kind)))
    if pt.is_decimal(kind):
        return _decimal(array)
    if pt.is_integer(kind):
        return _integer(_view(array, _dtype("u" if pt.is_unsigned_integer(kind) else "i", kind)))
    return _scaled(_view(array, _dtype("i", kind)), nanoseconds(kind))


def _dtype(letter: str, kind: pa.DataType) -> np.dtype[Any]:
    return np.dtype(f"{letter}{kind.bit_width // 8}")


def _view(array: pa.Array, dtype: np.dtype[Any], words: int = 1) -> Values:
    values = np.frombuffer(array.buffers()[1], dtype, (array.offset + len(array)) * words)
    return values[array.offset * words :]


def unpack(bitmap: pa.Buffer, offset: int, length: int) -> npt.NDArray[np.uint8]:
    """Bits as bytes of 0 and 1."""
    packed = np.frombuffer(bitmap, np.uint8)[offset // 8 : (offset + length + 7) // 8]
    return np.unpackbits(packed, bitorder="little")[offset % 8 : offset % 8 + length]


def _nothing(start: int, stop: int, out: U64) -> U64:
    out.fill(NULL)
    return out


def _with_nulls(array: pa.Array, values: Lane) -> Lane:
    """What stands in the slot of a null is undefined; its number is ``NULL``."""
    if not array.null_count or array.buffers()[0] is None:
        return values
    absent = unpack(array.buffers()[0], array.offset, len(array)) == 0

    def lane(start: int, stop: int, out: U64) -> U64:
        found = values(start, stop, out)
        if found is not out:
            np.copyto(out, found)
        np.copyto(out, NULL, where=absent[start:stop])
        return out

    return lane


def _integer(values: Values) -> Lane:
    if values.itemsize == 8:
        whole = values.view(np.uint64)
        return lambda start, stop, out: whole[start:stop]

    def lane(start: int, stop: int, out: U64) -> U64:
        # Sign extension: the same number has the same bits in every width.
        np.copyto(out.view(np.int64), values[start:stop])
        return out

    return lane


def _scaled(values: Values, factor: int) -> Lane:
    numbers = _integer(values)
    if factor == 1:
        return numbers
    by = np.uint64(factor)

    def lane(start: int, stop: int, out: U64) -> U64:
        return np.multiply(numbers(start, stop, out), by, out=out)

    return lane


def _real(values: Values) -> Lane:
    def lane(start: int, stop: int, out: U64) -> U64:
        real = out.view(np.float64)
        # Adding zero turns -0.0 into 0.0 and changes nothing else.
        np.add(values[start:stop], 0.0, out=real, dtype=np.float64)
        absent = np.isnan(real)
        if absent.any():
            out[absent] = _NAN
        return out

    return lane


def _decimal(array: pa.Array) -> Lane:
    """The low word, plus something for the others where they are more than its sign."""
    words = array.type.bit_width // 64
    if words < 2:
        return _integer(_view(array, _dtype("i", array.type)))
    view = _view(array, np.dtype(np.int64), words)
    parts: list[npt.NDArray[np.int64]] = [view[word::words].view(np.int64) for word in range(words)]

    def lane(start: int, stop: int, out: U64) -> U64:
        low, *upper = (part[start:stop] for part in parts)
        number = out.view(np.int64)
        np.copyto(number, low)
        # Nearly all decimals are small and not negative: two cheap reductions show it.
        if np.bitwise_or.reduce(number) >= 0 and not any(np.bitwise_or.reduce(part) for part in upper):
            return out
        below = low
        for key, part in zip(_WIDE, upper, strict=False):
            beyond = np.subtract(part, np.right_shift(below, _SIGN)).view(np.uint64)
            np.add(out, np.multiply(beyond, key, out=beyond), out=out)
            below = part
        return out

    return lane


def _dictionary(array: pa.DictionaryArray, work: Workspace, path: str) -> Lane:
    dictionary, indices = array.dictionary, array.indices
    known = work.dictionaries.get(path)
    if known is None or not _same_memory(known[0], dictionary):
        # A null slot may hold any index, also where the dictionary is empty.
        numbers = np.full(1, NULL)
        if len(dictionary):
            numbers = whole(prepare(dictionary, work, f"{path}.d"), len(dictionary))
        known = work.dictionaries[path] = (dictionary, numbers)
    entries = known[1]
    # numpy takes no 64-bit unsigned indices; valid ones look the same when signed.
    small = pt.is_unsigned_integer(indices.type) and indices.type.bit_width < 64
    view = _view(indices, _dtype("u" if small else "i", indices.type))

    def lane(start: int, stop: int, out: U64) -> U64:
        np.take(entries, view[start:stop], mode="clip", out=out)
        return out

    return lane


def _same_memory(one: pa.Array, other: pa.Array) -> bool:
    """Whether both are the same part of the same (immutable) buffers."""
    if one is other:
        return True
    if (one.type, one.offset, len(one)) != (other.type, other.offset, len(other)) or pt.is_nested(one.type):
        return False
    return [b and b.address for b in one.buffers()] == [b and b.address for b in other.buffers()]
