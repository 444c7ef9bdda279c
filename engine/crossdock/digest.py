"""Digests behind ``--verify``: what was read is compared with what was written.

A byte digest covers a byte range in order. A table digest covers a *multiset of rows*: it depends neither
on the order of the rows nor on how they are cut into batches or splits, so the digests of splits add up.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .digest_lanes import Lane, prepare
from .digest_mix import BLOCK, U64, Workspace, chain, keys
from .digest_types import canonical, canonical_type
from .errors import InternalError, VerificationError

__all__ = ["TableDigest", "TableValue", "canonical", "compare"]

_SEED, _FINAL, _SECOND, _THIRD = keys(0x5EED, 4)
_SHIFT_29, _SHIFT_32 = np.uint64(29), np.uint64(32)


@dataclass(frozen=True, slots=True)
class TableValue:
    """The digest of some rows: their number and two 64-bit sums over their hashes.

    Values of disjoint sets of rows add up, in any order. ``str`` gives one line for a journal,
    ``parse`` reads it again in any process on any machine.
    """

    rows: int = 0
    first: int = 0
    second: int = 0

    def __add__(self, other: TableValue) -> TableValue:
        mask = 2**64 - 1
        return TableValue(
            self.rows + other.rows, (self.first + other.first) & mask, (self.second + other.second) & mask
        )

    def __str__(self) -> str:
        return f"rows1:{self.rows}:{self.first:016x}{self.second:016x}"

    @classmethod
    def parse(cls, text: str) -> TableValue:
        """Read what ``str`` wrote; another version is an InternalError."""
        version, _, rest = text.partition(":")
        rows, _, sums = rest.partition(":")
        if version != "rows1" or len(sums) != 32:
            raise InternalError(f"{text!r} is not a table digest of this version of crossdock")
        return cls(int(rows), int(sums[:16], 16), int(sums[16:], 16))


class TableDigest:
    """Digest of the rows of record batches. Not safe to use from several threads; make one per split.

    ``schema`` says what the values are meant to be; batches may differ from it by types that hold the
    same values (see ``canonical``). A column of any other type is cast to the type in ``schema``
    (a date that a sink keeps as text); ``update`` or ``value`` raises VerificationError where that fails.
    Columns match by position.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._canonical = canonical(schema).types
        self._keys = keys(0xC01, len(schema))
        self._workspace = Workspace()
        self._same_as_schema = schema
        self._value = TableValue()
        self._small: list[pa.RecordBatch] = []
        self._small_rows = 0
        self._hash, self._lane, self._scratch = (np.empty(BLOCK, np.uint64) for _ in range(3))

    @property
    def value(self) -> TableValue:
        self._flush()
        return self._value

    def merge(self, other: TableDigest | TableValue) -> None:
        """Add the rows that another digest of the same schema has seen."""
        self._value += other.value if isinstance(other, TableDigest) else other

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of ``batch``. Small batches are kept until they are worth the fixed cost."""
        if batch.num_rows >= BLOCK // 2:
            self._digest(batch)
            return
        if self._small and not batch.schema.equals(self._small[0].schema):
            self._flush()
        self._small.append(batch)
        self._small_rows += batch.num_rows
        if self._small_rows >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        small, self._small, self._small_rows = self._small, [], 0
        if len(small) > 1:
            with suppress(pa.ArrowException):  # Arrow cannot join every type
                small = pa.Table.from_batches(small).combine_chunks().to_batches()
        for batch in small:
            self._digest(batch)

    def _digest(self, batch: pa.RecordBatch) -> None:
        rows = batch.num_rows
        if not rows:
            return
        first = second = np.uint64(0)
        with np.errstate(all="ignore"):
            lanes = [
                prepare(array, self._workspace, str(index))
                for index, array in enumerate(self._columns(batch))
            ]
            for start in range(0, rows, BLOCK):
                one, two = self._block(lanes, start, min(start + BLOCK, rows))
                first, second = first + one, second + two
        self._value += TableValue(rows, int(first), int(second))

    def _block(self, lanes: list[Lane], start: int, stop: int) -> tuple[np.uint64, np.uint64]:
        size = stop - start
        value, lane, scratch = self._hash[:size], self._lane[:size], self._scratch[:size]
        value.fill(_SEED)
        for key, fill in zip(self._keys, lanes, strict=True):
            chain(value, fill(start, stop, lane), key, scratch)
        return _sums(value, scratch)

    def _columns(self, batch: pa.RecordBatch) -> list[pa.Array]:
        if batch.schema is self._same_as_schema or batch.schema.equals(self._same_as_schema):
            columns: list[pa.Array] = batch.columns
            return columns
        if batch.num_columns != len(self._schema):
            raise VerificationError(
                f"{batch.num_columns} columns instead of {len(self._schema)} were read back"
            )
        pairs = zip(batch.columns, self._schema, self._canonical, strict=True)
        columns = [
            array if canonical_type(array.type) == want else _cast(array, field)
            for array, field, want in pairs
        ]
        if all(new is old for new, old in zip(columns, batch.columns, strict=True)):
            self._same_as_schema = batch.schema
        return columns


def _sums(value: U64, scratch: U64) -> tuple[np.uint64, np.uint64]:
    """Two sums that are independent of each other; changes ``value``."""
    np.multiply(value, _FINAL, out=value)
    np.right_shift(value, _SHIFT_29, out=scratch)
    np.bitwise_xor(value, scratch, out=value)
    first = np.add.reduce(value)
    # Two rounds: after one, the upper half of this sum would follow from the first sum.
    for key, shift in ((_SECOND, _SHIFT_32), (_THIRD, _SHIFT_29)):
        np.multiply(value, key, out=value)
        np.right_shift(value, shift, out=scratch)
        np.bitwise_xor(value, scratch, out=value)
    return first, np.add.reduce(value)


def _cast(array: pa.Array, field: pa.Field) -> pa.Array:
    """``array`` as the type it is meant to have; VerificationError where a value does not survive."""
    try:
        cast = pc.cast(array, field.type, safe=True)
        # Arrow rounds a float to the decimal's scale without a word.
        if pa.types.is_floating(array.type) and not pc.cast(cast, array.type).equals(array):
            raise pa.ArrowInvalid("the values have more digits than the type")
    except pa.ArrowException as error:
        raise VerificationError(
            f"the values of column {field.name!r} were read back as {array.type} "
            f"and cannot be compared with {field.type}",
            detail=str(error),
        ) from error
    return cast


def compare(expected: TableValue | int, actual: TableValue | int, unit: str = "the copy") -> None:
    """Raise VerificationError unless both are equal; ``unit`` is what the message is about."""
    if expected == actual:
        return
    if isinstance(expected, TableValue) and isinstance(actual, TableValue) and expected.rows != actual.rows:
        raise VerificationError(
            f"{unit}: {actual.rows} rows were read back where {expected.rows} were written"
        )
    what = "values" if isinstance(expected, TableValue) else "bytes"
    detail = f"expected {expected}, found {actual}"
    raise VerificationError(
        f"{unit}: the {what} that were read back differ from those written", detail=detail
    )
