"""The arithmetic of the table digest: fixed keys and one mixing step, all modulo 2**64.

Everything here is part of the digest's definition (``TableValue`` carries its version).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

U64 = npt.NDArray[np.uint64]

_SHIFT = np.uint64(32)


def _splitmix(state: int) -> int:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014)."""
    value = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def keys(stream: int, count: int) -> list[np.uint64]:
    """``count`` odd constants that look random; the same ones on every machine."""
    base = _splitmix(stream)
    return [np.uint64(_splitmix((base + i * 0x9E3779B97F4A7C15) % 2**64) | 1) for i in range(1, count + 1)]


NULL = keys(0x0, 1)[0]

# Temporaries of a block (a few arrays of 128 KiB) stay in a core's second-level cache.
BLOCK = 16384


class Workspace:
    """Memory that one digest uses again for every block: page faults would cost more than hashing.

    ``dictionaries``: the last dictionary of each column with its numbers, for readers repeat a
    dictionary batch after batch.
    """

    def __init__(self) -> None:
        self.dictionaries: dict[str, tuple[pa.Array, U64]] = {}
        self._words = np.empty(BLOCK * 8, np.uint64)
        # numpy's gather always allocates. Having freed one large array, glibc serves the later ones
        # from its heap instead of mapping fresh pages each time (three times faster for long strings).
        np.empty(2**22, np.uint8)

    def words(self, rows: int, columns: int) -> U64:
        """A scratch matrix, valid until the next call; at most ``BLOCK`` rows and 8 columns."""
        return self._words[: rows * columns].reshape(rows, columns)


def chain(value: U64, lane: U64, key: np.uint64, scratch: U64) -> None:
    """Mix one more lane into ``value``, in place.

    Each step is a bijection of ``value`` and of ``lane``, so one changed lane always changes the
    result; the shift brings high bits down, which a product modulo 2**64 alone never does.
    """
    np.bitwise_xor(value, lane, out=value)
    np.multiply(value, key, out=value)
    np.right_shift(value, _SHIFT, out=scratch)
    np.bitwise_xor(value, scratch, out=value)
