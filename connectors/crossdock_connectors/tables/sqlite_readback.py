"""Reading staged rows back before they are committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from crossdock import PlanHint, Split, Unit

from ..readback import WrittenSource
from .sqlite_columns import Column, Relation
from .sqlite_database import Database, quote
from .sqlite_source import SqliteSource, pack
from .sqlite_staging import Rows, Staging

if TYPE_CHECKING:
    import pyarrow as pa


class StagedSource(WrittenSource):
    """What the receipts of one unit stand for: one split per receipt."""

    def __init__(self, database: Database, staging: Staging, ranges: Sequence[Rows]) -> None:
        super().__init__(staging.table, staging.schema)
        self._staging, self._ranges = staging, ranges
        self._source = SqliteSource(database)
        pairs = zip(staging.schema.names, staging.codes, strict=True)
        self._columns = [Column(name, code, "all") for name, code in pairs]

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        staging = self._staging
        relation = Relation(staging.table, f"main.{quote(staging.staged)} NOT INDEXED", "", staging.rowid)
        filled = [each for each in self._ranges if each.last >= each.first]
        for index, rows in enumerate(filled):
            where = f"{staging.rowid} BETWEEN {rows.first} AND {rows.last}"
            weight = rows.last - rows.first + 1
            yield Split(unit.name, index, pack(relation, self._columns, where, ""), weight)

    def stored(self, split: Split) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        return self._source.read(split)

    def close(self) -> None:
        self._source.close()
