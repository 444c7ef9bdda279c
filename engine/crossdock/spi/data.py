"""The values that cross the plugin boundary. All immutable; bytes are opaque to the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from .record import record

if TYPE_CHECKING:
    import pyarrow as pa

    from .store import ObjectAttributes


class WriteMode(StrEnum):
    """What to do about a target that may exist."""

    ERROR = "error"
    """Refuse when the target exists; never replace what appeared meanwhile."""
    APPEND = "append"
    """Add to the target; create it when it is missing."""
    OVERWRITE = "overwrite"
    """Replace the target at commit, in one step."""


_FILE_OF_DATA = re.compile(
    r"\.(csv|tsv|txt|psv|tbl|json|jsonl|ndjson|parquet|pq|avro|orc|xlsx?|xml|arrow|feather|ipc)"
    r"(\.(gz|gzip|bz2|zst|zstd|xz|lz4|br|snappy|deflate|zip))?\Z",
    re.IGNORECASE,
)


@record(slots=True)
class Unit:
    """What becomes visible at once: a table, an object.

    ``name`` is a relative, ``/``-separated name that a sink turns into its own (``2024/a.csv``,
    ``flights``). ``size`` is in bytes where the source knows it. ``token`` is the source's own,
    stored with the plan (for example the version of the object, so that reading can be pinned).
    """

    name: str
    size: int | None = None
    token: bytes = b""

    @property
    def table_name(self) -> str:
        """The name for a table made of the unit: of a file of data, that without folders and extension."""
        name = _FILE_OF_DATA.sub("", self.name)
        return self.name if name == self.name else name.rpartition("/")[2]


@record(slots=True)
class UnitPage:
    """Some units and a cursor from which listing goes on in another process (None: no more)."""

    units: tuple[Unit, ...]
    cursor: bytes | None = None

    @classmethod
    def of(cls, names: Sequence[str], size: int = 1000) -> Iterator[UnitPage]:
        """Pages of units with these names, which are in order; the cursor is the last name of a page."""
        for at in range(0, len(names), size):
            page = names[at : at + size]
            more = at + size < len(names)
            yield cls(tuple(map(Unit, page)), page[-1].encode() if more else None)


@record(slots=True)
class Split:
    """What one worker carries; readable by another process or machine.

    ``index`` counts from 0 within the unit and is the order of the splits in an ordered sink.
    ``weight`` is relative work. ``length`` is what it reads of the source in bytes, where that is known;
    binary splits have it and their ``offset``.
    ``memory`` is what reading it needs in bytes (0: the engine's default).
    """

    unit: str
    index: int
    token: bytes
    weight: int = 1
    offset: int | None = None
    length: int | None = None
    memory: int = 0


@record(slots=True)
class Receipt:
    """Proof that a split is durable at the sink and not yet visible.

    ``visible``: it was the only split of its unit, which its writer has made visible; ``commit`` is then not
    called. ``skipped``: rows that were left out on the way, which the engine counts.
    """

    token: bytes
    items: int
    bytes: int
    rows: int | None = None
    visible: bool = False
    skipped: int = 0


@record(slots=True)
class PlanHint:
    """What the engine asks of a plan.

    ``parallel``: splits that run at once; ``most``: that may, where more turn out to carry more (0: no more),
    for sources whose splits cost next to nothing. ``max_splits``: upper limit (None: no limit).
    ``min_split_bytes``: smaller splits are not worth their fixed cost at the sink. ``block``: the sink's
    block size in bytes; binary splits are exactly that long but the last. ``cheap_scan``: reading the whole
    object while planning costs next to nothing. ``first_rows``: nobody will read more rows than that, from
    the first split on; a source may end where it has as many.
    """

    parallel: int = 1
    max_splits: int | None = None
    min_split_bytes: int = 0
    block: int | None = None
    cheap_scan: bool = False
    first_rows: int | None = None
    most: int = 0


@record(slots=True)
class Target:
    """How a unit shall be written. ``schema`` is the *mapped* schema, None for bytes.

    ``attributes`` are what its object shall have beside the bytes; for stores only. ``skip_rows``: rows that
    the target refuses are left out (``SkippingSink``); else they are errors.
    """

    mode: WriteMode
    schema: pa.Schema | None = None
    attributes: ObjectAttributes | None = None
    skip_rows: bool = False


@record(slots=True)
class Begun:
    """A unit that was begun at the sink; journaled, never asked for twice.

    ``handle`` carries everything that ``writer``, ``commit`` and ``cleanup`` need in another process.
    ``max_writers``: splits of this unit that may be written at once. ``max_splits``: splits that
    the unit may have at all (1 for a format that only one writer can write). ``block``,
    ``min_split_bytes``: see ``PlanHint``. ``memory``: what one writer needs, in bytes.
    """

    handle: bytes
    max_writers: int = 1
    max_splits: int | None = None
    block: int | None = None
    min_split_bytes: int = 0
    memory: int = 0


@record(slots=True)
class Attempt:
    """One try at a split. ``number`` grows over all tries and processes (the journal sees to it)."""

    run_id: str
    number: int
