"""What is digested of one split while it is carried, and the text of it that the journal keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import InternalError
from .spi.record import record

if TYPE_CHECKING:
    from .carry import Digest
    from .digest import TableValue

SAMPLED = "part1:"
_COUNTED = "count1:"
_MARK_ROWS = 1 << 15
_WIDER = 4


@record
class Digesting:
    """Makes the digest of a split: of its bytes (no ``schema``), of all its values, or of a sample.

    With a ``share`` the rows are counted, and the values of about that share of them, from the first row
    on, are digested. ``length`` is that of the split in bytes where it is known.
    """

    schema: Any
    share: float | None = None
    length: int | None = None

    def __call__(self) -> Digest:
        if self.schema is None:
            return _Bytes()
        return _Rows(self.schema) if self.share is None else _Sample(self.schema, self.share, self.length)


@record(slots=True)
class Carried:
    """A sampled split: its ``rows``, and the digest of the first ones; None where none were looked at."""

    rows: int
    first: TableValue | None

    @classmethod
    def parse(cls, text: str) -> Carried:
        """Read a text of ``_Sample``; another one is an InternalError."""
        from .digest import TableValue

        if text.startswith(_COUNTED):
            return cls(int(text.removeprefix(_COUNTED)), None)
        if not text.startswith(SAMPLED):
            raise InternalError(f"{text!r} is not the digest of a sampled split")
        rows, _, value = text.removeprefix(SAMPLED).partition(":")
        return cls(int(rows), TableValue.parse(value))


class _Bytes:
    """Digest of one byte range."""

    def __init__(self) -> None:
        from .digest_range import ByteDigest

        self._digest = ByteDigest()
        self.update = self._digest.update

    def text(self) -> str:
        return str(self._digest)


class _Rows:
    """Digest of the rows of one split."""

    def __init__(self, schema: Any) -> None:
        from .digest import TableDigest

        self._digest = TableDigest(schema)
        self.update = self._digest.update

    def text(self) -> str:
        return str(self._digest.value)


class _Sample:
    """Counts rows and digests the first of them; how many a share is shows only at the end.

    So the digest is noted every ``_MARK_ROWS`` rows. Rows that certainly lie behind the share (their data
    in memory being not more than ``_WIDER`` times as large as in a file) are counted only.
    """

    def __init__(self, schema: Any, share: float, length: int | None) -> None:
        from .digest import TableDigest

        self._share, self._rows = share, 0
        self._digest = TableDigest(schema) if share else None
        self._digesting = self._digest is not None
        self._marks: list[TableValue] = []
        self._next = _MARK_ROWS
        self._left = None if length is None or share >= 1 else int(_WIDER * share * length) or 1

    def update(self, batch: Any) -> None:
        self._rows += batch.num_rows
        if not self._digesting:
            return
        assert self._digest is not None  # noqa: S101 - it was made where rows are digested
        self._digest.update(batch)
        if self._rows >= self._next:
            self._marks.append(self._digest.value)
            self._next = self._rows + _MARK_ROWS
        if self._left is not None:
            self._left -= batch.nbytes
            self._digesting = self._left > 0

    def text(self) -> str:
        if self._digest is None:
            return f"{_COUNTED}{self._rows}"
        marks = [*self._marks, self._digest.value]
        enough = (mark for mark in marks if mark.rows >= self._share * self._rows)
        return f"{SAMPLED}{self._rows}:{next(enough, marks[-1])}"
