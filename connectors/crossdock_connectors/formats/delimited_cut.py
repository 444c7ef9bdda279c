"""Where a delimited file can be cut: newlines that stand outside of quotes.

Inside or outside is a matter of counting: with doubled quotes, a newline is outside when an even number
of quotes stands before it. That holds as long as every quote that opens stands where a value starts,
which is checked for each one; a file with ``5" pipe`` in an unquoted value is not cut.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CHUNK = 1 << 20
_NEWLINE = 10


class Scanner:
    """Reads ``[start, end)`` once and collects one boundary at or behind each target.

    ``start`` is the start of a row and the targets ascend. ``boundaries`` are starts of rows, each
    once. ``stray`` is the offset of a quote that stands where none can (and ended the scan), or the end of
    the file where the last quote is not closed.
    """

    def __init__(self, delimiter: str, quote: str) -> None:
        self.boundaries: list[int] = []
        self.stray: int | None = None
        self._quote = ord(quote) if quote else None
        self._may_open = np.zeros(256, np.bool_)
        self._may_open[[ord(delimiter), ord("\n"), ord("\r")]] = True
        if quote:
            # Behind a quote: the second of a doubled pair goes on with the same value.
            self._may_open[ord(quote)] = True

    def scan(self, file: io.RawIOBase, start: int, end: int, targets: Sequence[int]) -> None:
        buffer = bytearray(CHUNK)
        codes = np.frombuffer(buffer, np.uint8)
        file.seek(start)
        position, inside, previous, left = start, 0, _NEWLINE, list(reversed(targets))
        while position < end and (left or self._quote is not None):
            count = file.readinto(memoryview(buffer)[: min(CHUNK, end - position)]) or 0
            if not count:
                break
            quotes = self._quotes(codes[:count])
            bad = self._first_stray(codes, quotes, inside, previous)
            if bad is not None:
                self.stray = position + bad
                return
            while left and left[-1] < position + count:
                found = _boundary(buffer, count, quotes, inside, max(left[-1] - position, 0))
                if found is None:
                    break
                self._take(position + found, left, end)
            inside ^= len(quotes) & 1
            previous = buffer[count - 1]
            position += count
        if inside:
            self.stray = end

    def _take(self, boundary: int, left: list[int], end: int) -> None:
        while left and left[-1] <= boundary:
            left.pop()
        if boundary < end:
            self.boundaries.append(boundary)

    def _quotes(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
        if self._quote is None:
            return np.empty(0, np.intp)
        return np.flatnonzero(codes == self._quote)

    def _first_stray(
        self, codes: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], inside: int, previous: int
    ) -> int | None:
        opening = quotes[inside::2]
        if not len(opening):
            return None
        before = codes[opening - 1]
        if opening[0] == 0:
            before[0] = previous
        fine = self._may_open[before]
        return None if fine.all() else int(opening[np.argmin(fine)])


def _boundary(
    buffer: bytearray, count: int, quotes: npt.NDArray[np.intp], inside: int, start: int
) -> int | None:
    """Offset behind the first newline that stands outside of quotes at or behind ``start``."""
    while (newline := buffer.find(b"\n", start, count)) >= 0:
        before = int(np.searchsorted(quotes, newline))
        if not (inside + before) & 1:
            return newline + 1
        if before == len(quotes):
            return None
        start = int(quotes[before]) + 1
    return None
