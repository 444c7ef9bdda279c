"""Lanes of byte strings: eight bytes at a time for all rows of a block at once.

The number of a string of ``n`` bytes is ``n * KEY + sum over its words w[k] of fold(w[k] * A[k]) * B[k]``
with little-endian words, ``fold(p) = p ^ (p >> 32)``, and the last word shifted left so that its last
byte is the top one. Strings above ``LONG`` bytes have the number ``xxh3_64``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pt
import xxhash

from .digest_mix import U64, Workspace, keys

LONG = 512
_STRIPE = 64
_A, _B = keys(0xA, LONG // 8), keys(0xB, LONG // 8)
_KEY = keys(0x1E9, 1)[0]
_SHIFT = np.uint64(32)

Positions = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]


def bytes_lane(array: pa.Array, work: Workspace) -> Callable[[int, int, U64], U64]:
    """The lane of a (large) string or binary array."""
    wide = pt.is_large_string(array.type) or pt.is_large_binary(array.type)
    _, bounds, buffer = array.buffers()
    dtype = np.int64 if wide else np.int32
    offsets = np.frombuffer(bounds, dtype, array.offset + len(array) + 1)[array.offset :]
    data = np.frombuffer(buffer, np.uint8) if buffer is not None else np.empty(0, np.uint8)
    return lambda start, stop, out: _numbers(data, offsets[start : stop + 1].astype(np.intp), out, work)


def fixed_lane(array: pa.Array, work: Workspace) -> Callable[[int, int, U64], U64]:
    """The lane of values that are all as long as their type says."""
    width = array.type.bit_width // 8
    buffer = array.buffers()[1]
    data = np.frombuffer(buffer, np.uint8) if buffer is not None else np.empty(0, np.uint8)

    def lane(start: int, stop: int, out: U64) -> U64:
        rows = np.arange(array.offset + start, array.offset + stop + 1, dtype=np.intp)
        return _numbers(data, rows * width, out, work)

    return lane


def _numbers(data: Bytes, bounds: Positions, out: U64, work: Workspace) -> U64:
    """The numbers of the strings between consecutive ``bounds``."""
    starts, lengths = bounds[:-1], np.diff(bounds)
    longest = int(lengths.max())
    if longest == 1 and int(lengths.min()) == 1:
        return _letters(data[bounds[0] : bounds[-1]], out)
    np.multiply(lengths.view(np.uint64), _KEY, out=out)
    if longest > LONG:
        _long(data, starts, lengths, out)
        longest = int(lengths.max())
    if longest:
        left = lengths if longest <= _STRIPE else np.minimum(lengths, _STRIPE)
        words = min(-(-longest // 8), 8)
        # numpy copies 32 bytes faster than 24.
        out += _stripe(data, starts, left, (0, 4 if words == 3 else words), work)
    for stripe in range(1, -(-longest // _STRIPE)):
        rows = np.flatnonzero(lengths > stripe * _STRIPE)
        left = np.minimum(lengths[rows] - stripe * _STRIPE, _STRIPE)
        out[rows] += _stripe(data, starts[rows] + stripe * _STRIPE, left, (stripe, 8), work)
    return out


def _letters(data: Bytes, out: U64) -> U64:
    """Strings of one byte each (flags), which need no gathering: a table of all 256."""
    np.take(_alphabet(), data, out=out, mode="clip")
    return out


@cache
def _alphabet() -> U64:
    every = np.arange(256, dtype=np.uint8)
    return _stripe(every, np.arange(256), np.ones(256, np.intp), (0, 1), Workspace()) + _KEY


def _long(data: Bytes, starts: Positions, lengths: Positions, out: U64) -> None:
    """Number the long strings one by one and set their length to 0: nothing is left to add."""
    rows = np.flatnonzero(lengths > LONG)
    begins, ends = starts[rows].tolist(), (starts[rows] + lengths[rows]).tolist()
    view, number = data.data, xxhash.xxh3_64_intdigest
    found = [number(view[begin:end]) for begin, end in zip(begins, ends, strict=True)]
    out[rows] = np.array(found, np.uint64)
    lengths[rows] = 0


def _stripe(
    data: Bytes, starts: Positions, lengths: Positions, part: tuple[int, int], work: Workspace
) -> U64:
    """The part of the sum over up to 8 words at ``starts``; no length is above ``8 * words``.

    ``part`` is the number of the stripe (of 8 words) within the strings, and the number of words.
    """
    words = part[1]
    first, second = _tables(*part)
    product = _gather(data, starts, 8 * words).view(np.uint64).reshape(-1, words)
    scratch = work.words(len(starts), words)
    # A row of the table is picked by the length: zero for words behind the end, and for the last word
    # times a power of two, which shifts out the bytes of the next string.
    np.take(first, lengths, axis=0, mode="clip", out=scratch)
    np.multiply(product, scratch, out=product)
    np.right_shift(product, _SHIFT, out=scratch)
    np.bitwise_xor(product, scratch, out=product)
    if words == 1:
        return np.multiply(product, second, out=product)[:, 0]
    sums: U64 = np.matmul(product, second)
    return sums


@cache
def _tables(stripe: int, words: int) -> tuple[U64, U64]:
    first = np.zeros((8 * words + 1, words), np.uint64)
    base = stripe * 8
    for length in range(1, 8 * words + 1):
        last, rest = divmod(length - 1, 8)
        first[length, :last] = _A[base : base + last]
        first[length, last] = _A[base + last] << np.uint64(8 * (7 - rest))
    return first, np.array(_B[base : base + words], np.uint64)


def _gather(data: Bytes, starts: Positions, width: int) -> npt.NDArray[np.void]:
    """``width`` bytes from each of ``starts``; zeros where the buffer ends before that."""
    inside = len(data) - width
    count = int(np.searchsorted(starts, inside, side="right"))
    if count == len(starts):
        return _windows(data, width)[starts]
    found = np.empty(len(starts), f"V{width}")
    if count:
        found[:count] = _windows(data, width)[starts[:count]]
    begin = int(starts[count])
    padded = np.concatenate([data[begin:], np.zeros(width, np.uint8)])
    found[count:] = _windows(padded, width)[starts[count:] - begin]
    return found


def _windows(data: Bytes, width: int) -> npt.NDArray[np.void]:
    """All overlapping stretches of ``width`` bytes; one is fetched by a single copy."""
    return np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))
