"""A compressed stream as a file: forward as it comes, backward from the start again."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

from ..errors import DataError

CHUNK = 1 << 20
Chunks = Callable[[], Iterator[bytes]]


def chunks_of(file: io.RawIOBase, start: int = 0, size: int | None = None) -> Iterator[bytes]:
    """A range of a file, which nobody else reads meanwhile; to its end without ``size``."""
    file.seek(start)
    left = size
    while left is None or left > 0:
        data = file.read(CHUNK if left is None else min(CHUNK, left))
        if not data:
            return
        if left is not None:
            left -= len(data)
        yield data


class PackedFile(io.RawIOBase):
    """Reads what ``begin`` yields; it is ``sequential``: places far apart are dear.

    Without ``size`` it is ``open_ended``: where it ends is not known.

    A stream that is longer or shorter than ``size`` raises DataError.
    """

    def __init__(self, begin: Chunks, name: str, size: int | None = None) -> None:
        super().__init__()
        self._begin, self._name, self._size = begin, name, size
        self.open_ended, self.sequential = size is None, True
        self._at = 0
        self._restart()

    def _restart(self) -> None:
        self._pieces, self._rest, self._place = self._begin(), memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            if self._size is None:
                raise io.UnsupportedOperation(f"nobody knows where {self._name} ends")
            offset += self._size
        elif whence == io.SEEK_CUR:
            offset += self._at
        self._at = max(0, offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self._size is not None:
            view = view[: max(0, self._size - self._at)]
        if self._at < self._place:
            self._restart()
        while len(view) and self._more():
            if skipped := min(self._at - self._place, len(self._rest)):
                self._rest, self._place = self._rest[skipped:], self._place + skipped
                continue
            count = min(len(view), len(self._rest))
            view[:count] = self._rest[:count]
            self._rest, self._place = self._rest[count:], self._place + count
            self._at += count
            return count
        if len(view) and self._size is not None:
            raise DataError(f"{self._name} ended {self._size - self._place:,} bytes too early")
        return 0

    @property
    def place(self) -> int:
        """How far the stream was read: what is before it costs a new beginning."""
        return self._place

    def check_end(self) -> None:
        """Read on to where the stream must end, which is when it says whether it was whole.

        Raises DataError where more comes than ``size``.
        """
        if self._size is not None and self._at == self._place and self._more():
            raise DataError(f"{self._name} is longer than {self._size:,} bytes, as which it is listed")

    def _more(self) -> bool:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._rest = memoryview(piece)
        return True
