"""``--verify``: what is read back from the sink has the digest of what was read from the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .errors import VerificationError
from .spi.data import Receipt, Split

if TYPE_CHECKING:
    from .carry import Digest

Done = tuple[Split, Receipt, str]


class _Bytes:
    """Digest of one byte range."""

    def __init__(self) -> None:
        from .digest import ByteDigest

        self._digest = ByteDigest()
        self.update = self._digest.update

    def text(self) -> str:
        return f"{self._digest.value:032x}"


class _Rows:
    """Digest of the rows of one split."""

    def __init__(self, schema: Any) -> None:
        from .digest import TableDigest

        self._digest = TableDigest(schema)
        self.update = self._digest.update

    def text(self) -> str:
        return str(self._digest.value)


def new_digest(schema: Any) -> Callable[[], Digest]:
    """A maker of digests for one split: of rows with ``schema``, or of bytes (None)."""
    return _Bytes if schema is None else lambda: _Rows(schema)


def compare(name: str, schema: Any, written: Iterable[Done], read_back: Iterable[tuple[Split, str]]) -> None:
    """Raise VerificationError, naming the unit, when the two sides differ.

    Rows are compared as a multiset over the whole unit; bytes range by range.
    """
    if schema is None:
        _compare_ranges(name, written, read_back)
        return
    from .digest import TableValue
    from .digest import compare as compare_rows

    expected, actual = TableValue(), TableValue()
    for _, _, text in written:
        expected += TableValue.parse(text)
    for _, text in read_back:
        actual += TableValue.parse(text)
    compare_rows(expected, actual, name)


def _compare_ranges(name: str, written: Iterable[Done], read_back: Iterable[tuple[Split, str]]) -> None:
    expected = {split.offset: (split.length, text) for split, _, text in written if split.length}
    actual = {split.offset: (split.length, text) for split, text in read_back if split.length}
    for offset in sorted({*expected, *actual}, key=lambda value: value or 0):
        if expected.get(offset) != actual.get(offset):
            raise VerificationError(
                f"{name}: the bytes from {offset:,} on differ between source and sink; copy it again"
            )
