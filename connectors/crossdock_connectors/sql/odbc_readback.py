"""Reading staged rows back before they are committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock import NotFoundError, PlanHint, Split, Unit

from ..readback import WrittenSource
from .odbc_catalog import Name
from .odbc_connection import BATCH_BYTES, Database
from .odbc_source import batches, pack, plan_of, relation_of, unpack
from .odbc_staging import Loaded, Staging

if TYPE_CHECKING:
    import pyarrow as pa


class StagedSource(WrittenSource):
    """One split per receipt."""

    def __init__(self, database: Database, staging: Staging, loaded: Sequence[Loaded]) -> None:
        super().__init__(staging.name.table, staging.schema)
        self._database, self._staging, self._loaded = database, staging, loaded

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        filled = [each for each in self._loaded if each.rows]
        if not filled:
            return
        schema, traits = self._staging.name.schema, self._database.traits
        try:
            first = relation_of(self._database, Name(schema, filled[0].table))
        except NotFoundError as error:
            raise self._staging.lost("a staging table does not exist") from error
        plan = plan_of(self._database, first, "declared")
        for index, each in enumerate(filled):
            sql = plan.sql.removesuffix(first.sql) + traits.quoted((schema, each.table))
            token = pack(replace(plan, shown=self._staging.name.shown, sql=sql))
            yield Split(unit.name, index, token, each.rows, memory=4 * BATCH_BYTES)

    @contextmanager
    def stored(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        with self._database.rows() as rows:
            yield batches(self._database, rows, unpack(split.token))

    def close(self) -> None:
        """Connections last as long as what they are for."""
