"""What the journal says of units and splits, and how their names and limits are stored."""

from __future__ import annotations

import json
from enum import IntEnum
from functools import lru_cache

from .spi.data import Begun, Receipt, Split, Unit
from .spi.record import record


class UnitState(IntEnum):
    """How far a unit has come. States below DONE are worked on again after a resume.

    BEGINNING is stored before the sink is asked to begin: a process that is killed then knows of no handle.
    VERIFIED, which is also COMMITTED, is stored only where something follows that is not to be undone.
    """

    PLANNED = 0
    BEGINNING = 1
    BEGUN = 2
    COMMITTED = 3
    VERIFIED = 4
    DONE = 5
    SKIPPED = 6


@record(slots=True)
class UnitRow:
    """A unit as the journal has it."""

    seq: int
    unit: Unit
    state: UnitState
    begun: Begun | None


@record(slots=True)
class SplitRow:
    """A split as the journal has it; ``receipt`` is None until it is durable."""

    split: Split
    receipt: Receipt | None
    digest: str


@record(slots=True)
class Totals:
    """Counts over the whole run. ``rows`` are those at the sink, ``rows_skipped`` were left out."""

    units: int
    units_done: int
    units_visible: int
    units_skipped: int
    size: int | None
    splits: int
    splits_done: int
    bytes_read: int
    bytes: int
    rows: int | None
    rows_skipped: int = 0


def encoded(name: str) -> bytes:
    """Names of files may not be UTF-8, which SQLite's texts have to be."""
    return name.encode("utf-8", "surrogateescape")


def decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


@lru_cache(maxsize=1)  # most units have those of the one before
def limits_text(*numbers: int | None) -> str:
    return json.dumps(numbers)


def begun_from(handle: bytes | None, limits: str | None) -> Begun | None:
    return None if handle is None or limits is None else Begun(handle, *json.loads(limits))
