"""Cutting a file in which every newline ends a row."""

from __future__ import annotations

import io
from collections.abc import Sequence

_PROBE = 64 << 10


def cut_at_newlines(file: io.RawIOBase, end: int, targets: Sequence[int]) -> list[int]:
    """Starts of lines at or behind the targets, each once; ``end`` is that of the file."""
    found: list[int] = []
    for target in targets:
        if found and found[-1] >= target:
            continue
        boundary = _next_line(file, target - 1, end)
        if boundary < end:
            found.append(boundary)
    return found


def _next_line(file: io.RawIOBase, position: int, end: int) -> int:
    file.seek(position)
    while position < end and (data := file.read(min(_PROBE, end - position))):
        newline = data.find(b"\n")
        if newline >= 0:
            return position + newline + 1
        position += len(data)
    return end
