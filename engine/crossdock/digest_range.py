"""Digest of the bytes of one range. Apart from that of rows, which needs numpy and pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    import pyarrow as pa


class ByteDigest:
    """xxh3 (128 bit) over the bytes of one range, in order. Not safe to use from several threads."""

    def __init__(self) -> None:
        self._state = xxhash.xxh3_128()

    def update(self, buffer: bytes | memoryview | pa.Buffer) -> None:
        self._state.update(buffer)

    @property
    def value(self) -> int:
        return self._state.intdigest()

    def __str__(self) -> str:
        """What a journal keeps of it."""
        return f"{self.value:032x}"
